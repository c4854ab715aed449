"""Recordings of one PBX: fetched once, kept for a while, in a form that browsers play."""

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN
from ..errors import translated_error
from ..pbx import Message, PbxGoneError
from .data import MessageSource
from .file_cache import FileCache
from .single_flight import SingleFlight
from .wav import Sound, mended, recognise, wav

_LOGGER = logging.getLogger(__name__)

MAX_CACHE_BYTES: Final = 64 * 1024 * 1024
_FETCHES_AT_ONCE: Final = 2
_CONVERSION_SECONDS: Final = 60
_CONVERTED_RATES: Final = (8_000, 16_000)
_CONVERTED_BYTES: Final = 60 * 60 * 8_000 * 2
"""No conversion may become longer than this: an hour of telephone audio, or half of wideband."""
_START_OF_FILE: Final = 4096
_PIPE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio of a message, as a file that is there for now."""

    path: Path
    sound: Sound


class Recordings:
    """Gets recordings, each from the PBX once for all who want it, and few at a time."""

    def __init__(self, source: MessageSource) -> None:
        """Take what asks the PBX."""
        self.codecs: Counter[str] = Counter()
        """How many recordings of which codec the PBX has given out since the start."""
        self.unplayable = 0
        """How many of them no browser plays, and nothing was there to convert."""
        self.extensions: dict[str, str] = {}
        """The messages whose recordings may be here, and their extensions."""
        self._in_use: Counter[str] = Counter()
        self._source = source
        self._hass = source.hass
        self._cache = cache_of(source.hass, source.config_entry.entry_id, self._in_use)
        self._work = SingleFlight[Recording](self._hass, source.config_entry, "recording")
        # Each may take 32 MiB and an FFmpeg. Arrivals must not wait behind what people ask for.
        self._turn = asyncio.Semaphore(_FETCHES_AT_ONCE)
        self._turn_of_arrivals = asyncio.Semaphore(1)

    async def async_load(self) -> None:
        """See what is here from earlier, and drop what has no message any more."""
        await self.rename(self._source.renamed)
        try:
            names = await self._hass.async_add_executor_job(self._cache.names)
        except OSError as err:
            _LOGGER.warning("Recordings cannot be kept: %s", _reason(err))
            return
        self.extensions = self._source.data.extensions_of(names)
        await self.drop(names - self.extensions.keys())

    @contextmanager
    def hold(self, message: Message) -> Iterator[None]:
        """Keep a message's recording from making room for others while it is being read."""
        self._in_use[message.id] += 1
        try:
            yield
        finally:
            self._in_use[message.id] -= 1
            if not self._in_use[message.id]:
                del self._in_use[message.id]
            if self._cache.is_over:
                self._hass.async_add_executor_job(self._cache.tidy)

    async def async_get(self, message: Message, *, for_arrival: bool = False) -> Recording:
        """Return a message's recording.

        Whoever gives up waiting takes it away from nobody else. Raises HomeAssistantError.
        """
        turn = self._turn_of_arrivals if for_arrival else self._turn
        return await self._work.async_run(
            f"{message.id} {for_arrival}", partial(self._fetch, message, turn)
        )

    async def drop(self, message_ids: AbstractSet[str]) -> None:
        """Delete the recordings of messages that are gone."""
        if message_ids:
            self.extensions = {
                message_id: extension
                for message_id, extension in self.extensions.items()
                if message_id not in message_ids
            }
            try:
                await self._hass.async_add_executor_job(self._cache.drop, message_ids)
            except OSError as err:
                _LOGGER.warning("Recordings cannot be deleted: %s", _reason(err))

    async def rename(self, renamed: Mapping[str, str]) -> None:
        """Follow messages that got other ids, old to new."""
        if renamed:
            self.extensions = {
                renamed.get(one, one): extension for one, extension in self.extensions.items()
            }
            try:
                await self._hass.async_add_executor_job(self._cache.rename, renamed)
            except OSError as err:
                _LOGGER.warning("Recordings cannot be renamed: %s", _reason(err))

    async def _fetch(self, message: Message, turn: asyncio.Semaphore) -> Recording:
        if recording := await self._hass.async_add_executor_job(self._find, message.id):
            return recording
        async with turn:
            # Another queue may have brought it meanwhile.
            if recording := await self._hass.async_add_executor_job(self._find, message.id):
                return recording
            body = await self._source.async_get_recording(message)
            sound, body = await self._made_playable(body)
            # Before it is there, so that nothing is left if its message goes right now.
            self.extensions[message.id] = message.extension
            try:
                path = await self._to_the_end(
                    partial(self._cache.store, message.id, sound.suffix, body)
                )
            except OSError as err:
                self.extensions.pop(message.id, None)
                raise translated_error(
                    HomeAssistantError, "cannot_keep", detail=_reason(err)
                ) from err
            if message.id not in self.extensions or not self._is_there(message):
                await self.drop({message.id})
                raise translated_error(HomeAssistantError, "message_gone") from PbxGoneError(
                    "the message was deleted while its recording was fetched"
                )
            return Recording(path, sound)

    def _is_there(self, message: Message) -> bool:
        mailbox = self._source.data.mailbox(message.extension)
        return mailbox.find(message.id) is not None

    async def _to_the_end[ResultT](self, work: Callable[[], ResultT]) -> ResultT:
        """Do work in a thread, and even when cancelled wait for it: a thread goes on."""
        job = self._hass.async_add_executor_job(work)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])
            raise

    def _find(self, message_id: str) -> Recording | None:
        try:
            if (path := self._cache.find(message_id)) is None:
                return None
            with path.open("rb") as file:
                return Recording(path, recognise(file.read(_START_OF_FILE)))
        except OSError:
            return None

    async def _made_playable(self, body: bytes) -> tuple[Sound, bytes]:
        """Return a recording as it is or, if browsers refuse its codec, as plain WAV."""
        sound = recognise(body)
        self.codecs[sound.codec] += 1
        if sound.is_wav:
            body = await self._hass.async_add_executor_job(mended, body)
        if sound.is_playable:
            return sound, body
        if sound.is_wav and (converted := await _convert(self._hass, body, sound.rate)):
            return recognise(converted[:_START_OF_FILE]), converted
        self.unplayable += 1
        return sound, body


