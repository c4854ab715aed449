"""A real Home Assistant in a process of its own: this environment's, or the program in HASS."""

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

from .person import Person

REPOSITORY = Path(__file__).parents[2]

_STARTS_WITHIN = 120
_STOPS_WITHIN = 30

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
# What a machine may lack that has no use here: a library for cameras.
logger:
  logs:
    homeassistant.components.camera.img_util: critical
media_source:
my:
recorder:
  commit_interval: 1
"""


class Home:
    """A Home Assistant on the loopback interface, its configuration in one folder.

    A new folder is prepared without a question; one that was used before goes on from
    where it was.
    """

    def __init__(
        self,
        config: Path,
        port: int,
        components: Path = REPOSITORY / "custom_components",
        configuration: str = "",
    ) -> None:
        """Take a folder, which need not exist, a free port, where custom components are, and YAML."""
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

    async def start(self, person: Person) -> None:
        """Start, and return when all is running and the person is signed in."""
        await asyncio.to_thread(self._prepare)
        self._process = await asyncio.create_subprocess_exec(
            os.environ.get("HASS") or Path(sys.executable).with_name("hass"),
            *("--config", self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C reaches whoever started us, who then tells Home Assistant to stop.
            start_new_session=True,
        )
        async with asyncio.timeout(_STARTS_WITHIN):
            await self._wait_for_answer(self._process)
            await (person.onboard() if self.is_new else person.sign_in())
            while (await person.get("/api/config"))["state"] != "RUNNING":
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Stop as a service manager would, patience included."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOPS_WITHIN)
        except TimeoutError:
            self._process.kill()

    async def wait(self) -> None:
        """Wait until Home Assistant ends by itself."""
        assert self._process is not None
        await self._process.wait()

    async def _wait_for_answer(self, process: Process) -> None:
        async with aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(self.url / "manifest.json") as response:
                        if response.ok:
                            return
                await asyncio.sleep(0.1)
        raise RuntimeError(f"Home Assistant ended at once; see {self._config}/home-assistant.log")

    def _prepare(self) -> None:
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
        # An address from YAML is on trial for five minutes; this one counts as confirmed.
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
            # These steps of the onboarding would add integrations that ask the internet.
            done = ["core_config", "analytics", "integration"]
            _store(storage / "onboarding", version=4, minor_version=1, data={"done": done})


def _store(path: Path, **content: object) -> None:
    path.write_text(json.dumps({"key": path.name, **content}))
