"""Runs a real Home Assistant as a process: the one of this environment, or the program in HASS."""

import asyncio
from asyncio.subprocess import Process
from contextlib import suppress
import json
import os
from pathlib import Path
import sys

import aiohttp
import imageio_ffmpeg
from yarl import URL

from .api_client import ApiClient

REPOSITORY = Path(__file__).parents[2]

_START_TIMEOUT = 120
_STOP_TIMEOUT = 30

_CONFIGURATION = """\
homeassistant:
  name: Demo
  latitude: 52.52
  longitude: 13.405
  elevation: 34
  unit_system: metric
  time_zone: UTC
  currency: EUR
  country: DE
  language: en
automation: !include automations.yaml
config:
frontend:
history:
logbook:
ffmpeg:
  ffmpeg_bin: {ffmpeg}
# A library for cameras, which some machines do not have, and which is not needed here.
logger:
  logs:
    homeassistant.components.camera.img_util: critical
media_source:
my:
recorder:
  commit_interval: 1
"""


class HassProcess:
    """A Home Assistant on the loopback interface, with its configuration in one folder.

    A new folder is prepared, so that Home Assistant starts without onboarding questions. A used
    one is continued.
    """

    def __init__(
        self,
        config: Path,
        port: int,
        components: Path = REPOSITORY / "custom_components",
        configuration: str = "",
    ) -> None:
        """Use a folder, which need not exist, and a free port. `configuration` is additional YAML."""
        self.url = URL.build(scheme="http", host="127.0.0.1", port=port)
        self.is_new = not (config / "configuration.yaml").exists()
        self._config = config
        self._components = components
        self._configuration = configuration
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    async def start(self, client: ApiClient) -> None:
        """Start, sign in, and return when Home Assistant is running."""
        await asyncio.to_thread(self.prepare)
        self._process = await asyncio.create_subprocess_exec(
            os.environ.get("HASS") or Path(sys.executable).with_name("hass"),
            *("--config", self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C must not reach it: this program stops it.
            start_new_session=True,
        )
        async with asyncio.timeout(_START_TIMEOUT):
            await self._wait_until_ready(self._process)
            await (client.onboard() if self.is_new else client.sign_in())
            while (await client.get("/api/config"))["state"] != "RUNNING":
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Terminate the process, and kill it if it does not stop in time."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            self._process.kill()

    async def wait(self) -> None:
        """Wait until Home Assistant stops by itself."""
        assert self._process is not None
        await self._process.wait()

    async def _wait_until_ready(self, process: Process) -> None:
        async with aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(self.url / "manifest.json") as response:
                        if response.ok:
                            return
                await asyncio.sleep(0.1)
        raise RuntimeError(f"Home Assistant ended at once; see {self._config}/home-assistant.log")

    def prepare(self) -> None:
        """Write the configuration. Called by `start`."""
        storage = self._config / ".storage"
        storage.mkdir(parents=True, exist_ok=True)
        (self._config / "configuration.yaml").write_text(
            _CONFIGURATION.format(ffmpeg=imageio_ffmpeg.get_ffmpeg_exe()) + self._configuration
        )
        if self.is_new:
            (self._config / "automations.yaml").write_text("[]")
        components = self._config / "custom_components"
        with suppress(FileNotFoundError):
            components.unlink()
        components.symlink_to(self._components, target_is_directory=True)
        # Home Assistant reverts an address in YAML after five minutes unless a user confirms it.
        _store(
            storage / "http",
            version=2,
            minor_version=2,
            data={
                "stable": {
                    "server_host": [self.url.host],
                    "server_port": self.url.port,
                    "cors_allowed_origins": [],
                    "login_attempts_threshold": -1,
                    "ip_ban_enabled": True,
                    "ssl_profile": "modern",
                    "use_x_frame_options": True,
                    "created_at": "2026-01-01T00:00:00+00:00",
                    "error": None,
                    "error_message": None,
                },
                "pending": None,
                "yaml_migration_done": True,
            },
        )
        if self.is_new:
            # These onboarding steps would add integrations that access the internet.
            done = ["core_config", "analytics", "integration"]
            _store(storage / "onboarding", version=4, minor_version=1, data={"done": done})


def _store(path: Path, **content: object) -> None:
    path.write_text(json.dumps({"key": path.name, **content}))
