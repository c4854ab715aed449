"""Which messages a user may list, listen to and delete.

Home Assistant has no permissions for messages, so those for the entities of the extension apply.
"""

from collections.abc import Iterable

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.components.http import KEY_HASS_USER
from homeassistant.components.media_player import BrowseError
from homeassistant.components.websocket_api import current_connection
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.http import current_request
from homeassistant.helpers.script import script_stack_cv
from homeassistant.helpers.trace import trace_id_get

from ..errors import translated_error
from ..identifiers import device_of


@callback
def may_hear(hass: HomeAssistant, entry: ConfigEntry, user: User | None, extension: str) -> bool:
    """Return whether a user may list and listen to the messages of an extension.

    No user stands for an automation, which may do everything.
    """
    return user is None or _has_permission(hass, entry, user, extension, POLICY_READ)


@callback
def may_control(hass: HomeAssistant, entry: ConfigEntry, user: User | None, extension: str) -> bool:
    """Return whether a user may delete the messages of an extension, and save recordings."""
    return user is None or _has_permission(hass, entry, user, extension, POLICY_CONTROL)


@callback
def may_see(
    hass: HomeAssistant, entry: ConfigEntry, user: User | None, extensions: Iterable[str]
) -> bool:
    """Return whether a user may know that a PBX exists: if they may hear any of its extensions."""
    return (
        user is None
        or user.is_admin
        or any(may_hear(hass, entry, user, number) for number in extensions)
    )


@callback
def current_user() -> User | None:
    """Return the user whose request is being handled, None for an automation.

    Raises BrowseError for a request without a user. It can come from a user all the same, for
    example from the mobile app through its webhook.
    """
    if _is_automation():
        return None
    if connection := current_connection.get():
        return connection.user
    if (request := current_request.get()) is None:
        return None
    user: User | None = request.get(KEY_HASS_USER)
    if user is None:
        raise translated_error(BrowseError, "not_allowed")
    return user


@callback
def clear_current_user() -> None:
    """Detach the current task from the request that started it, since others wait for it too."""
    current_connection.set(None)
    current_request.set(None)


def _is_automation() -> bool:
    """Return whether an automation is running, including the scripts that it runs.

    It inherits the request that triggered it, but has the permissions of its author. A script
    that a user runs has the permissions of that user.
    """
    run, scripts = trace_id_get(), script_stack_cv.get()
    if run is None:
        return False
    return run[0].startswith("automation.") or bool(
        scripts and scripts[0].startswith("automation.")
    )


def _has_permission(
    hass: HomeAssistant, entry: ConfigEntry, user: User, extension: str, policy: str
) -> bool:
    """Return whether a user has a permission for all entities of an extension, even disabled ones."""
    if user.is_admin:
        return True
    if (device := device_of(hass, entry, extension)) is None:
        return False
    entities = er.async_entries_for_device(
        er.async_get(hass), device.id, include_disabled_entities=True
    )
    return bool(entities) and all(
        user.permissions.check_entity(entity.entity_id, policy) for entity in entities
    )
