"""Polling: what changes, what an outage does, and who is on the roster."""

import asyncio
from datetime import UTC, datetime
import logging
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.helpers.entity_platform import EntityPlatform
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.pbx_voicemail.const import DOMAIN

from .helpers import get_state, leave_message, pass_one_hour, poll
from .simulator import Simulator

QUERY = "/api/v0.0.1/voicemail/query"


async def test_new_message(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    await leave_message(pbx, "104")
    await poll(hass)

    messages = get_state(hass, "sensor.extension_104_messages")
    assert messages.state == "1"
    assert messages.attributes["latest_caller"] == "6000"
    assert messages.attributes["latest_caller_name"] == "Ann"
    assert messages.attributes["latest_received"] == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert get_state(hass, "sensor.extension_104_latest_caller").state == "Ann"
    assert get_state(hass, "sensor.uc501_messages").state == "8"
    assert get_state(hass, "sensor.uc501_mailboxes_with_messages").state == "4"


async def test_emptied_mailbox(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    for _ in range(3):
        await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)

    messages = get_state(hass, "sensor.reception_101_messages")
    assert messages.state == "0"
    assert messages.attributes["latest_caller"] is None
    assert messages.attributes["latest_message_id"] is None
    assert get_state(hass, "sensor.reception_101_latest_caller").state == "unknown"
    assert get_state(hass, "sensor.reception_101_latest_message").state == "unknown"


async def test_all_mailboxes_empty(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success"})

    pbx.intercept = nothing
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "0"
    assert get_state(hass, "sensor.uc501_messages").state == "0"


async def test_one_request_a_poll_and_no_state_for_no_news(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    written = _captured_states(hass)
    reported = {state.entity_id: state.last_reported for state in hass.states.async_all()}
    pbx.requests.clear()
    for _ in range(3):
        await poll(hass)

    assert pbx.requests == [QUERY] * 3
    assert not written
    assert reported == {state.entity_id: state.last_reported for state in hass.states.async_all()}


async def test_news_of_one_extension_wakes_no_other(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    before = {state.entity_id: state.last_reported for state in hass.states.async_all()}
    await leave_message(pbx, "104")
    await poll(hass)

    assert {
        state.entity_id
        for state in hass.states.async_all()
        if state.last_reported != before[state.entity_id]
    } == {
        "binary_sensor.extension_104_message_waiting",
        "event.extension_104_new_message",
        "sensor.extension_104_messages",
        "sensor.extension_104_latest_caller",
        "sensor.extension_104_latest_message",
        "sensor.extension_104_unread_messages",
        "sensor.uc501_messages",
        "sensor.uc501_unread_messages",
        "sensor.uc501_mailboxes_with_messages",
    }


async def test_asked_to_update_now(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    await leave_message(pbx, "104")
    entity = {"entity_id": "sensor.extension_104_messages"}
    await hass.services.async_call("homeassistant", "update_entity", entity, blocking=True)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.extension_104_messages").state == "1"


async def test_new_extension_without_reload(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "0105")
    await poll(hass)
    assert get_state(hass, "sensor.extension_0105_messages").state == "1"

    await asyncio.to_thread(pbx.spool.delete, "0105", "msg0000")
    await poll(hass)
    assert get_state(hass, "sensor.extension_0105_messages").state == "0"


@pytest.mark.parametrize("chosen", [[], ["101", "102"]])
async def test_roster_stays_while_messages_change(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, chosen: list[str]
) -> None:
    """Entities and devices follow the roster, and would be looked through after each change."""
    hass.config_entries.async_update_entry(entry, options={"extensions": chosen})
    await hass.config_entries.async_setup(entry.entry_id)
    before = entry.runtime_data.data
    await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)
    after = entry.runtime_data.data
    assert after.mailboxes != before.mailboxes
    assert after.roster is before.roster


async def test_roster_is_asked_for_every_hour(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
) -> None:
    pbx.extensions = {"101": "Front desk", "102": "102", "103": "Gate", "105": "Attic"}
    await poll(hass)
    assert not hass.states.get("sensor.attic_105_messages")

    await pass_one_hour(hass, freezer)

    def name_of(extension: str) -> str | None:
        device = device_registry.async_get_device_by_identifier(
            (DOMAIN, f"a09805021987_{extension}"), connected.entry_id
        )
        assert device is not None
        return device.name

    assert name_of("101") == "Front desk (101)"
    assert name_of("102") == "Extension 102"
    assert name_of("103") == "Gate (103)"
    assert get_state(hass, "sensor.attic_105_messages").state == "0"
    # Gone from the PBX, though its device stays until a person removes it.
    assert get_state(hass, "sensor.extension_104_messages").state == STATE_UNAVAILABLE
    # A mailbox outlives its place on the list for as long as there are messages in it.
    assert get_state(hass, "sensor.reception_101_messages").state == "3"

    pbx.extensions["104"] = "104"
    await pass_one_hour(hass, freezer)
    assert get_state(hass, "sensor.extension_104_messages").state == "0"


async def test_extensions_of_earlier_runs_where_the_pbx_has_no_list(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def without_list(request: web.Request) -> web.Response | None:
        if request.path.endswith("extensionlist/query"):
            return web.json_response({"status": "Failed", "errno": "10003"})
        return None

    pbx.intercept = without_list
    await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.extension_104_messages").state == "0"


async def test_list_that_fails_once_changes_nothing(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
) -> None:
    async def without_list(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if "extensionlist" in request.path else None

    before = {state.entity_id: state.state for state in hass.states.async_all()}
    pbx.intercept = without_list
    await pass_one_hour(hass, freezer)
    assert {state.entity_id: state.state for state in hass.states.async_all()} == before


async def test_dead_token_asks_for_a_new_one(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    pbx.revoke_tokens()
    await poll(hass)
    assert _reauths(hass) == 1
    assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE

    pbx.requests.clear()
    await poll(hass)
    assert pbx.requests == []


async def test_token_that_dies_between_two_questions(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async def die(request: web.Request) -> None:
        if request.path.endswith("deviceinfo/query"):
            pbx.revoke_tokens()

    pbx.intercept = die
    await hass.config_entries.async_setup(entry.entry_id)
    assert _reauths(hass) == 1


async def test_unknown_errno_three_times_asks_for_a_new_token(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30003"})

    pbx.intercept = refuse
    for _ in range(2):
        await poll(hass)
        assert _reauths(hass) == 0
    for _ in range(3):
        await poll(hass)
        assert _reauths(hass) == 1

    # It was the PBX after all, and the token is as good as before.
    pbx.intercept = None
    await poll(hass)
    assert _reauths(hass) == 0
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


@pytest.mark.parametrize("other", ["Success", "Failed"])
async def test_unknown_errno_while_the_token_is_good_asks_for_nothing(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, other: str
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        if request.path == QUERY:
            return web.json_response({"status": "Failed", "errno": "30003"})
        return web.json_response({"status": other, "errno": "30001"})

    pbx.intercept = refuse
    for _ in range(5):
        await poll(hass)
    assert _reauths(hass) == 0
    assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE


async def test_refusals_with_a_good_poll_between_them_do_not_add_up(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30003"})

    for _ in range(3):
        pbx.intercept = refuse
        await poll(hass)
        await poll(hass)
        pbx.intercept = None
        await poll(hass)
    assert _reauths(hass) == 0


def _captured_states(hass: HomeAssistant) -> list[Event[EventStateChangedData]]:
    return async_capture_events(hass, EVENT_STATE_CHANGED)


def _log(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components") and record.levelno >= logging.INFO
    ]


def _reauths(hass: HomeAssistant) -> int:
    flows = hass.config_entries.flow.async_progress()
    return sum(flow["context"]["source"] == "reauth" for flow in flows)


async def test_time_zone_of_home_assistant_is_changed(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Dates are read in it at once, unless the PBX has a zone of its own."""
    latest = "sensor.reception_101_latest_message"
    assert get_state(hass, latest).state == "2026-11-23T14:51:02+00:00"
    await hass.config.async_update(time_zone="Europe/Berlin")
    await hass.async_block_till_done()
    assert get_state(hass, latest).state == "2026-11-23T05:51:02+00:00"
    await poll(hass)
    assert get_state(hass, latest).state == "2026-11-23T05:51:02+00:00"


async def test_time_zone_of_the_pbx_stays(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, options={"time_zone": "US/Pacific"})
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.config.async_update(time_zone="Europe/Berlin")
    await poll(hass)
    latest = get_state(hass, "sensor.reception_101_latest_message").state
    assert latest == "2026-11-23T14:51:02+00:00"


async def test_extension_that_leaves_the_list_and_returns(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Its entities are still there, and nothing is added twice."""
    del pbx.extensions["104"]
    await pass_one_hour(hass, freezer)
    assert get_state(hass, "sensor.extension_104_messages").state == STATE_UNAVAILABLE
    pbx.extensions["104"] = "104"
    await pass_one_hour(hass, freezer)
    assert get_state(hass, "sensor.extension_104_messages").state == "0"
    await leave_message(pbx, "104")
    await poll(hass)
    assert get_state(hass, "sensor.extension_104_messages").state == "1"


async def test_new_firmware_is_shown(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    device_registry: dr.DeviceRegistry,
) -> None:
    pbx.firmware = "5.0"
    await pass_one_hour(hass, freezer)
    hub = device_registry.async_get_device_by_identifier(
        (DOMAIN, "a09805021987"), connected.entry_id
    )
    assert hub
    assert hub.sw_version == "5.0"


async def test_extension_that_is_removed_while_the_pbx_is_asked(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
) -> None:
    await leave_message(pbx, "105")
    await poll(hass)
    await asyncio.to_thread(pbx.spool.delete_mailbox, "105")
    await poll(hass)
    coordinator = connected.runtime_data

    async def remove(request: web.Request) -> None:
        if request.path.endswith("extensionlist/query"):
            assert coordinator.async_forget("105")

    pbx.intercept = remove
    await pass_one_hour(hass, freezer)
    assert "105" not in coordinator.data.roster


async def test_nothing_is_added_without_an_extension(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added: list[object] = []
    really = EntityPlatform._async_schedule_add_entities_for_entry

    def note(
        platform: EntityPlatform, entities: object, *arguments: object, **more: object
    ) -> None:
        added.append(entities)
        really(platform, entities, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(EntityPlatform, "_async_schedule_add_entities_for_entry", note)
    await leave_message(pbx, "101")
    await poll(hass)
    assert added == []


def _devices(registry: dr.DeviceRegistry, entry: MockConfigEntry) -> int:
    return len(dr.async_entries_for_config_entry(registry, entry.entry_id))


@pytest.mark.usefixtures("fast_seconds")
async def test_ever_new_numbers(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    device_registry: dr.DeviceRegistry,
) -> None:
    """Numbers on no list are taken up a few in an hour, and go when they have no messages."""
    before = _devices(device_registry, connected)
    first = 1000

    async def tell(request: web.Request) -> web.Response | None:
        if not request.path.endswith("voicemail/query"):
            return None
        boxes: list[dict[str, Any]] = [
            {"extid": str(number), "voicemail": [{"messagefrom": "6000"}]}
            for number in range(first, first + 60)
        ]
        return web.json_response({"status": "Success", "voicemails": boxes})

    pbx.intercept = tell
    for _ in range(5):
        await poll(hass)
        first += 60
    assert _devices(device_registry, connected) == before + 50
    # All messages are counted, whoever they are for.
    assert get_state(hass, "sensor.uc501_messages").state == "60"

    pbx.intercept = None
    await pass_one_hour(hass, freezer)
    assert _devices(device_registry, connected) == before


async def test_another_pbx_in_the_place_of_ours(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """It is told to the owner, and is not asked for messages."""
    issue = DOMAIN, f"another_pbx_{connected.entry_id}"
    await pbx.stop()
    await poll(hass)
    pbx.serial_number = "b09805021987"
    await pbx.start()
    pbx.requests.clear()
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
    assert pbx.requests == ["/api/v0.0.1/deviceinfo/query"]
    assert ir.async_get(hass).async_get_issue(*issue)
    for _ in range(5):
        freezer.tick(120)
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    assert len(pbx.requests) == 1

    pbx.serial_number = "a09805021987"
    freezer.tick(600)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert not ir.async_get(hass).async_get_issue(*issue)


@pytest.mark.parametrize("unique_id", ["a09805021987", None])
async def test_another_pbx_at_start(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, unique_id: str | None
) -> None:
    """An entry without a unique id remembers, too, the serial number that it has seen."""
    hass.config_entries.async_update_entry(entry, unique_id=unique_id)
    await hass.config_entries.async_setup(entry.entry_id)
    pbx.serial_number = "b09805021987"
    pbx.requests.clear()
    await hass.config_entries.async_reload(entry.entry_id)
    assert str(entry.reason).startswith("A different PBX responds")
    assert QUERY not in pbx.requests


async def test_another_pbx_that_a_person_has_confirmed(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, unique_id=None)
    await hass.config_entries.async_setup(entry.entry_id)
    pbx.serial_number = "b09805021987"
    form = await entry.start_reconfigure_flow(hass)
    done = await hass.config_entries.flow.async_configure(form["flow_id"], {"host": pbx.address})
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


@pytest.mark.parametrize("serial_number", ["", "a_b", "a09805021987"])
async def test_serial_number_that_proves_nothing(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, serial_number: str
) -> None:
    await hass.config_entries.async_setup(entry.entry_id)
    pbx.serial_number = serial_number
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_polls_of_many_pbxs_are_spread(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Set up together, as when Home Assistant starts, they are polled one after another."""
    pbx.serial_number = ""
    entries = [MockConfigEntry(domain=DOMAIN, minor_version=2, data=entry.data) for _ in range(20)]
    await hass.config_entries.async_remove(entry.entry_id)
    for one in entries:
        one.add_to_hass(hass)
    await asyncio.gather(*(hass.config_entries.async_setup(one.entry_id) for one in entries))

    polls = []
    for _ in range(5 * 30):
        pbx.requests.clear()
        freezer.tick(1)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)
        polls.append(pbx.requests.count(QUERY))
    # A second of this test may begin within one of the clock.
    assert max(polls) <= 2
    assert sum(polls[30:]) == pytest.approx(4 * len(entries), abs=4)
    for one in entries:
        await hass.config_entries.async_unload(one.entry_id)
