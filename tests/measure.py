"""Measures how long the event loop is blocked, and how much memory is used."""

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
    """The longest time that the event loop was blocked, in seconds, and the additional memory in
    bytes: the maximum, and what was left at the end."""

    stall: float = 0
    peak: int = 0
    left: int = 0


def memory() -> int:
    """Return the resident memory of this process in bytes."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def measure_load() -> AsyncIterator[Load]:
    """Measure what happens inside the context."""
    load = Load()
    start = memory()

    async def tick() -> None:
        while True:
            before = perf_counter()
            await asyncio.sleep(_TICK)
            load.stall = max(load.stall, perf_counter() - before - _TICK)
            load.peak = max(load.peak, memory() - start)

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield load
    finally:
        await asyncio.sleep(2 * _TICK)
        task.cancel()
        load.left = memory() - start
        print(
            f"stall {load.stall * 1000:.0f} ms, "
            f"{load.peak // MEGABYTE} MB more at most, {load.left // MEGABYTE} MB more at the end"
        )
