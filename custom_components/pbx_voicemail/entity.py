"""Base classes of entities, and adding the entities of extensions."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import override

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import (
    AddConfigEntryEntitiesCallback,
    async_get_current_platform,
)
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import PbxCoordinator
from .devices import extension_device_info, hub_device_info
from .identifiers import unique_id
from .pbx import Extension, Mailbox


class PbxEntity(CoordinatorEntity[PbxCoordinator]):
    """An entity whose state is only written when something in it has changed.

    Most polls change one mailbox of hundreds, if any, and not everything that is shown of it.
    """

    _attr_has_entity_name = True
    _last_written: tuple[object, ...]

    @property
    def _written(self) -> tuple[object, ...]:
        """What is shown: the state is written again when this changes."""
        return self.available, self.state

    @override
    async def async_added_to_hass(self) -> None:
        """Remember what Home Assistant writes when it adds the entity."""
        await super().async_added_to_hass()
        self._last_written = self._written

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if (written := self._written) != self._last_written:
            self._last_written = written
            self.async_write_ha_state()


class HubEntity(PbxEntity):
    """An entity of the PBX itself."""

    def __init__(self, coordinator: PbxCoordinator, description: EntityDescription) -> None:
        """Initialize the entity."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = unique_id(coordinator.config_entry, description.key)
        self._attr_device_info = hub_device_info(coordinator)


class ExtensionEntity(PbxEntity):
    """An entity of one extension.

    It is available while the PBX is, has the extension, and lets its mailbox be read.
    """

    def __init__(
        self, coordinator: PbxCoordinator, extension: str, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        super().__init__(coordinator, context=extension)
        self.entity_description = description
        self.extension = extension
        self._attr_unique_id = unique_id(coordinator.config_entry, extension, description.key)
        self._attr_device_info = extension_device_info(coordinator, extension)

    @property
    def mailbox(self) -> Mailbox:
        """The extension's messages."""
        return self.coordinator.data.mailbox(self.extension)

    @property
    @override
    def available(self) -> bool:
        """Return whether the PBX is available, has the extension, and says what is in its mailbox."""
        data = self.coordinator.data
        return (
            super().available
            and self.extension in data.roster
            and self.extension not in data.unreadable
        )


async def async_add_extension_entities(
    coordinator: PbxCoordinator,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[str], Iterable[Entity]],
) -> None:
    """Add entities for every extension in the roster, and for each that joins it later.

    An extension that leaves the roster keeps its entities. If a user has removed them when it
    returns, it gets new ones.
    """
    entry = coordinator.config_entry
    registry = er.async_get(coordinator.hass)
    platform = async_get_current_platform().domain
    known: Mapping[str, Extension] = {}
    added: set[str] = set()

    def is_registered(entity: Entity) -> bool:
        return registry.async_get_entity_id(platform, DOMAIN, entity.unique_id or "") is not None

    @callback
    def add(extension: str) -> None:
        entities = [
            entity
            for entity in create(extension)
            if extension not in added or not is_registered(entity)
        ]
        added.add(extension)
        if entities:
            async_add_entities(entities)

    async def add_new_extensions() -> None:
        nonlocal known
        roster = coordinator.data.roster
        new = [extension for extension in roster if extension not in known]
        known = roster
        for extension in new:
            # Each takes milliseconds. Hundreds at once would block Home Assistant for a second.
            async with coordinator.adding_entities:
                if entry.state is ConfigEntryState.UNLOAD_IN_PROGRESS:
                    return
                add(extension)
                await asyncio.sleep(0)

    @callback
    def handle_update() -> None:
        if coordinator.data.roster is not known:
            entry.async_create_task(coordinator.hass, add_new_extensions())

    entry.async_on_unload(coordinator.async_add_listener(handle_update))
    await add_new_extensions()
