"""Recordings of one PBX: downloaded once, cached, and converted where browsers need it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Set as AbstractSet
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
from .wav import AudioFormat, detect_format, encode_wav, repair_data_size

_LOGGER = logging.getLogger(__name__)

MAX_CACHE_BYTES: Final = 64 * 1024 * 1024
_CONCURRENT_DOWNLOADS: Final = 2
_CONVERSION_TIMEOUT: Final = 60
_CONVERTED_SAMPLE_RATES: Final = (8_000, 16_000)
_MAX_CONVERTED_BYTES: Final = 60 * 60 * 8_000 * 2
"""The largest result of a conversion: an hour of telephone audio, or half an hour of wideband."""
_HEADER_BYTES: Final = 4096
_PIPE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio of a message, in a file that the cache may evict."""

    path: Path
    format: AudioFormat


class Recordings:
    """Provides recordings. Each is downloaded once for all who request it, and few at a time."""

    def __init__(
        self, source: MessageSource, download: Callable[[Message], Awaitable[bytes]]
    ) -> None:
        """Prepare to download from the PBX that `source` polls.

        `download` returns the audio of a message, or raises HomeAssistantError.
        """
        self.codecs: Counter[str] = Counter()
        """The codecs of the recordings downloaded since the start, and how many had each."""
        self.unplayable = 0
        """How many of them browsers cannot play, and could not be converted."""
        self.extensions: dict[str, str] = {}
        """The messages that may have a cached recording, and their extensions."""
        self._in_use: Counter[str] = Counter()
        self._source = source
        self._download_from_pbx = download
        self._hass = source.hass
        self._cache = recording_cache(source.hass, source.config_entry.entry_id, self._in_use)
        self._downloads = SingleFlight[Recording](self._hass, source.config_entry, "recording")
        # Each download may take 32 MiB and an FFmpeg process. New messages have a semaphore of
        # their own, so that they do not wait for what people request.
        self._semaphore = asyncio.Semaphore(_CONCURRENT_DOWNLOADS)
        self._arrivals_semaphore = asyncio.Semaphore(1)

    async def async_load(self) -> None:
        """Find the recordings of earlier runs, and delete those whose messages are gone."""
        await self.async_rename(self._source.renamed)
        try:
            names = await self._hass.async_add_executor_job(self._cache.names)
        except OSError as err:
            _LOGGER.warning("Recordings cannot be kept: %s", _error_detail(err))
            return
        self.extensions = self._source.data.extensions_of(names)
        await self.async_delete(names - self.extensions.keys())

    @contextmanager
    def keep_cached(self, message: Message) -> Iterator[None]:
        """Prevent the eviction of a message's recording while it is being read."""
        self._in_use[message.id] += 1
        try:
            yield
        finally:
            self._in_use[message.id] -= 1
            if not self._in_use[message.id]:
                del self._in_use[message.id]
            if self._cache.is_over_limit:
                self._hass.async_add_executor_job(self._cache.evict)

    async def async_get(self, message: Message, *, for_arrival: bool = False) -> Recording:
        """Return the recording of a message. Raises HomeAssistantError.

        `for_arrival` is for a message that has not been announced yet. Cancelling this does
        not affect others who wait for the same recording.
        """
        semaphore = self._arrivals_semaphore if for_arrival else self._semaphore
        return await self._downloads.async_run(
            f"{message.id} {for_arrival}", partial(self._get, message, semaphore)
        )

    async def async_delete(self, message_ids: AbstractSet[str]) -> None:
        """Delete the recordings of messages that are gone. A failure is only logged."""
        if message_ids:
            self.extensions = {
                message_id: extension
                for message_id, extension in self.extensions.items()
                if message_id not in message_ids
            }
            try:
                await self._hass.async_add_executor_job(self._cache.delete, message_ids)
            except OSError as err:
                _LOGGER.warning("Recordings cannot be deleted: %s", _error_detail(err))

    async def async_rename(self, renamed: Mapping[str, str]) -> None:
        """Rename recordings whose messages have new ids, old id to new."""
        if renamed:
            self.extensions = {
                renamed.get(message_id, message_id): extension
                for message_id, extension in self.extensions.items()
            }
            try:
                await self._hass.async_add_executor_job(self._cache.rename, renamed)
            except OSError as err:
                _LOGGER.warning("Recordings cannot be renamed: %s", _error_detail(err))

    async def _get(self, message: Message, semaphore: asyncio.Semaphore) -> Recording:
        if recording := await self._hass.async_add_executor_job(self._find, message.id):
            return recording
        async with semaphore:
            # The other semaphore may have let the same download through meanwhile.
            if recording := await self._hass.async_add_executor_job(self._find, message.id):
                return recording
            return await self._download(message)

    async def _download(self, message: Message) -> Recording:
        body = await self._download_from_pbx(message)
        audio_format, body = await self._make_playable(body)
        # Set first, so that the file is deleted even if the message goes while it is written.
        self.extensions[message.id] = message.extension
        try:
            path = await self._run_to_completion(
                partial(self._cache.store, message.id, audio_format.suffix, body)
            )
        except OSError as err:
            self.extensions.pop(message.id, None)
            raise translated_error(
                HomeAssistantError, "cannot_keep", detail=_error_detail(err)
            ) from err
        if message.id not in self.extensions or not self._exists(message):
            await self.async_delete({message.id})
            raise translated_error(HomeAssistantError, "message_gone") from PbxGoneError(
                "the message was deleted while its recording was downloaded"
            )
        return Recording(path, audio_format)

    def _exists(self, message: Message) -> bool:
        mailbox = self._source.data.mailbox(message.extension)
        return mailbox.find(message.id) is not None

    async def _run_to_completion[ResultT](self, work: Callable[[], ResultT]) -> ResultT:
        """Run work in a thread and wait for it, even when cancelled: threads cannot be stopped."""
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
                return Recording(path, detect_format(file.read(_HEADER_BYTES)))
        except OSError:
            return None

    async def _make_playable(self, body: bytes) -> tuple[AudioFormat, bytes]:
        """Return a recording unchanged or, if browsers cannot play it, converted to PCM."""
        audio_format = detect_format(body)
        self.codecs[audio_format.codec] += 1
        if audio_format.is_wav:
            body = await self._hass.async_add_executor_job(repair_data_size, body)
        if audio_format.is_playable:
            return audio_format, body
        if audio_format.is_wav and (
            converted := await _convert(self._hass, body, audio_format.sample_rate)
        ):
            return detect_format(converted[:_HEADER_BYTES]), converted
        self.unplayable += 1
        return audio_format, body


