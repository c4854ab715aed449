"""The blueprint that sends a summary of all mailboxes once a day."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import CoreState, State
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, mock_restore_cache
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.helpers import call_action, get_state, leave_message, poll
from tests.simulator import Simulator

from .harness import HOME_ZONE, Harness

MAILBOXES = ["sensor.reception_101_messages", "sensor.extension_104_messages"]
EIGHT = datetime(2037, 11, 25, 8, tzinfo=HOME_ZONE)


async def _digest(harness: Harness, mailboxes: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Create mailboxes, and send the summary."""
    for entity_id, (state, attributes) in mailboxes.items():
        harness.hass.states.async_set(entity_id, state, attributes)
    await harness.use_blueprint(
        "daily_digest", mailboxes=list(mailboxes), phone=harness.phone.device_id
    )
    await _send(harness)
    await harness.turn_off()


async def _send(harness: Harness) -> None:
    """Send the summary."""
    await harness.hass.services.async_call(
        "automation", "trigger", {"entity_id": "automation.daily_digest"}, blocking=True
    )
    await harness.hass.async_block_till_done()


async def test_daily_digest(
    freezer: FrozenDateTimeFactory, harness: Harness, pbx: Simulator
) -> None:
    await harness.wait_until(freezer, pbx, EIGHT - timedelta(minutes=1))
    await harness.use_blueprint("daily_digest", mailboxes=MAILBOXES, phone=harness.phone.device_id)
    await harness.wait_until(freezer, pbx, EIGHT + timedelta(seconds=1))
    async_fire_time_changed(harness.hass)
    await harness.hass.async_block_till_done()
    await harness.turn_off()
    assert harness.texts == ["101: 3 new, latest from 张伟"]


@pytest.mark.parametrize("kind", ["messages", "unread_messages"])
async def test_only_new_messages(
    harness: Harness, pbx: Simulator, hass_client: ClientSessionGenerator, kind: str
) -> None:
    """Messages that were heard are not counted, and their callers are not named."""
    hass = harness.hass
    for minute, caller in enumerate(("Ann <1>", "Bob {{ 1 }} <2>", "Zed <3>")):
        received = datetime(2026, 11, 24, 9, 30 + minute, tzinfo=UTC)
        await leave_message(pbx, "104", caller, received=received)
    await poll(hass)
    messages = (await call_action(hass, "get_messages", extension="104"))["messages"]
    sensors = [f"sensor.reception_101_{kind}", f"sensor.extension_104_{kind}"]
    await harness.use_blueprint("daily_digest", mailboxes=sensors, phone=harness.phone.device_id)
    await call_action(hass, "mark_read", extension="101", all=True)
    await harness.hear(await hass_client(), messages[0])
    await _send(harness)
    await call_action(hass, "mark_read", message_id=messages[1]["message_id"])
    await _send(harness)
    await call_action(hass, "mark_read", extension="104", all=True)
    await _send(harness)
    assert harness.texts == [
        "104: 2 new, latest from Bob {{ 1 }}",
        "104: 1 new, latest from Ann",
    ]
    assert get_state(hass, "sensor.extension_104_messages").state == "3"
    await harness.turn_off()


@pytest.mark.parametrize("number", ["+101", "0101", "101*"])
async def test_extension_that_looks_like_a_number(
    harness: Harness, pbx: Simulator, number: str
) -> None:
    pbx.extensions = {number: number}
    await leave_message(pbx, number)
    await harness.hass.config_entries.async_reload(
        harness.hass.config_entries.async_entries("pbx_voicemail")[0].entry_id
    )
    await harness.hass.async_block_till_done()
    (sensor,) = [
        state.entity_id
        for state in harness.hass.states.async_all("sensor")
        if state.attributes.get("extension") == number
    ]
    await harness.use_blueprint("daily_digest", mailboxes=[sensor], phone=harness.phone.device_id)
    await _send(harness)
    await harness.turn_off()
    assert harness.texts == [f"{number}: 1 new, latest from Ann"]


