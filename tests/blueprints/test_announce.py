"""The blueprint that announces new messages on a speaker."""

from datetime import datetime
import re
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import ServiceCall
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service

from tests.helpers import leave_message, poll
from tests.simulator import Simulator

from .harness import EVENTS, HOME_ZONE, Harness

ANN = "New voicemail from Ann, for extension 101."


@pytest.fixture
def spoken(harness: Harness) -> list[ServiceCall]:
    """The texts for the text-to-speech engine."""
    return async_mock_service(harness.hass, "tts", "speak")


async def _use(harness: Harness, **answers: Any) -> None:
    speakers = ["media_player.kitchen"]
    await harness.use_blueprint(
        "announce", events=EVENTS, speakers=speakers, voice="tts.local", **answers
    )


def _texts(spoken: list[ServiceCall]) -> list[str]:
    return [call.data["message"] for call in spoken]


@pytest.mark.parametrize(
    ("hour", "ann", "only_if_home", "count"),
    [
        (12, "home", True, 1),
        (12, "not_home", True, 0),
        (12, "Work", True, 0),
        (12, "not_home", False, 1),
        (23, "home", True, 0),
        (6, "home", False, 0),
    ],
)
async def test_announce(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    spoken: list[ServiceCall],
    pbx: Simulator,
    hour: int,
    ann: str,
    only_if_home: bool,
    count: int,
) -> None:
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, hour, tzinfo=HOME_ZONE))
    harness.hass.states.async_set("person.ann", ann)
    harness.hass.states.async_set("person.bob", "unknown")
    harness.hass.states.async_set("zone.home", str(int(ann == "home")))
    await _use(harness, only_if_home=only_if_home)
    await leave_message(pbx, "101")
    await poll(harness.hass)
    assert _texts(spoken) == [ANN] * count


@pytest.mark.parametrize("people", [{}, {"ann": "unknown"}, {"ann": "unavailable"}])
async def test_nobody_is_tracked(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    spoken: list[ServiceCall],
    pbx: Simulator,
    people: dict[str, str],
) -> None:
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, 12, tzinfo=HOME_ZONE))
    harness.hass.states.async_set("zone.home", "0")
    for name, state in people.items():
        harness.hass.states.async_set(f"person.{name}", state)
    await _use(harness)
    await leave_message(pbx, "101")
    await poll(harness.hass)
    assert _texts(spoken) == [ANN]


async def test_no_quiet_hours(
    freezer: FrozenDateTimeFactory, harness: Harness, spoken: list[ServiceCall], pbx: Simulator
) -> None:
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, 23, tzinfo=HOME_ZONE))
    await _use(harness, quiet_from="00:00:00", quiet_until="00:00:00")
    await leave_message(pbx, "101")
    await poll(harness.hass)
    assert _texts(spoken) == [ANN]


async def test_many_messages_at_once(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    spoken: list[ServiceCall],
    pbx: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Announced one after another, with a summary of the rest at the end."""
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, 12, tzinfo=HOME_ZONE))
    await _use(harness)
    harness.set_messages(60)
    await harness.run_pending()
    counts = [len(spoken)]
    for _ in range(6):
        freezer.tick(8)
        async_fire_time_changed(harness.hass)
        await harness.run_pending()
        counts.append(len(spoken))
    assert counts == [1, 2, 3, 4, 5, 6, 6]
    more = " There may be more. 3 for extension 101. 0 for extension 104."
    assert _texts(spoken) == [ANN] * 5 + [ANN + more]
    assert "Maximum number of runs exceeded" not in caplog.text
    freezer.tick(8)
    await harness.announce(1)
    assert _texts(spoken)[6:] == [ANN]


async def test_one_message_soon_after_another(
    freezer: FrozenDateTimeFactory, harness: Harness, spoken: list[ServiceCall], pbx: Simulator
) -> None:
    """The second announcement does not interrupt the first."""
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, 12, tzinfo=HOME_ZONE))
    await _use(harness)
    await harness.announce(1)
    freezer.tick(1)
    harness.set_messages(1, caller_name="Bob")
    await harness.run_pending()
    assert len(spoken) == 1
    freezer.tick(8)
    async_fire_time_changed(harness.hass)
    await harness.hass.async_block_till_done()
    assert _texts(spoken)[1:] == ["New voicemail from Bob, for extension 101."]


NAMES = [
    ('<speak><break time="10s"/><audio src="http://evil/x.mp3"/></speak>', "6000"),
    ("<speak>Hello", "Hello"),
    ("[[inpt PHON]]", "inpt PHON"),
    ("Müller & Söhne", "Müller Söhne"),
    (r"\pau=9000\ Bob", "pau 9000 Bob"),
    ("&lt;speak&gt;", "lt;speak gt;"),
    ("{{ states }}", "states"),
    ("< < <", "6000"),
    ("张伟", "张伟"),
    ("प्रिया O'Neil-Smith, Dr.", "प्रिया O'Neil-Smith, Dr."),
    ("12345", "12345"),
    (None, "6000"),
    ("a" * 255, "a" * 255),
]


async def test_only_the_name_is_spoken(
    freezer: FrozenDateTimeFactory,
    harness: Harness,
    spoken: list[ServiceCall],
    pbx: Simulator,
) -> None:
    await harness.wait_until(freezer, pbx, datetime(2037, 11, 25, 12, tzinfo=HOME_ZONE))
    await _use(harness)
    for caller_name, name in NAMES:
        await harness.announce(1, caller_name=caller_name)
        freezer.tick(8)
        assert _texts(spoken)[-1] == f"New voicemail from {name}, for extension 101."
    await harness.announce(1, caller_name=None, caller=None)
    assert _texts(spoken)[len(NAMES) :] == ["New voicemail from Unknown caller, for extension 101."]
    assert not re.search(r"[<>&\[\]{}\\]", "".join(_texts(spoken)))
