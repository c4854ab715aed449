"""Transcripts of one PBX's messages: created once, and stored as long as the message exists."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Set as AbstractSet
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
import logging
from time import monotonic
from typing import Any, Final

from homeassistant.components import stt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
import voluptuous as vol

from ..const import CONF_TRANSCRIBER, CONF_TRANSCRIPT_LANGUAGE, CONF_TRANSCRIPT_LIMIT, DOMAIN
from ..errors import translated_error
from ..pbx import Message
from .data import MessageSource
from .media_id import MediaId
from .recordings import Recordings
from .single_flight import SingleFlight
from .speech_to_text import async_transcribe, clean_text
from .transcript_retries import TranscriptRetries

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_SAVE_DELAY: Final = 10
_DEFAULT_INTERVAL: Final = timedelta(minutes=1)
DEFAULT_LIMIT: Final = 20
"""How many seconds a new message waits for its transcript before it is announced."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of a message, and the engine that created it in how many seconds."""

    text: str
    engine: str
    language: str
    seconds: float


_TRANSCRIPT_SCHEMA: Final = vol.Schema(
    {
        vol.Required("text"): vol.All(str, clean_text),
        vol.Required("engine"): str,
        vol.Required("language"): str,
        vol.Required("seconds"): vol.Coerce(float),
    }
)
_STORAGE_SCHEMA: Final = vol.Schema({str: vol.Any(None, _TRANSCRIPT_SCHEMA)})
"""By message id. None is a message that was announced without a transcript and is retried."""


