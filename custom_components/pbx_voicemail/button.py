"""The button that marks all messages of an extension as read."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PbxConfigEntry
from .entity import ExtensionEntity, async_add_extension_entities

# Messages are marked at once; PBXs that can be told are told one message at a time.
PARALLEL_UPDATES = 0

MARK_ALL_READ_BUTTON = ButtonEntityDescription(key="mark_all_read", translation_key="mark_all_read")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of all extensions."""
    coordinator = entry.runtime_data
    await async_add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [MarkAllReadButton(coordinator, extension, MARK_ALL_READ_BUTTON)],
    )


class MarkAllReadButton(ExtensionEntity, ButtonEntity):
    """Marks all messages of an extension as read."""

    @property
    @override
    def _written(self) -> tuple[object, ...]:
        return (self.available,)

    @override
    async def async_press(self) -> None:
        """Mark them."""
        mailbox = self.mailbox
        messages = await self.hass.async_add_executor_job(lambda: mailbox.messages)
        await self.coordinator.read_state.async_mark_read(messages)