async def test_unread_messages_are_disabled(harness: Harness) -> None:
    """All messages are counted then."""
    er.async_get(harness.hass).async_update_entity(
        "sensor.reception_101_unread_messages", disabled_by=er.RegistryEntryDisabler.USER
    )
    await harness.hass.async_block_till_done()
    await harness.use_blueprint("daily_digest", mailboxes=MAILBOXES, phone=harness.phone.device_id)
    await call_action(harness.hass, "mark_read", extension="101", all=True)
    await _send(harness)
    await harness.turn_off()
    assert harness.texts == ["101: 3, latest from 张伟"]


async def test_no_notification_without_messages(harness: Harness) -> None:
    await _digest(harness, {"sensor.a": ("0", {"extension": "101"})})
    assert harness.texts == []


async def test_malicious_callers(harness: Harness) -> None:
    await _digest(
        harness,
        {
            "sensor.a": ("1", {"extension": "101", "latest_caller_name": "<b>&lt;['a']"}),
            "sensor.b": ("2", {"extension": "102", "latest_caller_formatted": "שלום"}),
        },
    )
    assert harness.texts == [
        "101: 1, latest from ‹b›＆lt;['a']; 102: 2, latest from \u2068שלום\u2069"
    ]


@pytest.mark.parametrize("name", ["a" * 255, "汉" * 255, "😀" * 255, '"' * 255])
async def test_counts_of_many_mailboxes(harness: Harness, name: str) -> None:
    mailboxes = {
        f"sensor.a{number}": ("3", {"extension": str(number), "latest_caller_name": name})
        for number in range(100, 150)
    }
    await _digest(harness, mailboxes)
    assert harness.texts == ["; ".join(f"{number}: 3" for number in range(100, 150))]
    assert len(json.dumps(json.loads(harness.phone.bodies[0])).encode()) <= 4096


async def test_pbx_is_unavailable(
    freezer: FrozenDateTimeFactory, harness: Harness, pbx: Simulator
) -> None:
    """The summary is sent when the PBX is available again."""
    hass = harness.hass
    await harness.wait_until(freezer, pbx, EIGHT - timedelta(minutes=1))
    hass.states.async_set("sensor.a", "unavailable", {"friendly_name": "Extension 105 Messages"})
    hass.states.async_set("sensor.b", "unavailable", {"friendly_name": "Extension 106 Messages"})
    mailboxes = ["sensor.a", "sensor.b"]
    await harness.use_blueprint("daily_digest", mailboxes=mailboxes, phone=harness.phone.device_id)
    freezer.move_to(EIGHT + timedelta(seconds=1))
    async_fire_time_changed(hass)
    await harness.run_pending()
    assert harness.texts == []
    hass.states.async_set("sensor.a", "4", {"extension": "105"})
    freezer.tick(timedelta(minutes=11))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await harness.turn_off()
    assert harness.texts == ["105: 4; Extension 106 Messages: not available"]


@pytest.mark.parametrize(
    ("last", "start", "count"),
    [
        (timedelta(days=-1), timedelta(hours=1), 1),
        (timedelta(days=-1), timedelta(hours=-1), 0),
        (timedelta(), timedelta(hours=1), 0),
        (None, timedelta(hours=1), 0),
    ],
)
async def test_home_assistant_was_stopped(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    pbx: Simulator,
    last: timedelta | None,
    start: timedelta,
    count: int,
) -> None:
    hass = harness.hass
    await harness.wait_until(freezer, pbx, EIGHT + start)
    triggered = None if last is None else dt_util.as_utc(EIGHT + last).isoformat()
    state = State("automation.daily_digest", "on", {"last_triggered": triggered})
    mock_restore_cache(hass, [state])
    hass.set_state(CoreState.not_running)
    await harness.use_blueprint("daily_digest", mailboxes=MAILBOXES, phone=harness.phone.device_id)
    await hass.async_start()
    await hass.async_block_till_done()
    await harness.turn_off()
    assert len(harness.texts) == count
