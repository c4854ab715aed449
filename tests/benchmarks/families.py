"""Asterisk and Yeastar P-Series, which report changes, measured alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Any, Final

from tests.asterisk.program import Asterisk, find_program, make_tone
from tests.asterisk.settings import SECRET, USERNAME, Settings
from tests.simulator import PSeriesSimulator, Spool
from tests.simulator.fill import fill
from tests.simulator.p_series import CLIENT_ID, CLIENT_SECRET

from .process import run_harness
from .stalls import Figures

_EXTENSIONS: Final = 100
_MESSAGES: Final = 20
_NUMBERS: Final = [str(1000 + index) for index in range(_EXTENSIONS)]
_POLLS: Final = 7
_CALLS: Final = 3
_PAUSE: Final = 2


@dataclass(frozen=True)
class _Pbx:
    """A PBX with 100 extensions of 20 messages.

    `leave` leaves a message without telling anybody. `call` does as a caller does, and returns
    when the message was stored, in Unix time.
    """

    entry: dict[str, Any]
    leave: Callable[[str], Awaitable[None]]
    call: Callable[[str], Awaitable[float]]


@asynccontextmanager
async def _asterisk() -> AsyncIterator[_Pbx | None]:
    """Run a real Asterisk, if there is one."""
    if (program := await asyncio.to_thread(find_program)) is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        root = Path(folder)
        lines = {number: f"1234,Desk {number}" for number in _NUMBERS}
        asterisk = await asyncio.to_thread(Asterisk, program, root, Settings({"default": lines}))
        spool = asterisk.spool()
        await asyncio.to_thread(_fill, spool, root)
        await asyncio.to_thread(asterisk.start)

        async def call(number: str) -> float:
            path = asterisk.voicemail / "default" / number / "INBOX"
            before = set(path.glob("msg*.txt"))
            asterisk.call(number)
            while not (new := set(path.glob("msg*.txt")) - before):
                await asyncio.sleep(0.005)
            return new.pop().stat().st_ctime

        try:
            yield _Pbx(
                _entry("asterisk", asterisk.ports.web, USERNAME, SECRET),
                _leave_in(spool, root),
                call,
            )
        finally:
            asterisk.kill()


@asynccontextmanager
async def _p_series() -> AsyncIterator[_Pbx]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "spool").mkdir()
        spool = Spool(root / "spool")
        await asyncio.to_thread(_fill, spool, root)
        leave = _leave_in(spool, root)
        async with PSeriesSimulator(spool, dict.fromkeys(_NUMBERS, "")) as simulator:

            async def call(number: str) -> float:
                await leave(number)
                stored = time()
                await simulator.report_call(number)
                return stored

            yield _Pbx(_entry("p_series", simulator.port, CLIENT_ID, CLIENT_SECRET), leave, call)


def _fill(spool: Spool, root: Path) -> None:
    fill(spool, root, extensions=_EXTENSIONS, messages=_MESSAGES, seed=1, now=datetime.now(UTC))


def _leave_in(spool: Spool, root: Path) -> Callable[[str], Awaitable[None]]:
    recording = root / "tone.wav"
    recording.write_bytes(make_tone(440))

    async def leave(number: str) -> None:
        await asyncio.to_thread(
            spool.leave, number, "6000", received=datetime.now(UTC), recording=recording
        )

    return leave


def _entry(family: str, port: int, username: str, secret: str) -> dict[str, Any]:
    return {
        "title": "PBX",
        "data": {
            "host": "127.0.0.1",
            "port": port,
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "family": family,
            "credentials": {"username": username, "secret": secret},
            "remembered": {},
        },
    }


async def measure_families() -> dict[str, Figures]:
    """Return the figures of each family. Those of Asterisk are missing where there is none."""
    figures = {}
    async with _asterisk() as asterisk:
        if asterisk:
            figures["asterisk"] = await _measure(asterisk)
    async with _p_series() as p_series:
        figures["p_series"] = await _measure(p_series)
    return figures


async def _measure(pbx: _Pbx) -> Figures:
    rounds: dict[str, list[float]] = {}
    numbers = cycle(_NUMBERS)
    async with run_harness() as harness:
        await harness.run("set_up_ours", **pbx.entry)
        await harness.run("wait_for_push")
        for _ in range(_CALLS):
            # A poll that is wanted at once waits for a second after the one before.
            await asyncio.sleep(_PAUSE)
            stored = await pbx.call(next(numbers))
            rounds.setdefault("push", []).append(await harness.run("announced") - stored)
        for _ in range(_POLLS):
            for kind in "unchanged", "changed":
                if kind == "changed":
                    await pbx.leave(next(numbers))
                for name, figure in (await harness.run("poll")).items():
                    rounds.setdefault(f"{kind}_{name}", []).append(figure)
                if kind == "changed":
                    await pbx.leave(next(numbers))
                for name, figure in (await harness.run("stall")).items():
                    rounds.setdefault(f"{kind}_{name}", []).append(figure)
    return {name: median(figures) for name, figures in rounds.items() if name != "unchanged_event"}
