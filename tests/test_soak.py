"""Weeks of polling in simulated time: nothing leaks, and no message is missed.

`pytest --hypothesis-profile=nightly tests/test_soak.py` polls ten thousand times.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
import gc
import logging
from pathlib import Path
from random import Random
import tracemalloc
from unittest.mock import NonCallableMock

from homeassistant.core import Event, EventStateChangedData, HomeAssistant
from homeassistant.helpers.event import async_track_state_change_event
from hypothesis import settings
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import EXTENSIONS
from .faults import FAULTS, SlowFault
from .helpers import get_state, leave_message, poll
from .simulator import Simulator

_HEAVY = {"too much", "no end", "gzip bomb"}
"""Faults with large responses, which would only take time here."""

PASSING = [
    fault
    for fault in FAULTS
    if fault.is_temporary and not isinstance(fault, SlowFault) and fault.name not in _HEAVY
]
_NAMES = dict(
    zip(
        EXTENSIONS, ("reception_101", "workshop_102", "extension_103", "extension_104"), strict=True
    )
)
_MOST_MESSAGES = 20
_LEEWAY, _LEEWAY_PER_POLL = 256 * 1024, 512
"""The allowed growth in bytes: caches, data of this test, and timers that never fire."""


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """Clear the captured log, which would otherwise grow."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Office:
    """Users who leave, hear and delete messages, and the expected announcements."""

    def __init__(self, pbx: Simulator, random: Random) -> None:
        """Start with the existing messages, which are not announced."""
        self._pbx = pbx
        self._random = random
        self._now = datetime(2026, 11, 24, 9, tzinfo=UTC)
        self._calls = 0
        self.expected: Counter[str] = Counter()

    async def live(self) -> None:
        """Leave and delete random messages."""
        for extension in EXTENSIONS:
            there = self._pbx.spool.messages(extension)
            if self._random.random() < 0.2:
                self._calls += 1
                self._now += timedelta(seconds=7)
                await leave_message(self._pbx, extension, str(self._calls), self._now)
            if there and (self._random.random() < 0.15 or len(there) > _MOST_MESSAGES):
                gone = self._random.choice(there)
                await asyncio.to_thread(self._pbx.spool.delete, extension, gone.name)

    def look(self) -> None:
        """Expect that every message that exists now is announced, or has been."""
        for extension in EXTENSIONS:
            for message in self._pbx.spool.messages(extension):
                if message.caller.isdecimal() and int(message.caller) <= self._calls:
                    self.expected[message.caller] = 1


async def test_soak(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    polls = 10_000 if settings.get_current_profile_name() == "nightly" else 320
    random = Random(polls)
    office = Office(pbx, random)
    announced: Counter[str] = Counter()

    def hear(event: Event[EventStateChangedData]) -> None:
        state, before = event.data["new_state"], event.data["old_state"]
        if state and state.attributes.get("caller") and before and before.state != "unavailable":
            announced[state.attributes["caller"]] += 1

    events = [f"event.{name}_new_message" for name in _NAMES.values()]
    async_track_state_change_event(hass, events, hear)

    tracemalloc.start()
    marks = []
    for number in range(polls):
        await office.live()
        chance = random.random()
        if chance < 0.1:
            async with random.choice(PASSING).inject(pbx):
                await poll(hass)
        elif chance < 0.12:
            await hass.config_entries.async_reload(connected.entry_id)
        elif chance < 0.13:
            async with random.choice(PASSING).inject(pbx):
                await hass.config_entries.async_reload(connected.entry_id)
            await hass.async_block_till_done(wait_background_tasks=True)
        office.look()
        await poll(hass)
        pbx.requests.clear()
        if number % (polls // 8) == polls // 8 - 1:
            marks.append(_held())
    tracemalloc.stop()

    assert announced == office.expected
    for extension, name in _NAMES.items():
        there = pbx.spool.messages(extension)
        state = get_state(hass, f"sensor.{name}_messages")
        assert state.state == str(len(there))
        shown = state.attributes["latest_caller"]
        if not there:
            assert shown is None
            continue
        latest = max(there, key=lambda message: message.received).caller
        assert shown == latest or latest.endswith(f"<{shown}>")

    memory, objects, tasks, handles = zip(*marks[1:], strict=True)
    print(f"{polls} polls, {len(announced)} messages: {marks}")
    assert memory[-1] <= memory[0] + _LEEWAY + polls * _LEEWAY_PER_POLL
    assert objects[-1] <= objects[0] + 2 * len(EXTENSIONS) * _MOST_MESSAGES
    assert max(tasks) == min(tasks)
    assert max(handles) <= min(handles) + 2


def _held() -> tuple[int, int, int, int]:
    """Return the numbers of bytes, objects of the integration, tasks, and open files and sockets."""
    for mock in gc.get_objects():
        # The mocks of Home Assistant's storage keep everything that was ever written.
        if isinstance(mock, NonCallableMock):
            mock.reset_mock()
    gc.collect()
    return (
        tracemalloc.get_traced_memory()[0],
        sum(type(found).__module__.startswith("custom_components") for found in gc.get_objects()),
        len(asyncio.all_tasks()),
        sum(1 for _ in Path("/dev/fd").iterdir()),
    )
