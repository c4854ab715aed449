"""Tells automations of each new message."""

from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.start import async_at_started

from .arrivals import Arrival
from .coordinator import PbxConfigEntry
from .entity import ExtensionEntity, add_extension_entities

# The coordinator does the asking.
PARALLEL_UPDATES = 0

EVENT_RECEIVED: Final = "received"

NEW_MESSAGE = EventEntityDescription(
    key="new_message", translation_key="new_message", event_types=[EVENT_RECEIVED]
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the events of all extensions."""
    coordinator = entry.runtime_data
    add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [NewMessageEvent(coordinator, extension, NEW_MESSAGE)],
    )


class NewMessageEvent(ExtensionEntity, EventEntity):
    """Announces each message of an extension once.

    Which ones are new, the coordinator's arrivals know. Nothing is announced before Home
    Assistant has started, since automations would not hear it.
    """

    # Who called whom, and when, belongs into no history.
    _unrecorded_attributes = frozenset({MATCH_ALL})
    _is_heard = False

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to announce, at the latest when all are there to listen."""
        await super().async_added_to_hass()

        @callback
        def begin(hass: HomeAssistant) -> None:
            # No state can be written before this entity has been added, a moment from now.
            self.async_on_remove(hass.loop.call_soon(self._begin).cancel)

        self.async_on_remove(async_at_started(self.hass, begin))

    @callback
    def _begin(self) -> None:
        self._is_heard = True
        self._show()

    @callback
    @override
    def _show(self) -> None:
        # An event that also ends an outage would be taken for the end of the outage alone.
        super()._show()
        self._announce()

    @callback
    def _announce(self) -> None:
        """Announce what is new: each in a state of its own, since only the last one stays."""
        if not (self._is_heard and self.available):
            return
        for arrival in self.coordinator.arrivals.take(self.mailbox):
            self._trigger_event(EVENT_RECEIVED, _attributes(arrival))
            self.async_write_ha_state()


def _attributes(arrival: Arrival) -> dict[str, str | int | bool | None]:
    message = arrival.message
    return {
        "message_id": message.id,
        "extension": message.extension,
        "caller": message.caller,
        "caller_name": message.caller_name,
        "received": message.received.isoformat() if message.received else None,
        "duration": message.duration,
        "while_away": arrival.while_away,
    }
