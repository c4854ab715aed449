"""Event entities announce every message once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.const import (
    EVENT_HOMEASSISTANT_STARTED,
    EVENT_HOMEASSISTANT_STOP,
    EVENT_STATE_CHANGED,
    MATCH_ALL,
)
from homeassistant.core import CoreState, Event, EventStateChangedData, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)

from .engines import STT_ENGINE, SttEngine, add_engine
from .faults import FAULTS
from .helpers import get_state, leave_message, poll
from .simulator import Simulator
from .simulator.server import refuse

RECEPTION = "event.reception_101_new_message"
EMPTY = "event.extension_104_new_message"


class Announcements:
    """The events of all extensions, in order."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._changes: list[Event[EventStateChangedData]] = async_capture_events(
            hass, EVENT_STATE_CHANGED
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """The attributes of each event, as an automation gets them."""
        return [
            dict(new.attributes)
            for change in self._changes
            if (new := change.data["new_state"])
            and new.domain == "event"
            and (old := change.data["old_state"])
            and new.state not in (old.state, "unavailable", "unknown")
            and old.state != "unavailable"
        ]

    @property
    def callers(self) -> list[str]:
        """The callers of the announced messages."""
        return [attributes["caller"] for attributes in self.events]


@pytest.fixture
def announced(hass: HomeAssistant) -> Announcements:
    return Announcements(hass)


async def test_first_poll_announces_nothing(
    hass: HomeAssistant, announced: Announcements, connected: MockConfigEntry
) -> None:
    await poll(hass)
    assert announced.events == []
    assert get_state(hass, RECEPTION).state == "unknown"


async def test_new_message(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "101")
    await poll(hass)
    (event,) = announced.events
    latest = get_state(hass, "sensor.reception_101_messages").attributes["latest_message_id"]
    assert event == {
        "event_types": ["received"],
        "event_type": "received",
        "message_id": latest,
        "extension": "101",
        "caller": "6000",
        "caller_name": "Ann",
        "caller_formatted": "6000",
        "caller_e164": None,
        "caller_known": False,
        "received": "2026-11-24T09:30:00+00:00",
        "duration": 4,
        "read": False,
        "urgent": False,
        "media_content_id": f"media-source://pbx_voicemail/{connected.entry_id}/101/{latest}",
        "transcript": None,
        "while_away": False,
        "friendly_name": "Reception (101) New message",
    }
    for _ in range(3):
        await poll(hass)
    assert len(announced.events) == 1


