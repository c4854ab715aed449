"""Many extensions of one PBX, and many PBXs."""

import asyncio
from collections import Counter
from pathlib import Path
from statistics import median
import sys
from tempfile import TemporaryDirectory
from typing import Final

from .process import full_pbx, run_harness
from .stalls import Figures

_EXTENSIONS: Final = 500
_PBXS: Final = 20
_MINUTE: Final = 60

_IMPORT: Final = """
from importlib import import_module
from time import process_time

# What Home Assistant has imported when it gets to us.
for name in "sensor", "binary_sensor", "button", "event", "media_source", "http", "websocket_api":
    import_module(f"homeassistant.components.{name}")
for name in "bootstrap", "helpers.trigger", "helpers.condition", "helpers.update_coordinator":
    import_module(f"homeassistant.{name}")
began = process_time()
for name in "sensor", "binary_sensor", "button", "event", "media_source", "trigger", "condition":
    import_module(f"custom_components.pbx_voicemail.{name}")
print(process_time() - began)
"""


async def measure_extensions() -> Figures:
    """Let 500 extensions come, get a message each, go, and come back when Home Assistant restarts."""
    stalls: dict[str, Figures] = {}
    with TemporaryDirectory() as folder:
        async with full_pbx(0, 0) as pbx:
            async with run_harness(Path(folder)) as harness:
                await harness.run("set_up_ours", **pbx.entry)
                start = harness.start_cpu
                pbx.set_extensions(_EXTENSIONS)
                stalls["added"] = await harness.run("stall", is_list_due=True)
                await harness.run("leave", count=_EXTENSIONS)
                stalls["changed"] = await harness.run("stall")
                loaded = await harness.run("reload")
                stalls |= {"unloaded": loaded["unload"], "set_up": loaded["set_up"]}
                collection = await harness.run("collect")
            async with run_harness(Path(folder)) as harness:
                restart = harness.start_cpu - start
            async with run_harness() as harness:
                await harness.run("set_up_ours", **pbx.entry)
                pbx.set_extensions(1)
                stalls["gone"] = await harness.run("stall", is_list_due=True)
    return {
        **{
            f"{name}_{kind}": one[kind]
            for name, one in stalls.items()
            for kind in ("stall", "busy")
        },
        "set_up": loaded["set_up"]["cpu"],
        "restart": restart,
        "collection": collection,
        "import": await _measure_import(),
    }


async def _measure_import() -> float:
    """Return the CPU seconds of importing the integration, without what Home Assistant has."""
    measured = []
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _IMPORT, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        measured.append(float(output))
    return median(measured)


async def measure_pbxs() -> Figures:
    """Poll 20 PBXs of 20 extensions with 20 messages each, as often as they are by default."""
    async with full_pbx(20, 20) as pbx:
        pbx.serial_number = ""
        entries = {**pbx.entry, "options": {}, "count": _PBXS}
        async with run_harness() as harness:
            # Home Assistant has things to do after its start.
            await harness.run("idle", seconds=30)
            alone = await harness.run("idle", seconds=_MINUTE)
            await harness.run("set_up_ours", **entries)
            # The first poll of each comes sooner than its interval.
            await harness.run("idle", seconds=30)
            pbx.polled_at.clear()
            together = await harness.run("idle", seconds=_MINUTE)
            per_second = Counter(map(int, pbx.polled_at))
        async with run_harness() as harness:
            await harness.run("watch")
            await harness.run("set_up_ours", **entries)
            held = await harness.run("held")
    return {
        "cpu_per_minute": together - alone,
        "polls_per_minute": per_second.total(),
        "most_polls_per_second": max(per_second.values()),
        "held": held["bytes"],
    }