class Transcripts:
    """Transcribes messages, one at a time to spare small machines.

    New messages have a queue of their own, so that they do not wait for those that people
    request.
    """

    def __init__(self, source: MessageSource, recordings: Recordings) -> None:
        """Prepare to transcribe the recordings of the PBX that `source` polls."""
        entry = source.config_entry
        self.extensions: dict[str, str] = {}
        """The messages that have a transcript or are retried, and their extensions."""
        self.revisions: Counter[str] = Counter()
        """How many transcripts were created for each extension since the start."""
        self._arrivals_engine: str | None = entry.options.get(CONF_TRANSCRIBER)
        self._language: str | None = entry.options.get(CONF_TRANSCRIPT_LANGUAGE)
        self._limit: float = entry.options.get(CONF_TRANSCRIPT_LIMIT, DEFAULT_LIMIT)
        self._source = source
        self._hass = source.hass
        self._recordings = recordings
        self._transcripts: dict[str, Transcript] = {}
        self._store = transcript_store(source.hass, entry.entry_id)
        self._lock = asyncio.Lock()
        self._arrivals_lock = asyncio.Lock()
        self._tasks = SingleFlight[Transcript](self._hass, entry, "transcript")
        self._retries = TranscriptRetries(
            self._hass, entry, self._arrivals_engine, self._async_retry
        )
        self._is_failing = False
        self._is_unloaded = False

    @property
    def transcribes_arrivals(self) -> bool:
        """Whether new messages are transcribed before they are announced."""
        return self._arrivals_engine is not None

    async def async_load(self) -> None:
        """Load the transcripts of earlier runs, and delete those whose messages are gone."""
        raw, loaded = await self._async_load()
        data, renamed = self._source.data, self._source.renamed
        stored = {
            renamed.get(message_id, message_id): value for message_id, value in loaded.items()
        }
        self.extensions = data.extensions_of(stored)
        # A PBX can lose all messages for a moment, so an empty answer needs another one.
        is_doubtful = bool(stored) and (not data.mailboxes or bool(data.unreadable))
        self._transcripts = {
            message_id: Transcript(**value)
            for message_id, value in stored.items()
            if value and (is_doubtful or message_id in self.extensions)
        }
        if is_doubtful:
            self._delete_gone_later()
        pending = (
            data.mailbox(self.extensions[message_id]).find(message_id)
            for message_id in stored
            if message_id in self.extensions and message_id not in self._transcripts
        )
        self._retries.async_start(filter(None, pending))
        if self._data_to_save() != raw:
            await self._async_save()

    async def async_save(self) -> None:
        """Save all transcripts, and store none from now on."""
        self._is_unloaded = True
        await self._async_save()

    def text_of(self, message: Message) -> str | None:
        """Return the transcript of a message, None if there is none yet."""
        transcript = self._transcripts.get(message.id)
        return transcript.text if transcript else None

    async def async_transcribe(
        self,
        message: Message,
        engine: str | None = None,
        language: str | None = None,
        *,
        for_arrival: bool = False,
        may_store: bool = True,
    ) -> Transcript:
        """Return the transcript of a message, and create it if necessary.

        The default engine is the one in the options, else Home Assistant's preferred one. Its
        transcripts replace stored ones; those of another engine are only stored if there is
        none yet and with `may_store`. Raises HomeAssistantError.
        """
        stored = self._transcripts.get(message.id)
        if stored and engine in (None, stored.engine) and language in (None, stored.language):
            return stored
        default = (
            self._arrivals_engine or self._preferred_engine(),
            self._language or self._hass.config.language,
        )
        engine, language = engine or default[0], language or default[1]
        if engine is None:
            raise translated_error(HomeAssistantError, "no_engine")
        is_default = (engine, language) == default
        request = _Request(message, engine, language, for_arrival, may_store, is_default)
        return await self._tasks.async_run(request.key, partial(self._async_run, request))

    async def async_transcribe_by(self, message: Message, deadline: float) -> str | None:
        """Return the transcript of a new message, None if it is not ready by a deadline.

        `deadline` comes from `next_deadline`. A transcript that is late is stored all the same,
        and one that fails is retried.
        """
        if deadline <= self._hass.loop.time():
            return self._text_or_retry(message)
        try:
            async with asyncio.timeout_at(deadline):
                text = (await self.async_transcribe(message, for_arrival=True)).text
        except TimeoutError:
            return self._text_or_retry(message)
        except HomeAssistantError as err:
            if not self._is_failing:
                _LOGGER.warning("New messages are announced without a transcript: %s", err)
            self._is_failing = True
            return self._text_or_retry(message)
        if self._is_failing:
            self._retries.async_retry_now()
        self._is_failing = False
        return text

    def next_deadline(self) -> float:
        """Return until when a message that is new now waits for its transcript, in loop time."""
        return self._hass.loop.time() + self._limit

    @callback
    def async_delete(self, message_ids: AbstractSet[str]) -> None:
        """Delete the transcripts of messages that are gone."""
        for message_id in message_ids & self.extensions.keys():
            del self.extensions[message_id]
            self._transcripts.pop(message_id, None)
            self._retries.async_discard(message_id)
            self._schedule_save()

    @callback
    def async_rename(self, renamed: Mapping[str, str]) -> None:
        """Replace the ids of messages that have new ones, old id to new."""
        for old in renamed.keys() & self.extensions.keys():
            new = renamed[old]
            extension = self.extensions[new] = self.extensions.pop(old)
            if transcript := self._transcripts.pop(old, None):
                self._transcripts[new] = transcript
            elif message := self._source.data.mailbox(extension).find(new):
                self._retries.async_discard(old)
                self._retries.async_add(message)
            self._schedule_save()

    def _text_or_retry(self, message: Message) -> str | None:
        if (text := self.text_of(message)) is None and self._exists(message):
            self.extensions[message.id] = message.extension
            self._retries.async_add(message)
            self._schedule_save()
        return text

    async def _async_retry(self, message: Message) -> Transcript:
        if not self._exists(message):
            raise translated_error(HomeAssistantError, "message_gone")
        return await self.async_transcribe(message)

    async def _async_run(self, request: _Request) -> Transcript:
        message = request.message
        # Downloads wait for the lock, too, so that only one recording is in memory.
        async with self._arrivals_lock if request.for_arrival else self._lock:
            stored = self._transcripts.get(message.id)
            if stored and (stored.engine, stored.language) == (request.engine, request.language):
                return stored
            transcript = await self._async_create(request)
        if request.is_default or (request.may_store and message.id not in self._transcripts):
            await self._async_store(message, transcript)
        return transcript

    async def _async_create(self, request: _Request) -> Transcript:
        message, engine, language = request.message, request.engine, request.language
        entry_id = self._source.config_entry.entry_id
        media_id = MediaId.from_message(entry_id, message).media_content_id
        with self._recordings.keep_cached(message):
            recording = await self._recordings.async_get(message, for_arrival=request.for_arrival)
            started = monotonic()
            text = await async_transcribe(self._hass, recording, media_id, engine, language)
        return Transcript(text, engine, language, round(monotonic() - started, 1))

    async def _async_store(self, message: Message, transcript: Transcript) -> None:
        """Store a transcript, unless its message is gone by now."""
        if self._is_unloaded or not self._exists(message):
            return
        self._transcripts[message.id] = transcript
        self.extensions[message.id] = message.extension
        self._retries.async_discard(message.id)
        self.revisions[message.extension] += 1
        self._source.async_update_listeners()
        await self._async_save()

    def _exists(self, message: Message) -> bool:
        mailbox = self._source.data.mailbox(message.extension)
        return mailbox.find(message.id) is not None

    def _preferred_engine(self) -> str | None:
        if stt.DOMAIN in self._hass.config.components:
            return stt.async_default_engine(self._hass)
        return None

    def _delete_gone_later(self) -> None:
        """Delete transcripts whose messages are not in the next complete poll either."""
        last_success = self._source.last_update_success_time
        stack = ExitStack()

        @callback
        def delete_gone(_now: datetime | None = None) -> None:
            if (
                self._source.last_update_success_time == last_success
                or self._source.data.unreadable
            ):
                return
            stack.close()
            self.extensions |= self._source.data.extensions_of(self._transcripts)
            self._transcripts = {
                message_id: transcript
                for message_id, transcript in self._transcripts.items()
                if message_id in self.extensions
            }
            self._schedule_save()

        interval = self._source.update_interval or _DEFAULT_INTERVAL
        stack.callback(self._source.async_add_listener(delete_gone))
        # Listeners are not called when a poll finds the same data as the one before.
        stack.callback(async_track_time_interval(self._hass, delete_gone, interval))
        self._source.config_entry.async_on_unload(stack.close)

    async def _async_load(self) -> tuple[dict[str, Any], dict[str, dict[str, Any] | None]]:
        """Return the stored data as it is, and validated: empty if it is damaged."""
        raw: dict[str, Any] = {}
        try:
            raw = await self._store.async_load() or {}
            return raw, _STORAGE_SCHEMA(raw)
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning("The transcripts cannot be read (%s)", type(err).__name__)
            return raw, {}

    async def _async_save(self) -> None:
        await self._store.async_save(self._data_to_save())

    @callback
    def _schedule_save(self) -> None:
        if not self._is_unloaded:
            self._store.async_delay_save(self._data_to_save, _SAVE_DELAY)

    def _data_to_save(self) -> dict[str, Any]:
        return {
            **{message_id: asdict(value) for message_id, value in self._transcripts.items()},
            **dict.fromkeys(self._retries.message_ids),
        }


@dataclass(frozen=True, slots=True)
class _Request:
    """A request for a transcript. `is_default` is whether it is for the default engine."""

    message: Message
    engine: str
    language: str
    for_arrival: bool
    may_store: bool
    is_default: bool

    @property
    def key(self) -> str:
        """The same for requests that can share a result."""
        return (
            f"{self.message.id} {self.engine} {self.language} {self.for_arrival} {self.may_store}"
        )


def transcript_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the store of a PBX's transcripts, which only Home Assistant's user can read."""
    return Store(hass, _VERSION, f"{DOMAIN}.{entry_id}.transcripts", private=True)
