"""Runs the main job: a PBX, simulated or a real Asterisk, and a Home Assistant connected to it."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import signal
import socket
import sys
import tempfile

from homeassistant.util.yaml import load_yaml_dict

from tests.asterisk.program import find_program
from tests.asterisk.settings import SECRET, USERNAME as MANAGER_USER
from tests.simulator.__main__ import P_SERIES
from tests.simulator.p_series import CLIENT_ID, CLIENT_SECRET
from tests.simulator.server import PASSWORD as PBX_PASSWORD, USERNAME

from .api_client import PASSWORD, USER, ApiClient
from .asterisk import SECONDS_BEFORE_RESTART, run_asterisk
from .hass_process import HassProcess

_DASHBOARD = Path(__file__).with_name("dashboard.yaml")
_HUB_OF_DASHBOARD = "uc501"
_SECONDS_BETWEEN_CALLS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pbx:
    """A PBX that runs: its address, its login, the name of its device, and a line about it.

    `outage` is how to see one.
    """

    address: str
    username: str
    password: str
    hub: str
    line: str
    outage: str


def main() -> None:
    """Read the command line and run until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A PBX, and a Home Assistant that is connected to it.",
    )
    parser.add_argument(
        "--asterisk",
        action="store_true",
        help="a real Asterisk on free ports, instead of a simulated PBX",
    )
    parser.add_argument(
        "--p-series",
        action="store_true",
        help="a simulated Yeastar P-Series, instead of an OpenVox",
    )
    parser.add_argument("--port", type=int, default=8123, help="Home Assistant's port (8123)")
    parser.add_argument(
        "--pbx-port", type=int, default=9011, help="the simulated PBX's port (9011)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="DIR",
        help="Home Assistant's configuration folder, kept; without it, one that is thrown away",
    )
    options = parser.parse_args()
    ports = {"--port": options.port}
    asterisk = find_program() if options.asterisk else None
    if not options.asterisk:
        ports["--pbx-port"] = options.pbx_port
    elif asterisk is None:
        parser.error("no Asterisk on this machine: install version 20.5 or newer")
    for option, port in ports.items():
        if not _is_free(port):
            parser.error(f"port {port} is in use; choose another with {option}")
    pbx = _asterisk(asterisk) if asterisk else _simulated(options.pbx_port, options.p_series)
    sys.exit(asyncio.run(_run(options.port, pbx, options.config)))


async def _run(
    port: int, running_pbx: AbstractAsyncContextManager[_Pbx], config: Path | None
) -> int:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)

    async with AsyncExitStack() as stack:
        stopping = asyncio.create_task(interrupted.wait())
        folder = config or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pbx = await stack.enter_async_context(running_pbx)
        hass = HassProcess(folder.resolve(), port)
        stack.push_async_callback(hass.stop)

        print("Starting Home Assistant ...", flush=True)
        client = await stack.enter_async_context(ApiClient(hass.url))
        started = asyncio.create_task(_start(hass, client, pbx))
        await asyncio.wait((stopping, started), return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            return 0
        started.result()
        print(
            f"\n  Home Assistant   {hass.url}   sign in as {USER}, password {PASSWORD}"
            f"\n  {pbx.line}"
            f"\n\nCtrl-C ends both. {pbx.outage}",
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
async def _asterisk(program: Path) -> AsyncIterator[_Pbx]:
    with tempfile.TemporaryDirectory() as folder:
        async with run_asterisk(program, Path(folder), _SECONDS_BETWEEN_CALLS) as asterisk:
            address = f"http://127.0.0.1:{asterisk.ports.web}"
            process = asterisk.process_id
            yield _Pbx(
                address=address,
                username=MANAGER_USER,
                password=SECRET,
                hub="asterisk",
                line=f"Asterisk         {address}   process {process}",
                outage=f"To see an outage, kill -9 {process}."
                f"\nAsterisk is started again after {SECONDS_BEFORE_RESTART} seconds.",
            )


@asynccontextmanager
async def _simulated(port: int, is_p_series: bool) -> AsyncIterator[_Pbx]:
    api = ("--api", P_SERIES) if is_p_series else ("--names",)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.simulator", *api),
        *("--port", str(port)),
        *("--call-every", str(_SECONDS_BETWEEN_CALLS)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield _Pbx(
            address=f"127.0.0.1:{port}",
            username=CLIENT_ID if is_p_series else USERNAME,
            password=CLIENT_SECRET if is_p_series else PBX_PASSWORD,
            hub="p_series_software_edition" if is_p_series else _HUB_OF_DASHBOARD,
            line=f"Simulated PBX    http://127.0.0.1:{port}   process {process.pid}",
            outage=f"To see an outage, kill {process.pid}; to end it,"
            f"\n  .venv/bin/python -m tests.simulator {' '.join(api)} --port {port}",
        )
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _start(hass: HassProcess, client: ApiClient, pbx: _Pbx) -> None:
    await hass.start(client)
    await connect(client, pbx.address, pbx.username, pbx.password)
    if hass.is_new:
        await create_dashboard(client, pbx.hub)


async def connect(
    client: ApiClient, pbx: str, username: str = USERNAME, password: str = PBX_PASSWORD
) -> None:
    """Add the PBX through the config flow, and remove one that an earlier demo has left."""
    for entry in await client.get("/api/config/config_entries/entry?domain=pbx_voicemail"):
        await client.delete(f"/api/config/config_entries/entry/{entry['entry_id']}")
    flow = await client.post("/api/config/config_entries/flow", handler="pbx_voicemail")
    answer = f"/api/config/config_entries/flow/{flow['flow_id']}"
    await client.post(answer, host=pbx)
    done = await client.post(answer, username=username, password=password)
    if done["type"] != "create_entry":
        raise RuntimeError(f"the PBX could not be added: {done.get('errors')}")


async def create_dashboard(client: ApiClient, hub: str = _HUB_OF_DASHBOARD) -> None:
    """Create a dashboard with the mailboxes, and make it the default one.

    `hub` is what the entities of the PBX itself begin with.
    """
    page = "demo-voicemail"
    await client.command(
        "lovelace/dashboards/create",
        url_path=page,
        title="Voicemail",
        icon="mdi:voicemail",
    )
    dashboard = json.dumps(await asyncio.to_thread(load_yaml_dict, str(_DASHBOARD)))
    config = json.loads(dashboard.replace(f"sensor.{_HUB_OF_DASHBOARD}_", f"sensor.{hub}_"))
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
