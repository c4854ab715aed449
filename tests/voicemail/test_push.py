"""When a PBX that reports changes is connected again after an outage."""

import asyncio
from collections.abc import Callable
from typing import override

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import Capability, PbxConnectionError
from custom_components.pbx_voicemail.voicemail import push as push_module
from custom_components.pbx_voicemail.voicemail.push import Push

from .memory_pbx import MemoryPbx


class _RestartingPbx(MemoryPbx):
    """Is off during some seconds of a simulated time, and hangs up at the beginning of each."""

    def __init__(self, *outages: tuple[float, float]) -> None:
        super().__init__(Capability.PUSH)
        self.now = 0.0
        self.connected: list[float] = []
        self.attempts = 0
        self.last_connection = asyncio.Event()
        self._outages = outages

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    @override
    async def listen(self, changed: Callable[[], None]) -> None:
        self.attempts += 1
        if not any(begin <= self.now < end for begin, end in self._outages):
            self.connected.append(self.now)
            changed()
            following = [begin for begin, _ in self._outages if begin > self.now]
            if not following:
                self.last_connection.set()
                await asyncio.Event().wait()
            self.now = min(following)
        raise PbxConnectionError("off")


async def _listen(
    hass: HomeAssistant, pbx: _RestartingPbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listen until the last outage is over."""
    entry = MockConfigEntry(domain=DOMAIN)
    push = Push(hass, entry, pbx, lambda: None, lambda connected: None)
    with monkeypatch.context() as patch:
        patch.setattr(push_module, "monotonic", lambda: pbx.now)
        patch.setattr(asyncio, "sleep", pbx.sleep)
        push.async_start()
        await asyncio.wait_for(pbx.last_connection.wait(), 10)
    await push.async_stop()


@pytest.mark.parametrize(
    "outages",
    [
        [(10, 12), (30, 33), (50, 52), (70, 72), (90, 92), (110, 112)],
        [(100, 115), (130, 145)],
        [(60, 7200), (7300, 7301)],
    ],
    ids=["restarts", "outages", "night"],
)
async def test_reconnects_soon_after_each_outage(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, outages: list[tuple[float, float]]
) -> None:
    pbx = _RestartingPbx(*outages)
    await _listen(hass, pbx, monkeypatch)
    for begin, end in outages:
        delay = min(at for at in pbx.connected if at >= end) - end
        assert delay <= min(max(1, 0.11 * (end - begin)), 30)
    assert pbx.attempts < 400


async def test_pbx_that_hangs_up_all_the_time(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    pbx = _RestartingPbx(*((second, second + 0.5) for second in range(1, 3600)))
    await _listen(hass, pbx, monkeypatch)
    assert pbx.attempts < 200