async def test_update_entity(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    await leave_message(pbx, "101")
    await hass.services.async_call(
        "homeassistant", "update_entity", {"entity_id": RECEPTION}, blocking=True
    )
    await hass.async_block_till_done()
    assert announced.callers == ["6000"]


async def test_oldest_message_first(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    start = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    for minute in (2, 0, 1):
        await leave_message(pbx, "101", str(minute), received=start + timedelta(minutes=minute))
    await poll(hass)
    assert announced.callers == ["0", "1", "2"]


async def test_first_message_of_an_empty_mailbox_and_of_a_new_extension(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "104", "1")
    await leave_message(pbx, "0105", "2")
    await poll(hass)
    assert sorted(announced.callers) == ["1", "2"]
    assert [event["while_away"] for event in announced.events] == [False, False]


async def test_deletions_and_moves_announce_nothing(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)
    await asyncio.to_thread(pbx.spool.move, "101", "msg0000")
    await poll(hass)
    for _ in range(2):
        await asyncio.to_thread(pbx.spool.delete, "102", "msg0000")
    await poll(hass)
    assert announced.events == []


async def test_twins(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    for _ in range(2):
        await leave_message(pbx, "104")
    await poll(hass)
    await leave_message(pbx, "104")
    await poll(hass)
    assert announced.callers == ["6000"] * 3
    assert len({event["message_id"] for event in announced.events}) == 3

    await asyncio.to_thread(pbx.spool.delete, "104", "msg0001")
    await poll(hass)
    assert len(announced.events) == 3


async def test_faults_announce_nothing(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "101")
    for fault in FAULTS:
        if fault.is_temporary:
            async with fault.inject(pbx):
                await poll(hass)
            await poll(hass)
    assert announced.callers == ["6000"]


async def test_message_left_during_an_outage(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await pbx.stop()
    await poll(hass)
    await leave_message(pbx, "101")
    await pbx.start()
    await poll(hass)
    assert announced.callers == ["6000"]


async def test_mailbox_missing_for_a_moment(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success"})

    pbx.intercept = nothing
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "0"
    await hass.config_entries.async_reload(connected.entry_id)
    pbx.intercept = None
    await leave_message(pbx, "101")
    await poll(hass)
    assert announced.callers == ["6000"]


async def test_messages_left_during_a_restart(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "101", "1")
    await poll(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    await leave_message(pbx, "101", "2")
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    await leave_message(pbx, "101", "3")
    await poll(hass)
    assert [(event["caller"], event["while_away"]) for event in announced.events] == [
        ("1", False),
        ("2", True),
        ("3", False),
    ]


async def test_announced_after_home_assistant_has_started(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await hass.config_entries.async_unload(connected.entry_id)
    await leave_message(pbx, "101")
    hass.set_state(CoreState.starting)
    await hass.config_entries.async_setup(connected.entry_id)
    await poll(hass)
    assert announced.events == []

    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert announced.callers == ["6000"]


async def test_chosen_extensions_start_silently(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async def choose(*extensions: str) -> None:
        hass.config_entries.async_update_entry(entry, options={"extensions": extensions})
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()

    hass.config_entries.async_update_entry(entry, options={"extensions": ["101"]})
    await hass.config_entries.async_setup(entry.entry_id)
    await choose("101", "102", "104")
    await leave_message(pbx, "104", "1")
    await leave_message(pbx, "103", "2")
    await poll(hass)
    assert announced.callers == ["1"]

    await choose()
    await poll(hass)
    assert announced.callers == ["1"]
    await leave_message(pbx, "103", "3")
    await poll(hass)
    assert announced.callers == ["1", "3"]


def _saved_ids(storage: dict[str, Any], entry: MockConfigEntry, extension: str) -> set[str]:
    """Return the messages that count as announced after a crash."""
    key = f"pbx_voicemail.{entry.entry_id}"
    ids = set(storage[key]["data"]["announced"].get(extension, "").split())
    latest = storage.get(f"{key}.latest", {"data": {}})["data"]
    return ids.union(one for one, number in latest.items() if number == extension)


async def test_journal(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    journal = hass_storage[f"pbx_voicemail.{connected.entry_id}"]
    announced = journal["data"]["announced"]
    assert {number: len(ids.split()) for number, ids in announced.items()} == {
        "101": 3,
        "102": 2,
        "103": 2,
    }
    # It only has messages that are on the PBX.
    await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)
    await leave_message(pbx, "101")
    await poll(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    assert len(_saved_ids(hass_storage, connected, "101")) == 3

    await hass.config_entries.async_remove(connected.entry_id)
    assert not [key for key in hass_storage if key.startswith("pbx_voicemail.")]


async def test_saved_at_once_though_a_deletion_is_saved_later(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    await leave_message(pbx, "101")
    await asyncio.to_thread(pbx.spool.delete, "102", "msg0000")
    await poll(hass)
    assert announced.events[-1]["message_id"] in _saved_ids(hass_storage, connected, "101")


async def test_saved_at_once_during_the_save_delay(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    for _ in range(2):
        await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
        await poll(hass)
    await leave_message(pbx, "101")
    await poll(hass)
    assert announced.events[-1]["message_id"] in _saved_ids(hass_storage, connected, "101")


async def test_new_message_costs_one_small_file(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    """The whole journal is only written after many messages, or at the end."""
    key = f"pbx_voicemail.{connected.entry_id}"
    before = hass_storage[key]
    await leave_message(pbx, "101")
    await poll(hass)
    assert hass_storage[key] is before
    assert len(hass_storage[f"{key}.latest"]["data"]) == 1

    for _ in range(200):
        await leave_message(pbx, "101")
    await poll(hass)
    assert len(hass_storage[key]["data"]["announced"]["101"].split()) == 204
    assert hass_storage[f"{key}.latest"]["data"] == {}

    await leave_message(pbx, "101")
    await poll(hass)
    assert hass_storage[f"{key}.latest"]["data"]
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert len(hass_storage[key]["data"]["announced"]["101"].split()) == 205
    assert hass_storage[f"{key}.latest"]["data"] == {}


@pytest.mark.parametrize(
    "content",
    [
        {"version": 1, "minor_version": 1, "data": {"announced": {}}},
        {"version": 1, "minor_version": 1, "data": {"announced": [], "chosen": []}},
        {"version": 1, "minor_version": 1, "data": {"announced": {"101": 3}, "chosen": []}},
        {"version": 1, "minor_version": 1, "data": {"announced": {"101": ["abc"]}, "chosen": []}},
        {"version": 1, "minor_version": 1, "data": {"announced": {"101": [1]}, "chosen": []}},
        {"version": 1, "minor_version": 1, "data": []},
        {"version": 9, "minor_version": 1, "data": {}},
    ],
)
async def test_damaged_journal(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    content: dict[str, Any],
) -> None:
    key = f"pbx_voicemail.{entry.entry_id}"
    hass_storage[key] = {"key": key, **content}
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert announced.events == []
    warnings = [
        record
        for record in caplog.records
        if record.name.endswith("journal") and record.levelname == "WARNING"
    ]
    assert len(warnings) == 1

    await leave_message(pbx, "101")
    await poll(hass)
    assert announced.callers == ["6000"]
    await hass.config_entries.async_reload(entry.entry_id)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"version": 1, "minor_version": 1, "data": ["abc"]},
        {"version": 1, "minor_version": 1, "data": {"abc": 3}},
        {"version": 9, "minor_version": 1, "data": {}},
    ],
)
async def test_damaged_journal_of_the_latest_messages(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    content: dict[str, Any],
) -> None:
    """No message is lost: those of which it is unknown are announced again."""
    key = f"pbx_voicemail.{connected.entry_id}"
    before = hass_storage[key]
    await leave_message(pbx, "101", "1")
    await poll(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    await leave_message(pbx, "101", "2")
    # Home Assistant was killed before it saved the whole journal.
    hass_storage[key] = before
    hass_storage[f"{key}.latest"] = {"key": f"{key}.latest", **content}
    caplog.clear()
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert announced.callers == ["1", "1", "2"]
    assert caplog.text.count("latest messages cannot be read") == 1


async def test_disabled_event(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_update_entity(RECEPTION, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.config_entries.async_reload(connected.entry_id)
    await leave_message(pbx, "101", "1")
    await leave_message(pbx, "104", "2")
    await poll(hass)
    assert announced.callers == ["2"]


async def _change_zone(pbx: Simulator, name: str) -> None:
    pbx.zone = await dt_util.async_get_time_zone(name) or dt_util.UTC


ZONES = pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Pago_Pago", "America/Phoenix"]
)


@ZONES
async def test_time_zone_of_the_pbx_is_changed(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    zone: str,
) -> None:
    """All dates are shifted, but the messages are the same. One that comes meanwhile is new."""
    await _change_zone(pbx, zone)
    await leave_message(pbx, "101", "1", received=dt_util.utcnow())
    await asyncio.to_thread(pbx.spool.delete, "102", "msg0000")
    await poll(hass)
    assert announced.callers == ["1"]
    assert get_state(hass, "sensor.reception_101_messages").state == "4"
    for _ in range(2):
        await poll(hass)
        await hass.config_entries.async_reload(connected.entry_id)
    await leave_message(pbx, "102", "2", received=dt_util.utcnow())
    await poll(hass)
    assert announced.callers == ["1", "2"]


@ZONES
async def test_time_zone_of_the_pbx_is_changed_while_unloaded(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    zone: str,
) -> None:
    await hass.config_entries.async_unload(connected.entry_id)
    await _change_zone(pbx, zone)
    await leave_message(pbx, "101", "1", received=dt_util.utcnow())
    await hass.config_entries.async_setup(connected.entry_id)
    await poll(hass)
    assert announced.callers == ["1"]


async def test_messages_from_both_halves_of_the_year(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """A zone without daylight saving time shifts some of them by another hour."""
    for month in (1, 7):
        await leave_message(
            pbx, "104", str(month), received=datetime(2026, month, 1, 9, 30, tzinfo=UTC)
        )
    await poll(hass)
    assert announced.callers == ["1", "7"]
    await _change_zone(pbx, "Asia/Kathmandu")
    await poll(hass)
    assert announced.callers == ["1", "7"]


async def test_time_zone_without_a_clock(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """Seven messages with the same shift are enough evidence, a single one is not."""

    async def without_clock(request: web.Request) -> web.Response | None:
        if request.path.endswith("deviceinfo/query"):
            return web.json_response({"status": "Success", "deviceinfo": {"devicename": "UC501"}})
        return None

    pbx.intercept = without_clock
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await _change_zone(pbx, "Asia/Kathmandu")
    await poll(hass)
    assert announced.callers == []


async def test_time_zone_without_device_info(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """A single message that may have been shifted counts as new, and polling continues."""

    async def without_device_info(request: web.Request) -> web.Response | None:
        return refuse("10003") if request.path.endswith("deviceinfo/query") else None

    pbx.intercept = without_device_info
    await hass.config_entries.async_setup(entry.entry_id)
    for hour in range(2):
        await leave_message(pbx, "104", "7001", received=datetime(2026, 11, 24, hour, tzinfo=UTC))
        await poll(hass)
        await asyncio.to_thread(pbx.spool.delete, "104", "msg0000")
    assert announced.callers == ["7001"] * 2
    await leave_message(pbx, "101", "1")
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "4"


async def test_similar_message_after_a_deletion(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """A message that is like a deleted one except for the hour is new."""
    for hour in range(5):
        await leave_message(pbx, "104", "7001", received=datetime(2026, 11, 24, hour, tzinfo=UTC))
        await poll(hass)
        await asyncio.to_thread(pbx.spool.delete, "104", "msg0000")
    assert announced.callers == ["7001"] * 5


async def test_existing_transcripts(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    """If all new messages have transcripts already, they are announced without waiting."""
    await add_engine(hass, SttEngine())
    hass.config_entries.async_update_entry(entry, options={"transcriber": STT_ENGINE})
    await hass.config_entries.async_setup(entry.entry_id)
    await leave_message(pbx, "104", "1")
    await poll(hass)
    assert announced.callers == ["1"]

    # Home Assistant crashed before it saved that.
    await hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"pbx_voicemail.{entry.entry_id}"]["data"]["announced"]["104"] = ""
    hass_storage.pop(f"pbx_voicemail.{entry.entry_id}.latest", None)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.callers == ["1", "1"]
    assert announced.events[-1]["transcript"] == announced.events[0]["transcript"]

    await leave_message(pbx, "104", "2")
    await poll(hass)
    assert announced.callers == ["1", "1", "2"]


async def test_messages_while_the_event_was_disabled(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    async def disable(by: er.RegistryEntryDisabler | None) -> None:
        entity_registry.async_update_entity(RECEPTION, disabled_by=by)
        await hass.config_entries.async_reload(connected.entry_id)
        await hass.async_block_till_done()

    await disable(er.RegistryEntryDisabler.USER)
    for number in range(3):
        await leave_message(pbx, "101", str(number))
        await poll(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    await leave_message(pbx, "101", "3")
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    await disable(None)
    assert announced.callers == []
    await leave_message(pbx, "101", "4")
    await poll(hass)
    assert announced.callers == ["4"]


async def test_messages_while_the_entry_was_disabled(
    hass: HomeAssistant, announced: Announcements, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await hass.config_entries.async_set_disabled_by(connected.entry_id, ConfigEntryDisabler.USER)
    await leave_message(pbx, "101", "1")
    await hass.config_entries.async_set_disabled_by(connected.entry_id, None)
    await poll(hass)
    assert announced.callers == []
    await leave_message(pbx, "101", "2")
    await poll(hass)
    assert announced.callers == ["2"]


@pytest.mark.parametrize(
    "trigger",
    [
        {
            "trigger": "event.received",
            "target": {"entity_id": RECEPTION},
            "options": {"event_type": ["received"]},
        },
        {
            "trigger": "state",
            "entity_id": RECEPTION,
            "not_from": ["unavailable"],
            "not_to": ["unavailable"],
        },
    ],
    ids=["event.received", "state"],
)
async def test_triggers(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    trigger: dict[str, Any],
) -> None:
    called = async_capture_events(hass, "rang")
    action = {
        "event": "rang",
        "event_data": {"caller": "{{ trigger.to_state.attributes.caller }}"},
    }
    automation = {"triggers": [trigger], "actions": [action], "mode": "queued"}
    assert await async_setup_component(hass, "automation", {"automation": [automation]})

    await leave_message(pbx, "101", "1", received=datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    await leave_message(pbx, "101", "2")
    await poll(hass)
    await pbx.stop()
    await poll(hass)
    await pbx.start()
    await poll(hass)
    assert [str(event.data["caller"]) for event in called] == ["1", "2"]


@pytest.mark.parametrize("entity_id", [RECEPTION, "sensor.reception_101_messages"])
async def test_attributes_are_not_recorded(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, entity_id: str
) -> None:
    await leave_message(pbx, "101")
    await poll(hass)
    state = get_state(hass, entity_id)
    assert state.state_info
    assert MATCH_ALL in state.state_info["unrecorded_attributes"]


async def _announce_all(hass: HomeAssistant) -> None:
    """Wait until all messages are announced, without waiting for real time."""
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.mark.parametrize(
    ("messages", "with_engine"), [(300, False), (120, True)], ids=["alone", "with transcripts"]
)
async def test_burst(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    entry: MockConfigEntry,
    fast_seconds: list[float],
    messages: int,
    with_engine: bool,
) -> None:
    """Hundreds of messages are announced in order, at a limited rate, and without a loss."""
    if with_engine:
        await add_engine(hass, SttEngine())
        hass.config_entries.async_update_entry(
            entry, options={"transcriber": STT_ENGINE, "transcript_limit": 1}
        )
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    start = datetime(2026, 11, 24, tzinfo=UTC)
    for number in range(messages):
        await leave_message(pbx, "104", str(number), received=start + timedelta(seconds=number))
    await poll(hass)
    await _announce_all(hass)
    assert announced.callers == [str(number) for number in range(messages)]
    assert len(fast_seconds) >= (messages - 100) / 5 - 1
    for _ in range(2):
        await poll(hass)
    assert len(announced.callers) == messages


async def test_interrupted_burst(
    hass: HomeAssistant,
    announced: Announcements,
    pbx: Simulator,
    connected: MockConfigEntry,
    fast_seconds: list[float],
) -> None:
    """Messages deleted meanwhile are left out, and the rest is announced after a restart."""
    start = datetime(2026, 11, 24, tzinfo=UTC)
    for number in range(140):
        await leave_message(pbx, "104", str(number), received=start + timedelta(seconds=number))
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    async with asyncio.timeout(10):
        while len(announced.callers) < 105:
            await asyncio.sleep(0)
    await hass.config_entries.async_unload(connected.entry_id)
    said = len(announced.callers)
    assert said < 140
    await hass.config_entries.async_setup(connected.entry_id)
    await asyncio.to_thread(pbx.spool.delete, "104", "msg0139")
    await poll(hass)
    await _announce_all(hass)
    assert announced.callers[:139] == [str(number) for number in range(139)]
    assert len(announced.callers) <= 140
