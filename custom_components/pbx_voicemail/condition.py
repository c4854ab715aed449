"""The condition that automations test: a message is waiting."""

from collections.abc import Mapping
from typing import Final, override

from homeassistant.const import STATE_ON, Platform
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers.automation import DomainSpec
from homeassistant.helpers.condition import Condition, EntityStateConditionBase

from .binary_sensor import MESSAGE_WAITING
from .identifiers import entities_of_kind

_LAMPS: Final[Mapping[str, DomainSpec]] = {Platform.BINARY_SENSOR: DomainSpec()}
_ON: Final[set[str | bool]] = {STATE_ON}


class MessageWaitingCondition(EntityStateConditionBase):
    """Passes while a message waits for any extension, or for all of them.

    Extensions that are unavailable are left out. With none left, nothing is known to wait.
    """

    _domain_specs = _LAMPS
    _states = _ON

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Leave out other binary sensors in the same area."""
        return entities_of_kind(self._hass, super().entity_filter(entities), MESSAGE_WAITING)

    @override
    def _check_all_match_state(self, states: list[State]) -> bool:
        return bool(states) and super()._check_all_match_state(states)


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions, by their names without the domain."""
    return {"is_message_waiting": MessageWaitingCondition}