def recording_cache(hass: HomeAssistant, entry_id: str, in_use: Container[str] = ()) -> FileCache:
    """Return the cache of a PBX's recordings. Home Assistant does not back it up."""
    return FileCache(Path(hass.config.cache_path(DOMAIN, entry_id)), MAX_CACHE_BYTES, in_use)


async def _convert(hass: HomeAssistant, body: bytes, sample_rate: int) -> bytes | None:
    """Return a WAV file of any codec as PCM, None if that is not possible.

    Only WAV files are converted, and FFmpeg is told that they are: some formats make it open
    other files and URLs. The size of the result is limited, whatever the header says.
    """
    rates = (rate for rate in _CONVERTED_SAMPLE_RATES if rate >= sample_rate)
    sample_rate = next(rates, _CONVERTED_SAMPLE_RATES[-1])
    seconds = _MAX_CONVERTED_BYTES // (sample_rate * 2)
    try:
        process = await asyncio.create_subprocess_exec(
            get_ffmpeg_manager(hass).binary,
            *("-nostdin", "-loglevel", "error"),
            *("-f", "wav", "-i", "pipe:0"),
            # One second more than allowed, so that audio that is too long can be detected.
            *("-f", "s16le", "-ac", "1", "-ar", str(sample_rate), "-t", str(seconds + 1)),
            "pipe:1",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as err:
        _LOGGER.debug("FFmpeg cannot be run: %s", err.strerror)
        return None
    try:
        async with asyncio.timeout(_CONVERSION_TIMEOUT):
            samples = await _communicate(process, body, _MAX_CONVERTED_BYTES)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return encode_wav(samples, sample_rate) if samples and process.returncode == 0 else None


async def _communicate(
    process: asyncio.subprocess.Process, body: bytes, max_bytes: int
) -> bytearray | None:
    """Return the output of a process, None if it exceeds the limit."""
    if TYPE_CHECKING:
        assert process.stdin
        assert process.stdout
    output = bytearray()
    writer = asyncio.ensure_future(_write_input(process.stdin, body))
    try:
        while data := await process.stdout.read(_PIPE_BYTES):
            output += data
            if len(output) > max_bytes:
                return None
        await process.wait()
    finally:
        writer.cancel()
    return output


async def _write_input(stdin: asyncio.StreamWriter, body: bytes) -> None:
    # The process may stop reading before the end.
    with suppress(ConnectionError):
        for start in range(0, len(body), _PIPE_BYTES):
            stdin.write(body[start : start + _PIPE_BYTES])
            await stdin.drain()
        stdin.close()


def _error_detail(err: OSError) -> str:
    return err.strerror or type(err).__name__
