"""A Home Assistant in a process of its own, and a PBX for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Any, Final

from yarl import URL

from tests.demo.hass_process import HassProcess
from tests.end_to_end import free_port
from tests.simulator import Spool

from .pbx import FullPbx

_LINE: Final = 2**20


class HarnessProcess:
    """The harness in another process, with a Home Assistant to measure."""

    start_cpu: float
    """How many seconds of CPU time the start took."""

    def __init__(self, process: asyncio.subprocess.Process, url: URL) -> None:
        """Use a process that reads commands from its standard input, and its Home Assistant's URL."""
        self._process = process
        self.url = url

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
async def run_harness(config: Path | None = None) -> AsyncIterator[HarnessProcess]:
    """Run a Home Assistant in a folder, or in a new one without a PBX."""
    with TemporaryDirectory() as folder:
        config = config or Path(folder)
        hass = HassProcess(config, free_port())
        await asyncio.to_thread(hass.prepare)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.benchmarks.harness", config),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE,
        )
        try:
            harness = HarnessProcess(process, hass.url)
            harness.start_cpu = await harness.read_response()
            yield harness
        finally:
            assert process.stdin
            process.stdin.close()
            await process.wait()


@asynccontextmanager
async def full_pbx(extensions: int, messages: int) -> AsyncIterator[FullPbx]:
    """Run a PBX with so many extensions of so many messages."""
    with TemporaryDirectory() as spool:
        async with FullPbx(Spool(Path(spool)), extensions, messages) as pbx:
            yield pbx
