"""What a phone is told of all mailboxes, once a day."""

from datetime import datetime, timedelta
import json
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import CoreState, State
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, mock_restore_cache

from tests.simulator import Simulator

from .house import HOME_ZONE, House

MAILBOXES = ["sensor.reception_101_messages", "sensor.extension_104_messages"]
EIGHT = datetime(2037, 11, 25, 8, tzinfo=HOME_ZONE)


async def _digest(house: House, mailboxes: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Have it sent, of mailboxes that may be anything."""
    for entity_id, (state, attributes) in mailboxes.items():
        house.hass.states.async_set(entity_id, state, attributes)
    await house.use("daily_digest", mailboxes=list(mailboxes), phone=house.phone.device_id)
    await house.hass.services.async_call(
        "automation", "trigger", {"entity_id": "automation.daily_digest"}, blocking=True
    )
    await house.hass.async_block_till_done()
    await house.leave_off()


async def test_daily_digest(freezer: FrozenDateTimeFactory, house: House, pbx: Simulator) -> None:
    await house.wait_until(freezer, pbx, EIGHT - timedelta(minutes=1))
    await house.use("daily_digest", mailboxes=MAILBOXES, phone=house.phone.device_id)
    await house.wait_until(freezer, pbx, EIGHT + timedelta(seconds=1))
    async_fire_time_changed(house.hass)
    await house.hass.async_block_till_done()
    await house.leave_off()
    assert house.told == ["101: 3, latest from 张伟"]


async def test_nothing_to_tell(house: House) -> None:
    await _digest(house, {"sensor.a": ("0", {"extension": "101"})})
    assert house.told == []


async def test_hostile_callers(house: House) -> None:
    await _digest(
        house,
        {
            "sensor.a": ("1", {"extension": "101", "latest_caller_name": "<b>&lt;['a']"}),
            "sensor.b": ("2", {"extension": "102", "latest_caller": "שלום"}),
        },
    )
    assert house.told == ["101: 1, latest from ‹b›＆lt;['a']; 102: 2, latest from \u2068שלום\u2069"]


@pytest.mark.parametrize("name", ["a" * 255, "汉" * 255, "😀" * 255, '"' * 255])
async def test_counts_of_many_mailboxes(house: House, name: str) -> None:
    mailboxes = {
        f"sensor.a{number}": ("3", {"extension": str(number), "latest_caller_name": name})
        for number in range(100, 150)
    }
    await _digest(house, mailboxes)
    assert house.told == ["; ".join(f"{number}: 3" for number in range(100, 150))]
    assert len(json.dumps(json.loads(house.phone.bodies[0])).encode()) <= 4096


async def test_pbx_is_away(freezer: FrozenDateTimeFactory, house: House, pbx: Simulator) -> None:
    """It is waited for, and what it has is told when it is back."""
    hass = house.hass
    await house.wait_until(freezer, pbx, EIGHT - timedelta(minutes=1))
    hass.states.async_set("sensor.a", "unavailable", {"friendly_name": "Extension 105 Messages"})
    hass.states.async_set("sensor.b", "unavailable", {"friendly_name": "Extension 106 Messages"})
    mailboxes = ["sensor.a", "sensor.b"]
    await house.use("daily_digest", mailboxes=mailboxes, phone=house.phone.device_id)
    freezer.move_to(EIGHT + timedelta(seconds=1))
    async_fire_time_changed(hass)
    await house.settle()
    assert house.told == []
    hass.states.async_set("sensor.a", "4", {"extension": "105"})
    freezer.tick(timedelta(minutes=11))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    await house.leave_off()
    assert house.told == ["105: 4; Extension 106 Messages: not available"]


@pytest.mark.parametrize(
    ("last", "start", "told"),
    [
        (timedelta(days=-1), timedelta(hours=1), 1),
        (timedelta(days=-1), timedelta(hours=-1), 0),
        (timedelta(), timedelta(hours=1), 0),
        (None, timedelta(hours=1), 0),
    ],
)
async def test_home_assistant_was_stopped(
    freezer: FrozenDateTimeFactory,
    house: House,
    pbx: Simulator,
    last: timedelta | None,
    start: timedelta,
    told: int,
) -> None:
    hass = house.hass
    await house.wait_until(freezer, pbx, EIGHT + start)
    triggered = None if last is None else dt_util.as_utc(EIGHT + last).isoformat()
    state = State("automation.daily_digest", "on", {"last_triggered": triggered})
    mock_restore_cache(hass, [state])
    hass.set_state(CoreState.not_running)
    await house.use("daily_digest", mailboxes=MAILBOXES, phone=house.phone.device_id)
    await hass.async_start()
    await hass.async_block_till_done()
    await house.leave_off()
    assert len(house.told) == told
