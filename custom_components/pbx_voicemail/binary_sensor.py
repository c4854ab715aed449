"""The message-waiting lamp of an extension."""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity, BinarySensorEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PbxConfigEntry
from .entity import ExtensionEntity, add_extension_entities

# The coordinator does the asking.
PARALLEL_UPDATES = 0

MESSAGE_WAITING = BinarySensorEntityDescription(
    key="message_waiting", translation_key="message_waiting"
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the lamps of all extensions."""
    coordinator = entry.runtime_data
    add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [MessageWaiting(coordinator, extension, MESSAGE_WAITING)],
    )


class MessageWaiting(ExtensionEntity, BinarySensorEntity):
    """On while there are messages that nobody has heard.

    Where the PBX does not tell which were heard, every message waits until it is deleted.
    """

    @property
    @override
    def is_on(self) -> bool:
        """Tell whether a message waits."""
        return self.mailbox.unread > 0
