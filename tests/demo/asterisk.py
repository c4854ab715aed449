"""A real Asterisk for the demo, which somebody calls every minute."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
import shutil

from tests.asterisk.program import Asterisk
from tests.asterisk.settings import Settings
from tests.simulator.__main__ import CALLERS, EXTENSIONS, RECORDED

_PIN = "1234"
_SOUNDS = ("hello-world", "tt-monkeys", "tt-somethingwrong", "vm-goodbye", "demo-thanks")
"""What callers say: sounds that come with Asterisk."""

SECONDS_BEFORE_RESTART = 20
"""How long an outage lasts."""


@asynccontextmanager
async def run_asterisk(
    program: Path, folder: Path, seconds_between_calls: float
) -> AsyncIterator[Asterisk]:
    """Run an Asterisk in a new folder, with the recorded messages. It is restarted when it ends."""
    lines = {
        number: _PIN if name == number else f"{_PIN},{name}" for number, name in EXTENSIONS.items()
    }
    asterisk = Asterisk(program, folder, Settings({"default": lines}))
    await asyncio.to_thread(shutil.copytree, RECORDED, asterisk.voicemail / "default")
    await asyncio.to_thread(asterisk.start)
    sounds = [name for name in _SOUNDS if asterisk.has_sound(name)] or ["tone"]
    tasks = [
        asyncio.create_task(_keep_running(asterisk)),
        asyncio.create_task(_call(asterisk, sounds, seconds_between_calls)),
    ]
    try:
        yield asterisk
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        asterisk.kill()


async def _keep_running(asterisk: Asterisk) -> None:
    while True:
        await asyncio.sleep(1)
        if not asterisk.is_running:
            await asyncio.sleep(SECONDS_BEFORE_RESTART)
            await asyncio.to_thread(asterisk.start)


async def _call(asterisk: Asterisk, sounds: Sequence[str], interval: float) -> None:
    for number in count():
        await asyncio.sleep(interval)
        caller, sound = CALLERS[number % len(CALLERS)], sounds[number % len(sounds)]
        if asterisk.is_running:
            asterisk.call("102", caller, sound=sound)
