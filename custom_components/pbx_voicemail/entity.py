"""What all entities share: their devices, their names, and how extensions get theirs."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import batched
from typing import Final, override

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
from .pbx import Mailbox

_BATCH: Final = 25
"""The entities of so many extensions are added at once. Each takes a good millisecond."""


class HubEntity(CoordinatorEntity[PbxCoordinator]):
    """Something of the PBX as a whole."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: PbxCoordinator, description: EntityDescription) -> None:
        """Name the entity after what it describes."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = unique_id(coordinator.config_entry, description.key)
        self._attr_device_info = hub_device_info(coordinator)


class ExtensionEntity(CoordinatorEntity[PbxCoordinator]):
    """Something of one extension.

    It is unavailable while the PBX cannot be asked, and when the PBX has lost the
    extension. It wakes only when either changes, or its mailbox does: most polls that
    bring something new bring it for one extension out of hundreds.
    """

    _attr_has_entity_name = True
    _shown: tuple[bool, Mailbox]

    def __init__(
        self, coordinator: PbxCoordinator, extension: str, description: EntityDescription
    ) -> None:
        """Name the entity after the extension and what it describes of it."""
        super().__init__(coordinator)
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
        """Tell whether the PBX answers and has the extension."""
        return super().available and self.extension in self.coordinator.data.roster

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to follow the mailbox from what is shown first."""
        await super().async_added_to_hass()
        self._shown = self.available, self.mailbox

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        shown = self.available, self.mailbox
        if shown != self._shown:
            self._shown = shown
            self._show()

    @callback
    def _show(self) -> None:
        """Write what has changed."""
        self.async_write_ha_state()


@callback
def add_extension_entities(
    coordinator: PbxCoordinator,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[str], Iterable[Entity]],
) -> None:
    """Add the entities of every extension in the roster, and of each that joins it later.

    One that leaves the roster and comes back has its entities still, unless a person
    removed them meanwhile: then it gets new ones.
    """
    registry = er.async_get(coordinator.hass)
    platform = async_get_current_platform().domain
    known: set[str] = set()
    met: set[str] = set()

    def is_there(entity: Entity) -> bool:
        return registry.async_get_entity_id(platform, DOMAIN, entity.unique_id or "") is not None

    @callback
    def add(extensions: Iterable[str]) -> None:
        entities = [
            entity
            for extension in extensions
            for entity in create(extension)
            if extension not in met or not is_there(entity)
        ]
        met.update(extensions)
        if entities:
            async_add_entities(entities)

    async def add_the_rest(batches: Iterable[Iterable[str]]) -> None:
        for extensions in batches:
            # Lets everything else run, too.
            await asyncio.sleep(0)
            add(extensions)

    @callback
    def follow_roster() -> None:
        roster = coordinator.data.roster
        added = [extension for extension in roster if extension not in known]
        known.intersection_update(roster)
        known.update(added)
        batches = batched(added, _BATCH, strict=False)
        add(next(batches, ()))
        if len(added) > _BATCH:
            coordinator.config_entry.async_create_task(
                coordinator.hass, add_the_rest(batches), eager_start=False
            )

    follow_roster()
    coordinator.config_entry.async_on_unload(coordinator.async_add_listener(follow_roster))
