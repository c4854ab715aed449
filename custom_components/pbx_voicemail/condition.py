"""Condition for automations: a voicemail message is waiting."""

from collections.abc import Mapping
from typing import Final, override

from homeassistant.const import STATE_ON, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.condition import Condition, EntityStateConditionBase

from .binary_sensor import MESSAGE_WAITING
from .identifiers import entities_of_kind

_BINARY_SENSORS: Final[Mapping[str, DomainSpec]] = {Platform.BINARY_SENSOR: DomainSpec()}
_ON: Final[set[str | bool]] = {STATE_ON}


class MessageWaitingCondition(EntityStateConditionBase):
    """Passes while a message is waiting for any, or all, of the targeted extensions.

    Unavailable extensions do not count. If all are unavailable, the condition does not pass.
    """

    _domain_specs = _BINARY_SENSORS
    _states = _ON

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Leave out binary sensors for anything else, such as others in the same area."""
        return entities_of_kind(self._hass, super().entity_filter(entities), MESSAGE_WAITING)

    @override
    def _check_all_match_state(self, states: list[State]) -> bool:
        return bool(states) and super()._check_all_match_state(states)


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions of this integration."""
    return {"is_message_waiting": MessageWaitingCondition}
