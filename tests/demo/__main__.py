"""Runs the main job: a simulated PBX, and a Home Assistant that is connected to it."""

import argparse
import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
import signal
import socket
import sys
import tempfile

from homeassistant.util.yaml import load_yaml_dict

from tests.simulator.server import PASSWORD as PBX_PASSWORD, USERNAME

from .api_client import PASSWORD, USER, ApiClient
from .hass_process import HassProcess

_DASHBOARD = Path(__file__).with_name("dashboard.yaml")
_SECONDS_BETWEEN_CALLS = 60


def main() -> None:
    """Read the command line and run until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A simulated PBX, and a Home Assistant that is connected to it.",
    )
    parser.add_argument("--port", type=int, default=8123, help="Home Assistant's port (8123)")
    parser.add_argument("--pbx-port", type=int, default=9011, help="the PBX's port (9011)")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="DIR",
        help="Home Assistant's configuration folder, kept; without it, one that is thrown away",
    )
    options = parser.parse_args()
    for option, port in (("--port", options.port), ("--pbx-port", options.pbx_port)):
        if not _is_free(port):
            parser.error(f"port {port} is in use; choose another with {option}")
    sys.exit(asyncio.run(_run(options.port, options.pbx_port, options.config)))


async def _run(port: int, pbx_port: int, config: Path | None) -> int:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)

    async with AsyncExitStack() as stack:
        stopping = asyncio.create_task(interrupted.wait())
        folder = config or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pbx = await stack.enter_async_context(_pbx(pbx_port))
        hass = HassProcess(folder.resolve(), port)
        stack.push_async_callback(hass.stop)

        print("Starting Home Assistant ...", flush=True)
        client = await stack.enter_async_context(ApiClient(hass.url))
        started = asyncio.create_task(_start(hass, client, f"127.0.0.1:{pbx_port}"))
        await asyncio.wait((stopping, started), return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            return 0
        started.result()
        print(
            f"\n  Home Assistant   {hass.url}   sign in as {USER}, password {PASSWORD}"
            f"\n  Simulated PBX    http://127.0.0.1:{pbx_port}   process {pbx.pid}"
            f"\n\nCtrl-C ends both. To see an outage, kill {pbx.pid}; to end it,"
            f"\n  .venv/bin/python -m tests.simulator --names --port {pbx_port}",
            flush=True,
        )
        ended = asyncio.create_task(hass.wait())
        await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            print("Home Assistant ended by itself.", file=sys.stderr)
            return 1
        ended.cancel()
        print("Stopping ...", flush=True)
    return 0


@asynccontextmanager
async def _pbx(port: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.simulator", "--names"),
        *("--port", str(port)),
        *("--call-every", str(_SECONDS_BETWEEN_CALLS)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _start(hass: HassProcess, client: ApiClient, pbx: str) -> None:
    await hass.start(client)
    await connect(client, pbx)
    if hass.is_new:
        await create_dashboard(client)


async def connect(client: ApiClient, pbx: str) -> None:
    """Add the PBX through the config flow, and remove one that an earlier demo has left."""
    for entry in await client.get("/api/config/config_entries/entry?domain=pbx_voicemail"):
        await client.delete(f"/api/config/config_entries/entry/{entry['entry_id']}")
    flow = await client.post("/api/config/config_entries/flow", handler="pbx_voicemail")
    answer = f"/api/config/config_entries/flow/{flow['flow_id']}"
    await client.post(answer, host=pbx)
    done = await client.post(answer, username=USERNAME, password=PBX_PASSWORD)
    if done["type"] != "create_entry":
        raise RuntimeError(f"the PBX could not be added: {done.get('errors')}")


async def create_dashboard(client: ApiClient) -> None:
    """Create a dashboard with the mailboxes, and make it the default one."""
    page = "demo-voicemail"
    await client.command(
        "lovelace/dashboards/create",
        url_path=page,
        title="Voicemail",
        icon="mdi:voicemail",
    )
    config = await asyncio.to_thread(load_yaml_dict, str(_DASHBOARD))
    await client.command("lovelace/config/save", url_path=page, config=config)
    await client.command("frontend/set_system_data", key="core", value={"default_panel": page})


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    main()
