"""Compares this integration with Home Assistant's rest integration, and checks the goals."""

import argparse
import asyncio
from datetime import UTC, datetime
import json
import os
from pathlib import Path
import platform
import sys
from typing import Final

from homeassistant.const import __version__ as home_assistant

from .compared import compare, measure_memory, measure_recorder
from .families import measure_families
from .many import measure_extensions, measure_pbxs
from .messages import measure_messages
from .report import Result, compare_with_goals, show_changes, show_goals, show_tables

_SIZES: Final = ((10, 10), (20, 20), (100, 100), (500, 100))


async def _measure() -> Result:
    def announce(what: str) -> None:
        print(f"measuring {what} ...", file=sys.stderr, flush=True)

    result: Result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "home_assistant": home_assistant,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "sizes": {},
    }
    for extensions, messages in _SIZES:
        name = f"{extensions}x{messages}"
        announce(name)
        result["sizes"][name] = await compare(extensions, messages)
    announce("memory and recorder")
    result |= {"memory": await measure_memory(500, 100), "recorder": await measure_recorder()}
    announce("500 extensions")
    result["extensions"] = await measure_extensions()
    announce("50,000 messages")
    result["messages"] = await measure_messages()
    announce("20 PBXs, for two minutes")
    result["pbxs"] = await measure_pbxs()
    announce("Asterisk and P-Series")
    result["families"] = await measure_families()
    return {**result, "goals": compare_with_goals(result)}


def main() -> None:
    """Parse the command line, run the benchmarks, and print the rows of docs/performance.md."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the figures of an earlier run"
    )
    arguments = parser.parse_args()
    before = json.loads(arguments.against.read_text()) if arguments.against else None
    result = asyncio.run(_measure())
    show_tables(result)
    print()
    show_goals(result["goals"])
    if before:
        show_changes(before, result)
    if arguments.json:
        arguments.json.write_text(f"{json.dumps(result, indent=2)}\n")


if __name__ == "__main__":
    main()
