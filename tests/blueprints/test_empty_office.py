"""Whom messages are told of that are left outside working hours."""

from datetime import datetime
import json

from freezegun.api import FrozenDateTimeFactory
import pytest

from tests.living import leave, poll
from tests.simulator import Simulator

from .house import EVENTS, HOME_ZONE, MORE, House


@pytest.mark.parametrize(
    ("day", "hour", "told"), [(25, 12, 0), (25, 18, 1), (25, 8, 1), (28, 12, 1)]
)
async def test_empty_office(
    freezer: FrozenDateTimeFactory,
    house: House,
    pbx: Simulator,
    day: int,
    hour: int,
    told: int,
) -> None:
    await house.wait_until(freezer, pbx, datetime(2037, 11, day, hour, tzinfo=HOME_ZONE))
    await house.use("empty_office", events=EVENTS, phone=house.phone.device_id)
    await leave(pbx, "101")
    await poll(house.hass)
    assert house.told == ["Ann left a message for 101 at 01:30."] * told


async def test_more_messages_than_notifications(house: House) -> None:
    await house.use("empty_office", events=EVENTS, phone=house.phone.device_id, workdays=[])
    await house.announce(60)
    assert len(house.told) == 60
    await house.announce(150)
    assert len(house.told) == 60 + 101
    assert house.told[-1] == MORE + "101: 3. 104: 0."


async def test_any_caller(house: House) -> None:
    await house.use("empty_office", events=EVENTS, phone=house.phone.device_id, workdays=[])
    for caller_name, name in (
        ("<b>Bob</b>", "‹b›Bob‹/b›"),
        ("&lt;AT&T", "＆lt;AT＆T"),
        ("clear_notification", "clear_notification"),
        ("['a']", "['a']"),
        ("שלום", "\u2068שלום\u2069"),
        ('"' * 255, '"' * 255),
        ("👩\u200d👩\u200d👧" * 51, "👩\u200d👩\u200d👧" * 51),
    ):
        await house.announce(1, caller_name=caller_name)
        assert house.told[-1] == f"{name} left a message for 101 at 01:30."
        assert len(json.dumps(json.loads(house.phone.bodies[-1])).encode()) <= 4096
    await house.announce(1, caller=None, caller_name=None, received=None)
    assert house.told[-1] == "Unknown caller left a message for 101."
