"""Who may hear a message, and who may delete it.

Rights are those to the entities of an extension, as Home Assistant keeps them.
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
    """Return whether a user may list and hear an extension's messages: if they may read its entities.

    None stands for an automation, which runs for whoever wrote it.
    """
    return user is None or _may(hass, entry, user, extension, POLICY_READ)


@callback
def may_control(hass: HomeAssistant, entry: ConfigEntry, user: User | None, extension: str) -> bool:
    """Return whether a user may delete an extension's messages: if they may control its entities."""
    return user is None or _may(hass, entry, user, extension, POLICY_CONTROL)


@callback
def may_see(
    hass: HomeAssistant, entry: ConfigEntry, user: User | None, extensions: Iterable[str]
) -> bool:
    """Return whether a user may know of a PBX: administrators, and who may hear any of its extensions."""
    return (
        user is None
        or user.is_admin
        or any(may_hear(hass, entry, user, number) for number in extensions)
    )


@callback
def current_user() -> User | None:
    """Return the user for whom the media browser works right now, None for an automation.

    Raises BrowseError for a request without a user: it may be somebody's all the same, such as
    what a phone app asks for by its webhook.
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


def _is_automation() -> bool:
    """Return whether an automation is running, possibly in a script.

    It inherits the request of whoever triggers it, but acts for whoever wrote it. A script that
    a user starts acts for that user.
    """
    run, scripts = trace_id_get(), script_stack_cv.get()
    if run is None:
        return False
    return run[0].startswith("automation.") or bool(
        scripts and scripts[0].startswith("automation.")
    )


@callback
def act_without_user() -> None:
    """Detach the current task, which several may wait for, from the user who started it."""
    current_connection.set(None)
    current_request.set(None)


def _may(hass: HomeAssistant, entry: ConfigEntry, user: User, extension: str, policy: str) -> bool:
    """Return whether a policy holds for all entities of an extension, disabled ones too."""
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
