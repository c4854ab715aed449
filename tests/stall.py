"""How long something keeps everything else waiting, and how much memory it takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import os
from pathlib import Path
from time import perf_counter

_TICK = 0.005
_STATM = Path("/proc/self/statm")
MEGABYTE = 1024 * 1024


@dataclass
class Load:
    """The longest time in seconds that the event loop did not run, and bytes of memory above those
    of the beginning: at most, and in the end."""

    stall: float = 0
    peak: int = 0
    left: int = 0


def memory() -> int:
    """Return the bytes of memory that this process has."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def measured() -> AsyncIterator[Load]:
    """Measure what happens within."""
    load = Load()
    begin = memory()

    async def tick() -> None:
        while True:
            before = perf_counter()
            await asyncio.sleep(_TICK)
            load.stall = max(load.stall, perf_counter() - before - _TICK)
            load.peak = max(load.peak, memory() - begin)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield load
    finally:
        await asyncio.sleep(2 * _TICK)
        ticking.cancel()
        load.left = memory() - begin
        print(
            f"stall {load.stall * 1000:.0f} ms, "
            f"{load.peak // MEGABYTE} MB more at most, {load.left // MEGABYTE} MB in the end"
        )
