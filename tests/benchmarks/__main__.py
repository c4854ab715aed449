"""Compares this integration with Home Assistant's rest integration, and checks the goals."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
import json
import os
from pathlib import Path
import platform
from statistics import median
import sys
from tempfile import TemporaryDirectory
from typing import Any

from homeassistant.const import __version__ as home_assistant

from tests.demo.hass_process import HassProcess
from tests.end_to_end import free_port
from tests.simulator import Spool

from .pbx import FullPbx

SIZES = ((10, 10), (20, 20), (100, 100), (500, 100))
_LARGEST_FOR_REST = 100 * 100
"""With more messages, a poll of the rest integration takes longer than the poll interval."""

_ROUNDS = 7
_LINE = 2**20

type Figures = dict[str, float]


class HarnessProcess:
    """The harness in another process, with a Home Assistant to measure."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use a process that reads commands from its standard input."""
        self._process = process

    async def run(self, command: str, **arguments: Any) -> Any:
        """Run a command, and return its result."""
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps([command, arguments])}\n".encode())
        return await self.read_response()

    async def read_response(self) -> Any:
        """Return the next line of output."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("Home Assistant has ended; see above")
        return json.loads(line)


@asynccontextmanager
async def _run_harness(pbx: FullPbx) -> AsyncIterator[HarnessProcess]:
    """Run a Home Assistant without a PBX."""
    with TemporaryDirectory() as folder:
        config = Path(folder)
        await asyncio.to_thread(HassProcess(config, free_port()).prepare)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.benchmarks.harness", folder, pbx.address),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE,
        )
        try:
            harness = HarnessProcess(process)
            await harness.read_response()
            yield harness
        finally:
            assert process.stdin
            process.stdin.close()
            await process.wait()


@asynccontextmanager
async def _pbx(extensions: int, messages: int) -> AsyncIterator[FullPbx]:
    with TemporaryDirectory() as spool:
        async with FullPbx(Spool(Path(spool)), extensions, messages) as pbx:
            yield pbx


async def _measure(extensions: int, messages: int) -> Figures:
    """Measure both integrations at one size, alternately, with the same PBX."""
    figures: Figures = {}
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(_pbx(extensions, messages))
        ours = await stack.enter_async_context(_run_harness(pbx))
        harnesses = {"ours": ours}
        _set_up(figures, "ours", await ours.run("set_up_ours"))
        if extensions * messages <= _LARGEST_FOR_REST:
            rest = await stack.enter_async_context(_run_harness(pbx))
            harnesses["rest"] = rest
            set_up = await rest.run("set_up_rest", extensions=list(pbx.extensions))
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


async def _memory(extensions: int, messages: int) -> Figures:
    """Return the memory for messages, and the size of the reply."""
    held = []
    for count in (0, messages):
        async with _pbx(extensions, count) as pbx, _run_harness(pbx) as harness:
            await harness.run("watch")
            await harness.run("set_up_ours")
            await harness.run("poll")
            held.append((await harness.run("held"))["bytes"])
            reply = len(pbx.reply)
    return {"held_for_messages": held[1] - held[0], "bytes": reply}


async def _recorder() -> Figures:
    async with _pbx(20, 20) as pbx, _run_harness(pbx) as harness:
        await harness.run("set_up_ours")
        measured: Figures = await harness.run("recorded", messages=500)
        return measured


def _goals(sizes: dict[str, Figures], memory: Figures, recorder: Figures) -> list[dict[str, Any]]:
    """Compare the figures with the goals."""
    small, middle, large = sizes["10x10"], sizes["100x100"], sizes["500x100"]
    per_message = [
        sizes[name]["changed_from_bytes"] / count
        for name, count in (("100x100", 10_000), ("500x100", 50_000))
    ]

    def goal(name: str, measured: float, bound: float, *, at_least: bool = False) -> dict[str, Any]:
        met = measured >= bound if at_least else measured <= bound
        return {"name": name, "measured": measured, "goal": bound, "met": met}

    return [
        goal(
            "unchanged poll, 500x100, above reading: share of orjson.loads",
            large["unchanged_from_bytes"] / large["unchanged_loads"],
            0.03,
        ),
        goal("changed poll, 500x100: seconds of CPU", large["ours_changed_cpu"], 0.008),
        goal(
            "unchanged poll, 100x100: times less CPU than rest",
            middle["rest_unchanged_cpu"] / middle["ours_unchanged_cpu"],
            400,
            at_least=True,
        ),
        goal(
            "changed poll, 100x100: times less CPU than rest",
            middle["rest_changed_cpu"] / middle["ours_changed_cpu"],
            300,
            at_least=True,
        ),
        goal(
            "changed poll, 10x10: times less CPU than rest",
            small["rest_changed_cpu"] / small["ours_changed_cpu"],
            1.3,
            at_least=True,
        ),
        goal(
            "longest stall, changed poll, 100x100: share of rest's",
            middle["ours_changed_stall"] / middle["rest_changed_stall"],
            0.01,
        ),
        goal("longest stall, changed poll, 500x100: seconds", large["ours_changed_stall"], 0.002),
        goal("states written by an unchanged poll", middle["ours_unchanged_written"], 0),
        goal("states written for one new message", middle["ours_changed_written"], 7),
        goal("requests per poll, 500 extensions", large["ours_requests"], 1),
        goal(
            "memory held for messages, 500x100: multiple of the reply",
            memory["held_for_messages"] / memory["bytes"],
            1.5,
        ),
        goal(
            "set-up, 100x100, CPU per entity: share of rest's per sensor",
            middle["ours_set_up_per_entity"] / middle["rest_set_up_per_entity"],
            0.5,
        ),
        goal(
            "set-up, CPU per entity: 500x100 beside 100x100",
            large["ours_set_up_per_entity"] / middle["ours_set_up_per_entity"],
            1.2,
        ),
        goal("recorder, bytes per new message", recorder["message"], 1000),
        goal("recorder, bytes per unchanged poll", recorder["unchanged"], 0),
        goal(
            "changed poll, CPU per message: 500x100 beside 100x100"
            f" (orjson.loads alone: {large['changed_loads'] / middle['changed_loads'] / 5:.2f})",
            per_message[1] / per_message[0],
            1.2,
        ),
    ]


def _show(sizes: dict[str, Figures], goals: list[dict[str, Any]]) -> None:
    """Print both tables."""
    print(f"\n{'':12}{'unchanged poll, CPU':>34}{'changed poll, CPU':>34}{'stall':>24}")
    print(
        f"{'size':12}" + f"{'ours':>11}{'rest':>11}{'ratio':>12}" * 2 + f"{'ours':>12}{'rest':>12}"
    )
    for name, figures in sizes.items():
        cells = [f"{name:12}"]
        for kind in ("unchanged", "changed"):
            ours, rest = figures[f"ours_{kind}_cpu"], figures.get(f"rest_{kind}_cpu")
            cells.append(
                f"{_ms(ours):>11}{_ms(rest):>11}{f'{rest / ours:.1f}' if rest else '-':>12}"
            )
        cells.append(f"{_ms(figures['ours_changed_stall']):>12}")
        cells.append(f"{_ms(figures.get('rest_changed_stall')):>12}")
        print("".join(cells))
    print()
    for goal in goals:
        print(
            f"{'met' if goal['met'] else 'MISSED':8}{goal['measured']:12.4g}{goal['goal']:10g}  {goal['name']}"
        )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print every figure of an earlier run that has changed, and what it was multiplied by."""
    print(f"\nsince {before['date']}:")
    for name, was in sorted(before.items()):
        figure = after.get(name)
        if isinstance(was, int | float) and figure is not None and was and figure != was:
            print(f"{was:12.4g}{figure:12.4g}{figure / was:8.2f} x  {name}")


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    """Return all figures under one name each."""
    flat = {"date": result["date"]}
    for group in ("memory", "recorder"):
        flat |= {f"{group} {name}": figure for name, figure in result[group].items()}
    for size, figures in result["sizes"].items():
        flat |= {f"{size} {name}": figure for name, figure in figures.items()}
    return flat


async def _run(target: Path | None, earlier: Path | None) -> None:
    sizes: dict[str, Figures] = {}
    for extensions, messages in SIZES:
        name = f"{extensions}x{messages}"
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        sizes[name] = await _measure(extensions, messages)
    print("measuring memory and recorder ...", file=sys.stderr, flush=True)
    memory, recorder = await _memory(500, 100), await _recorder()
    goals = _goals(sizes, memory, recorder)
    _show(sizes, goals)
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "home_assistant": home_assistant,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "sizes": sizes,
        "memory": memory,
        "recorder": recorder,
        "goals": goals,
    }
    if earlier:
        text = await asyncio.to_thread(earlier.read_text)
        _compare(_flat(json.loads(text)), _flat(result))
    if target:
        text = json.dumps(result, indent=2)
        await asyncio.to_thread(target.write_text, f"{text}\n")


def main() -> None:
    """Parse the command line, and run the benchmarks."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the figures of an earlier run"
    )
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.json, arguments.against))


if __name__ == "__main__":
    main()
