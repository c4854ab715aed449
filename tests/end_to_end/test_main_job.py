"""The demo, as a person starts it: a real Home Assistant, a real PBX process, both ended by Ctrl-C."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import os
from pathlib import Path
import re
import signal
import sys

import pytest
from yarl import URL

from tests.asterisk.fixtures import asterisk_program
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import REPOSITORY

from . import MESSAGES, expect_messages, free_port

__all__ = ["asterisk_program"]

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def _demo(port: int, config: Path, *options: str) -> AsyncIterator[str]:
    """Run the demo until Ctrl-C, and yield what it printed once it was ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.demo"),
        *("--port", str(port), "--config", str(config), *options),
        cwd=REPOSITORY,
        stdout=PIPE,
        start_new_session=True,
    )
    printed = ""
    try:
        async with asyncio.timeout(120):
            printed = await _read_until(process, "Ctrl-C")
            yield printed
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    ports = re.findall(r"http://127\.0\.0\.1:(\d+)", printed)
    assert len(ports) == 2
    for ended in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", ended)


async def _read_until(process: Process, mark: str) -> str:
    assert process.stdout is not None
    printed = ""
    while mark not in printed:
        line = await process.stdout.readline()
        assert line, printed
        printed += line.decode()
    return printed


async def test_main_job(tmp_path: Path) -> None:
    port, pbx_port = free_port(), free_port()
    options = ("--pbx-port", str(pbx_port))
    async with _demo(port, tmp_path, *options) as printed:
        assert f"http://127.0.0.1:{port}   sign in as demo, password demo" in printed
        async with _signed_in(port) as client:
            state = await client.get(MESSAGES)
            assert state["state"] == "3"
            assert state["attributes"]["latest_caller_name"] == "张伟"

            pid = re.search(r"process (\d+)", printed)
            assert pid is not None
            await _kill(int(pid[1]), pbx_port)
            await expect_messages(client, "unavailable")

            pbx = await _start_pbx(pbx_port)
            await expect_messages(client, "3")
            pbx.terminate()
            await pbx.wait()
    assert _complaints(tmp_path) == ["The PBX cannot be reached"]

    # The folder was kept, and serves again.
    async with (
        _demo(port, tmp_path, *options),
        _signed_in(port) as client,
    ):
        assert (await client.get(MESSAGES))["state"] == "3"
        await _expect_dashboard(client)
    assert _complaints(tmp_path) == []


async def test_main_job_of_a_real_asterisk(asterisk_program: Path, tmp_path: Path) -> None:
    port = free_port()
    async with _demo(port, tmp_path, "--asterisk") as printed, _signed_in(port) as client:
        assert (await client.get(MESSAGES))["state"] == "3"
        await _expect_dashboard(client)

        pid = re.search(r"kill -9 (\d+)", printed)
        assert pid is not None
        os.kill(int(pid[1]), signal.SIGKILL)
        await expect_messages(client, "unavailable")
        # It comes back by itself.
        await expect_messages(client, "3", 60)
    assert _complaints(tmp_path) == ["The PBX cannot be reached"]


async def _expect_dashboard(client: ApiClient) -> None:
    """Expect a dashboard whose entities are there."""
    panel = await client.command("frontend/get_system_data", key="core")
    there = {state["entity_id"] for state in await client.get("/api/states")}
    dashboard = await client.command("lovelace/config", url_path=panel["value"]["default_panel"])
    names = set(re.findall(r"sensor\.\w+", str(dashboard)))
    assert names
    assert names <= there


@asynccontextmanager
async def _signed_in(port: int) -> AsyncIterator[ApiClient]:
    async with ApiClient(URL.build(scheme="http", host="127.0.0.1", port=port)) as client:
        await client.sign_in()
        yield client


async def _kill(pid: int, port: int) -> None:
    """End the PBX that the demo started."""
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It was just about to end.
            continue
        writer.close()
        await asyncio.sleep(0.05)
    pytest.fail("the PBX goes on")


async def _start_pbx(port: int) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.simulator", "--names", "--port", str(port)),
        cwd=REPOSITORY,
        stdout=PIPE,
    )
    await _read_until(process, "PBX at")
    return process


def _complaints(config: Path) -> list[str]:
    """Return warnings and errors in the log, but for the notice about custom integrations."""
    log = (config / "home-assistant.log").read_text()
    return [
        line.rsplit(": ", 1)[-1]
        for line in log.splitlines()
        if re.search(r" (WARNING|ERROR|CRITICAL) ", line)
        and "has not been tested by Home Assistant" not in line
    ]
