"""Binary sensors that show whether an extension has messages waiting."""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity, BinarySensorEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PbxConfigEntry
from .entity import ExtensionEntity, async_add_extension_entities

# The coordinator polls the PBX.
PARALLEL_UPDATES = 0

MESSAGE_WAITING = BinarySensorEntityDescription(
    key="message_waiting", translation_key="message_waiting"
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the message waiting indicators of all extensions."""
    coordinator = entry.runtime_data
    await async_add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [MessageWaitingSensor(coordinator, extension, MESSAGE_WAITING)],
    )


class MessageWaitingSensor(ExtensionEntity, BinarySensorEntity):
    """On while there are unread messages.

    If the PBX does not say which messages are unread, all of them count.
    """

    @property
    @override
    def is_on(self) -> bool:
        """Return whether a message is waiting."""
        return self.mailbox.unread > 0
