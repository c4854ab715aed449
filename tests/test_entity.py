"""Snapshots of all entities."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.json import json_dumps
from homeassistant.util.json import json_loads
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion


@pytest.mark.usefixtures("same_ids_in_each_run", "entity_registry_enabled_by_default")
async def test_every_entity(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    assert _overview(hass, entity_registry, connected) == snapshot


def _overview(
    hass: HomeAssistant, registry: er.EntityRegistry, entry: MockConfigEntry
) -> dict[str, Any]:
    overview = {}
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        state = hass.states.get(entity.entity_id)
        assert state is not None
        overview[entity.entity_id] = {
            "unique_id": entity.unique_id,
            "state": state.state,
            "attributes": json_loads(json_dumps(state.attributes)),
        }
    return overview
