"""One PBX at several sizes, compared with Home Assistant's rest integration."""

from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from .pbx import FullPbx
from .process import HarnessProcess, full_pbx, run_harness
from .stalls import Figures

_LARGEST_FOR_REST: Final = 100 * 100
"""With more messages, a poll of the rest integration takes longer than the poll interval."""

_ROUNDS: Final = 7


async def compare(extensions: int, messages: int) -> Figures:
    """Measure both integrations at one size, alternately, with the same PBX."""
    figures: Figures = {}
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(full_pbx(extensions, messages))
        ours = await stack.enter_async_context(run_harness())
        harnesses = {"ours": ours}
        _set_up(figures, "ours", await ours.run("set_up_ours", **pbx.entry))
        if extensions * messages <= _LARGEST_FOR_REST:
            rest = await stack.enter_async_context(run_harness())
            harnesses["rest"] = rest
            set_up = await rest.run("set_up_rest", query=pbx.query, extensions=list(pbx.extensions))
            _set_up(figures, "rest", set_up)
        figures |= await _measure_alternately(pbx, harnesses)
        for name, harness in harnesses.items():
            shown = await harness.run("counts")
            if shown != pbx.counts:
                raise RuntimeError(f"{name} shows other counts than the PBX has")
        for kind, changing in (("unchanged", False), ("changed", True)):
            measured = await ours.run("from_bytes", polls=40, changing=changing)
            figures |= {f"{kind}_from_bytes": measured["cpu"], f"{kind}_loads": measured["loads"]}
        figures["bytes"] = len(pbx.reply)
    return figures


def _set_up(figures: Figures, name: str, measured: Figures) -> None:
    figures[f"{name}_set_up_per_entity"] = measured["cpu"] / measured["entities"]
    figures[f"{name}_entities"] = measured["entities"]


async def _measure_alternately(pbx: FullPbx, harnesses: dict[str, HarnessProcess]) -> Figures:
    """Poll alternately, without and with a change, to measure CPU time and stalls."""
    rounds: dict[str, list[float]] = {}

    def note(name: str, figure: float) -> None:
        rounds.setdefault(name, []).append(figure)

    for _ in range(_ROUNDS):
        for kind in ("unchanged", "changed"):
            for measure in ("poll", "stall"):
                if kind == "changed":
                    await harnesses["ours"].run("leave")
                for name, harness in harnesses.items():
                    pbx.requests.clear()
                    measured = await harness.run(measure)
                    if measure == "stall":
                        note(f"{name}_{kind}_stall", measured["stall"])
                        continue
                    note(f"{name}_{kind}_cpu", measured["cpu"])
                    note(f"{name}_{kind}_written", measured["written"])
                    note(f"{name}_requests", len(pbx.requests))
    return {name: median(figures) for name, figures in rounds.items()}


async def measure_memory(extensions: int, messages: int) -> Figures:
    """Return the memory for messages, and the size of the reply."""
    held = []
    for count in (0, messages):
        async with full_pbx(extensions, count) as pbx, run_harness() as harness:
            await harness.run("watch")
            await harness.run("set_up_ours", **pbx.entry)
            await harness.run("poll")
            held.append((await harness.run("held"))["bytes"])
            reply = len(pbx.reply)
    return {"held_for_messages": held[1] - held[0], "bytes": reply}


async def measure_recorder() -> Figures:
    """Return by how many bytes the recorder's database grows."""
    async with full_pbx(20, 20) as pbx, run_harness() as harness:
        await harness.run("set_up_ours", **pbx.entry)
        measured: Figures = await harness.run("recorded", messages=500)
        return measured
