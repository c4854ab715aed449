"""Snapshots of all entities, and what a message writes of them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.json import json_dumps
from homeassistant.util.json import json_loads
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from syrupy.assertion import SnapshotAssertion

from custom_components.pbx_voicemail.sensor import HUB_SENSORS

from .helpers import leave_message, pass_one_hour, poll
from .simulator import Simulator

_STATES = 7
"""How many entities of an extension are enabled by default."""


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


@contextmanager
def _count_states_at_once(hass: HomeAssistant) -> Iterator[list[int]]:
    """Note how many states of the integration are written each time other tasks have to wait."""
    counts = [0]

    @callback
    def count(event: Event[Any]) -> None:
        counts[-1] += 1

    async def note() -> None:
        while True:
            await asyncio.sleep(0)
            counts.append(0)

    noting = asyncio.get_running_loop().create_task(note())
    remove = hass.bus.async_listen(EVENT_STATE_CHANGED, count)
    yield counts
    remove()
    noting.cancel()


async def test_many_extensions_let_other_tasks_run(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """All at once would block Home Assistant for a second."""
    pbx.extensions |= {str(number): "" for number in range(1000, 1200)}
    with _count_states_at_once(hass) as written:
        await hass.config_entries.async_setup(entry.entry_id)
    assert _available(hass) >= 200, "after the setup, there is nothing left to add"
    assert max(written) <= len(HUB_SENSORS) + _STATES

    pbx.extensions |= {str(number): "" for number in range(1200, 1400)}
    with _count_states_at_once(hass) as written:
        await pass_one_hour(hass, freezer)
    assert _available(hass) >= 400
    assert max(written) <= _STATES

    await pbx.stop()
    with _count_states_at_once(hass) as written:
        await poll(hass)
    assert _available(hass) == 0
    assert max(written) <= len(HUB_SENSORS) + 5 * _STATES


def _available(hass: HomeAssistant) -> int:
    states = hass.states.async_all("binary_sensor")
    return sum(state.state != STATE_UNAVAILABLE for state in states)


async def test_unloaded_while_extensions_are_added(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is added to platforms that have been unloaded."""
    pbx.extensions |= {str(number): "" for number in range(1000, 1200)}
    while "1000" not in connected.runtime_data.data.roster:
        # In steps in which the token does not expire.
        freezer.tick(timedelta(minutes=21))
        await connected.runtime_data.async_refresh()
    # Nothing else may be waited for: all extensions could be added meanwhile.
    while _available(hass) == 4:
        await asyncio.sleep(0)
    assert _available(hass) < 200
    await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    assert _available(hass) == 204
    assert "already exists" not in caplog.text