def cache_of(hass: HomeAssistant, entry_id: str, in_use: Container[str] = ()) -> FileCache:
    """Return where the recordings of a PBX are kept, which is in no backup."""
    return FileCache(Path(hass.config.cache_path(DOMAIN, entry_id)), MAX_CACHE_BYTES, in_use)


async def _convert(hass: HomeAssistant, body: bytes, rate: int) -> bytes | None:
    """Return a WAV file of any codec as plain WAV, None where that cannot be done.

    Only WAV files are converted, and named as such: some formats have FFmpeg open files
    and addresses that they name. What a header says has no say in how much comes out.
    """
    rate = next((offered for offered in _CONVERTED_RATES if offered >= rate), _CONVERTED_RATES[-1])
    seconds = _CONVERTED_BYTES // (rate * 2)
    try:
        process = await asyncio.create_subprocess_exec(
            get_ffmpeg_manager(hass).binary,
            *("-nostdin", "-loglevel", "error"),
            *("-f", "wav", "-i", "pipe:0"),
            # A second more than there may be, by which it shows that there is too much.
            *("-f", "s16le", "-ac", "1", "-ar", str(rate), "-t", str(seconds + 1), "pipe:1"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as err:
        _LOGGER.debug("FFmpeg cannot be run: %s", err.strerror)
        return None
    try:
        async with asyncio.timeout(_CONVERSION_SECONDS):
            samples = await _piped(process, body, _CONVERTED_BYTES)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return wav(samples, rate) if samples and process.returncode == 0 else None


async def _piped(
    process: asyncio.subprocess.Process, body: bytes, max_bytes: int
) -> bytearray | None:
    """Return what a program makes of a file, None if it is more than so many bytes."""
    if TYPE_CHECKING:
        assert process.stdin
        assert process.stdout
    made = bytearray()
    feeding = asyncio.ensure_future(_feed(process.stdin, body))
    try:
        while piece := await process.stdout.read(_PIPE_BYTES):
            made += piece
            if len(made) > max_bytes:
                return None
        await process.wait()
    finally:
        feeding.cancel()
    return made


async def _feed(stdin: asyncio.StreamWriter, body: bytes) -> None:
    # The program may have seen enough before the end.
    with suppress(ConnectionError):
        for begin in range(0, len(body), _PIPE_BYTES):
            stdin.write(body[begin : begin + _PIPE_BYTES])
            await stdin.drain()
        stdin.close()


def _reason(err: OSError) -> str:
    return err.strerror or type(err).__name__
