"""Who may hear a message, and who may delete it."""

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.components.http import KEY_HASS_USER
from homeassistant.components.media_player import BrowseError
from homeassistant.components.websocket_api import current_connection
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.http import current_request
from homeassistant.helpers.script import script_stack_cv
from homeassistant.helpers.trace import trace_id_get

from ..coordinator import PbxCoordinator
from ..errors import failure


@callback
def may_hear(coordinator: PbxCoordinator, user: User | None, extension: str) -> bool:
    """Tell whether a user may list and hear an extension's messages: if they may see it.

    None is nobody in particular: an automation, which runs for whoever wrote it.
    """
    return user is None or _may(coordinator, user, extension, POLICY_READ)


@callback
def may_delete(coordinator: PbxCoordinator, user: User | None, extension: str) -> bool:
    """Tell whether a user may delete an extension's messages: if they may control it."""
    return user is None or _may(coordinator, user, extension, POLICY_CONTROL)


@callback
def may_see(coordinator: PbxCoordinator, user: User | None) -> bool:
    """Tell whether a user may know of a PBX: administrators, and who may hear something of it."""
    return (
        user is None
        or user.is_admin
        or any(may_hear(coordinator, user, number) for number in coordinator.data.roster)
    )


@callback
def current_user() -> User | None:
    """Return for whom the media browser works right now, None if for nobody in particular.

    Raises BrowseError for a request without a user. It may be somebody's all the same, as
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
        raise failure(BrowseError, "not_allowed")
    return user


def _is_automation() -> bool:
    """Tell whether an automation is at work, be it by a script.

    It inherits the request of whoever sets it off, but acts for whoever wrote it. A script that
    a user starts acts for that user.
    """
    run, scripts = trace_id_get(), script_stack_cv.get()
    if run is None:
        return False
    return run[0].startswith("automation.") or bool(
        scripts and scripts[0].startswith("automation.")
    )


@callback
def act_for_nobody() -> None:
    """Let the task at hand, which several may wait for, not be that of whoever came first."""
    current_connection.set(None)
    current_request.set(None)


def _may(coordinator: PbxCoordinator, user: User, extension: str, policy: str) -> bool:
    """Tell what a user may do with all entities of an extension, disabled ones too."""
    if user.is_admin:
        return True
    if (device := coordinator.device_of(extension)) is None:
        return False
    entities = er.async_entries_for_device(
        er.async_get(coordinator.hass), device.id, include_disabled_entities=True
    )
    return bool(entities) and all(
        user.permissions.check_entity(entity.entity_id, policy) for entity in entities
    )
