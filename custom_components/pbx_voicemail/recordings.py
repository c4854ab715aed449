"""Recordings of one PBX: fetched once, kept for a while, in a form that browsers play."""

import asyncio
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
import logging
from pathlib import Path
from typing import Final

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .audio import Sound, recognise, wav
from .cache import Cache
from .const import DOMAIN
from .coordinator import PbxCoordinator
from .failures import failure
from .pbx import Message
from .shared_work import SharedWork

_LOGGER = logging.getLogger(__name__)

MAX_CACHE_BYTES: Final = 64 * 1024 * 1024
_CONVERSION_SECONDS: Final = 60
_START_OF_FILE: Final = 4096


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio of a message, as a file that is there for now."""

    path: Path
    sound: Sound


class Recordings:
    """Gets recordings, each from the PBX once for all who want it."""

    def __init__(self, coordinator: PbxCoordinator) -> None:
        """Take what asks the PBX."""
        self.codecs: Counter[str] = Counter()
        """How many recordings of which codec the PBX has given out since the start."""
        self.unplayable = 0
        """How many of them no browser plays, and nothing was there to convert."""
        self.held: dict[str, str] = {}
        """The messages whose recordings may be here, and their extensions."""
        self._coordinator = coordinator
        self._hass = coordinator.hass
        self._cache = cache_of(coordinator.hass, coordinator.config_entry.entry_id)
        self._work = SharedWork[Recording](self._hass, coordinator.config_entry, "recording")

    async def begin(self) -> None:
        """See what is here from earlier, and drop what has no message any more."""
        names = await self._hass.async_add_executor_job(self._cache.names)
        self.held = self._coordinator.data.extensions_of(names)
        await self.drop(names - self.held.keys())

    async def fetch(self, message: Message) -> Recording:
        """Return a message's recording.

        Whoever gives up waiting takes it away from nobody else. Raises HomeAssistantError.
        """
        return await self._work.do(message.id, partial(self._fetch, message))

    async def drop(self, message_ids: AbstractSet[str]) -> None:
        """Delete the recordings of messages that are gone."""
        if message_ids:
            self.held = {
                message_id: extension
                for message_id, extension in self.held.items()
                if message_id not in message_ids
            }
            await self._hass.async_add_executor_job(self._cache.drop, message_ids)

    async def _fetch(self, message: Message) -> Recording:
        try:
            if recording := await self._hass.async_add_executor_job(self._find, message.id):
                return recording
            client = self._coordinator.client
            body = await self._coordinator.ask(partial(client.fetch_recording, message))
            sound, body = await self._made_playable(body)
            self.held[message.id] = message.extension
            path = await self._hass.async_add_executor_job(
                self._cache.store, message.id, sound.suffix, body
            )
        except OSError as err:
            detail = err.strerror or type(err).__name__
            raise failure(HomeAssistantError, "cannot_keep", detail=detail) from err
        return Recording(path, sound)

    def _find(self, message_id: str) -> Recording | None:
        if (path := self._cache.find(message_id)) is None:
            return None
        with path.open("rb") as file:
            return Recording(path, recognise(file.read(_START_OF_FILE)))

    async def _made_playable(self, body: bytes) -> tuple[Sound, bytes]:
        """Return a recording as it is or, if browsers refuse its codec, as plain WAV."""
        sound = recognise(body[:_START_OF_FILE])
        self.codecs[sound.codec] += 1
        if sound.is_playable:
            return sound, body
        if sound.is_wav and (converted := await _convert(self._hass, body, sound.rate)):
            return recognise(converted[:_START_OF_FILE]), converted
        self.unplayable += 1
        return sound, body


def cache_of(hass: HomeAssistant, entry_id: str) -> Cache:
    """Return where the recordings of a PBX are kept, which is in no backup."""
    return Cache(Path(hass.config.cache_path(DOMAIN, entry_id)), MAX_CACHE_BYTES)


async def _convert(hass: HomeAssistant, body: bytes, rate: int) -> bytes | None:
    """Return a WAV file of any codec as plain WAV, None where that cannot be done.

    Only WAV files are converted, and named as such: some formats have FFmpeg open files
    and addresses that they name.
    """
    arguments = [
        "-nostdin",
        "-loglevel",
        "error",
        "-f",
        "wav",
        "-i",
        "pipe:0",
        "-f",
        "s16le",
        "-ac",
        "1",
    ]
    try:
        process = await asyncio.create_subprocess_exec(
            get_ffmpeg_manager(hass).binary,
            *arguments,
            "-ar",
            str(rate),
            "pipe:1",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as err:
        _LOGGER.debug("FFmpeg cannot be run: %s", err.strerror)
        return None
    try:
        async with asyncio.timeout(_CONVERSION_SECONDS):
            samples, _ = await process.communicate(body)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return wav(samples, rate) if samples and process.returncode == 0 else None
