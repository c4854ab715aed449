"""Who may hear a message, and who may delete it."""

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.components.http import KEY_HASS_USER
from homeassistant.components.websocket_api import current_connection
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.http import current_request

from .const import DOMAIN
from .coordinator import PbxCoordinator


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
def current_user() -> User | None:
    """Return for whom the media browser works right now, None if for nobody in particular."""
    if connection := current_connection.get():
        return connection.user
    request = current_request.get()
    user: User | None = request.get(KEY_HASS_USER) if request else None
    return user


@callback
def act_for_nobody() -> None:
    """Let the task at hand, which several may wait for, not be that of whoever came first."""
    current_connection.set(None)
    current_request.set(None)


def _may(coordinator: PbxCoordinator, user: User, extension: str, policy: str) -> bool:
    """Tell what a user may do with all entities of an extension, disabled ones too."""
    entities = _entities(coordinator.hass, coordinator, extension)
    return user.is_admin or (
        bool(entities) and all(user.permissions.check_entity(entity, policy) for entity in entities)
    )


def _entities(hass: HomeAssistant, coordinator: PbxCoordinator, extension: str) -> list[str]:
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, coordinator.unique_id(extension)), coordinator.config_entry.entry_id
    )
    if device is None:
        return []
    return [
        entity.entity_id
        for entity in er.async_entries_for_device(
            er.async_get(hass), device.id, include_disabled_entities=True
        )
    ]
