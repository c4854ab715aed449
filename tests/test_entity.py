"""Snapshots of all entities, and what a message writes of them."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.json import json_dumps
from homeassistant.util.json import json_loads
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from .helpers import leave_message, poll
from .simulator import Simulator


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


async def test_one_more_message_writes_what_it_changes(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Extensions without a new message are not looked at, and unchanged states not written."""
    woken = list[str]()
    for number in ("101", "102", "103", "104"):
        connected.runtime_data.async_add_listener(partial(woken.append, number), number)
    await leave_message(pbx, "104")
    await poll(hass)
    woken.clear()
    before = {state.entity_id: state.last_reported for state in hass.states.async_all()}
    await leave_message(pbx, "104", '"Bob" <6001>', datetime(2026, 11, 24, 9, 31, tzinfo=UTC))

    await poll(hass)

    assert woken == ["104"]
    assert {
        state.entity_id
        for state in hass.states.async_all()
        if state.last_reported != before[state.entity_id]
    } == {
        "event.extension_104_new_message",
        "sensor.extension_104_latest_caller",
        "sensor.extension_104_latest_message",
        "sensor.extension_104_messages",
        "sensor.extension_104_unread_messages",
        "sensor.uc501_messages",
        "sensor.uc501_unread_messages",
    }
