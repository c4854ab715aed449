"""How long the event loop is blocked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import gc
from itertools import pairwise
from time import perf_counter, thread_time

type Figures = dict[str, float]


@asynccontextmanager
async def measure_stalls(pause: float = 0) -> AsyncIterator[Figures]:
    """Return the longest turn of the event loop inside the context, when it ends.

    `stall` are the seconds in which no other task ran: it contains what other threads and other
    programs did meanwhile. `busy` are those in which the thread of the event loop did something.
    Neither contains Python's garbage collection, which passes through all objects of Home
    Assistant. Where threads do the work, a pause between two looks leaves them the processor.
    """
    longest: Figures = {}
    turns = [(perf_counter(), thread_time())]

    async def note_turns() -> None:
        while True:
            await asyncio.sleep(pause)
            turns.append((perf_counter(), thread_time()))

    noting = asyncio.create_task(note_turns())
    gc.disable()
    try:
        yield longest
        await asyncio.sleep(pause)
    finally:
        gc.enable()
        noting.cancel()
    stalls, busy = zip(
        *(
            (after - before for before, after in zip(*turn, strict=True))
            for turn in pairwise(turns)
        ),
        strict=True,
    )
    longest |= {"stall": max(stalls) - pause, "busy": max(busy)}
