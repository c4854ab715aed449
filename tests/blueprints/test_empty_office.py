"""The blueprint that sends notifications outside working hours."""

from datetime import datetime
import json

from freezegun.api import FrozenDateTimeFactory
import pytest

from tests.helpers import leave_message, poll
from tests.simulator import Simulator

from .harness import EVENTS, HOME_ZONE, MORE, Harness


@pytest.mark.parametrize(
    ("day", "hour", "count"), [(25, 12, 0), (25, 18, 1), (25, 8, 1), (28, 12, 1)]
)
async def test_empty_office(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    pbx: Simulator,
    day: int,
    hour: int,
    count: int,
) -> None:
    await harness.wait_until(freezer, pbx, datetime(2037, 11, day, hour, tzinfo=HOME_ZONE))
    await harness.use_blueprint("empty_office", events=EVENTS, phone=harness.phone.device_id)
    await leave_message(pbx, "101")
    await poll(harness.hass)
    assert harness.texts == ["Ann left a message for 101 at 01:30."] * count


async def test_more_messages_than_notifications(harness: Harness) -> None:
    await harness.use_blueprint(
        "empty_office", events=EVENTS, phone=harness.phone.device_id, workdays=[]
    )
    await harness.announce(60)
    assert len(harness.texts) == 60
    await harness.announce(150)
    assert len(harness.texts) == 60 + 101
    assert harness.texts[-1] == MORE + "101: 3. 104: 0."


async def test_any_caller(harness: Harness) -> None:
    await harness.use_blueprint(
        "empty_office", events=EVENTS, phone=harness.phone.device_id, workdays=[]
    )
    for caller_name, name in (
        ("<b>Bob</b>", "‹b›Bob‹/b›"),
        ("&lt;AT&T", "＆lt;AT＆T"),
        ("clear_notification", "clear_notification"),
        ("['a']", "['a']"),
        ("שלום", "\u2068שלום\u2069"),
        ('"' * 255, '"' * 255),
        ("👩\u200d👩\u200d👧" * 51, "👩\u200d👩\u200d👧" * 51),
    ):
        await harness.announce(1, caller_name=caller_name)
        assert harness.texts[-1] == f"{name} left a message for 101 at 01:30."
        assert len(json.dumps(json.loads(harness.phone.bodies[-1])).encode()) <= 4096
    await harness.announce(1, caller=None, caller_name=None, received=None)
    assert harness.texts[-1] == "Unknown caller left a message for 101."
