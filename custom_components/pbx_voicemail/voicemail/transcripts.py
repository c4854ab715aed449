"""Transcripts of one PBX's messages: each written once, and kept as long as its message."""

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
from .speech_to_text import cleaned, write_down
from .transcript_retries import Retries

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_TIDY_SECONDS: Final = 10
_CONFIRMATION: Final = timedelta(minutes=1)
DEFAULT_LIMIT: Final = 20
"""For how many seconds an arrival waits for its transcript."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a message, and what wrote it down, in how many seconds."""

    text: str
    engine: str
    language: str
    seconds: float


_TEXT: Final = vol.Schema(
    {
        vol.Required("text"): vol.All(str, cleaned),
        vol.Required("engine"): str,
        vol.Required("language"): str,
        vol.Required("seconds"): vol.Coerce(float),
    }
)
_KEPT: Final = vol.Schema({str: vol.Any(None, _TEXT)})
"""By message id. None is a message that has been announced and still wants a transcript."""


class Transcripts:
    """Has messages written down, one after another so as not to choke a small machine.

    Messages that arrive have a queue of their own, so that they do not wait behind those
    that people ask for.
    """

    def __init__(self, source: MessageSource, recordings: Recordings) -> None:
        """Take the PBX, and where its recordings come from."""
        entry = source.config_entry
        self.extensions: dict[str, str] = {}
        """The messages that have a transcript or still want one, and their extensions."""
        self.revisions: Counter[str] = Counter()
        """How often something was written down of which extension."""
        self._arrivals_engine: str | None = entry.options.get(CONF_TRANSCRIBER)
        self._language: str | None = entry.options.get(CONF_TRANSCRIPT_LANGUAGE)
        self._limit: float = entry.options.get(CONF_TRANSCRIPT_LIMIT, DEFAULT_LIMIT)
        self._source = source
        self._hass = source.hass
        self._recordings = recordings
        self._kept: dict[str, Transcript] = {}
        self._store = store_of(source.hass, entry.entry_id)
        self._turn = asyncio.Lock()
        self._turn_of_arrivals = asyncio.Lock()
        self._work = SingleFlight[Transcript](self._hass, entry, "transcript")
        self._retries = Retries(self._hass, entry, self._arrivals_engine, self._write_missed)
        self._is_failing = False
        self._is_over = False

    @property
    def precede_arrivals(self) -> bool:
        """Tell whether messages are written down before they are announced."""
        return self._arrivals_engine is not None

    async def async_load(self) -> None:
        """Read what was written down earlier, and drop what has no message any more."""
        raw, loaded = await self._load()
        data, renamed = self._source.data, self._source.renamed
        stored = {renamed.get(message_id, message_id): kept for message_id, kept in loaded.items()}
        self.extensions = data.extensions_of(stored)
        if stored and not data.mailboxes:
            # The PBX may have lost them for a moment: a later answer will tell.
            self._kept = {
                message_id: Transcript(**kept) for message_id, kept in stored.items() if kept
            }
            self._confirm_later()
        else:
            self._kept = {
                message_id: Transcript(**kept)
                for message_id, kept in stored.items()
                if kept and message_id in self.extensions
            }
        missed = (
            data.mailbox(self.extensions[message_id]).find(message_id)
            for message_id in stored
            if message_id in self.extensions and message_id not in self._kept
        )
        self._retries.async_start(filter(None, missed))
        if self._content() != raw:
            await self._save()

    async def async_save(self) -> None:
        """Write down what is still to be written, and keep nothing from now on."""
        self._is_over = True
        await self._save()

    def text_of(self, message: Message) -> str | None:
        """Return a message's transcript, None if it has none yet."""
        transcript = self._kept.get(message.id)
        return transcript.text if transcript else None

    async def write(
        self,
        message: Message,
        engine: str | None = None,
        language: str | None = None,
        *,
        for_arrival: bool = False,
        may_keep: bool = True,
    ) -> Transcript:
        """Return a message's transcript, which is there if nobody asks for another one.

        Without an engine it is the one in the options, else Home Assistant's own choice.
        What that one writes is kept; what another does, only if nothing is yet and
        `may_keep` is set. Raises HomeAssistantError.
        """
        kept = self._kept.get(message.id)
        if kept and engine in (None, kept.engine) and language in (None, kept.language):
            return kept
        chosen = (
            self._arrivals_engine or self._default_engine(),
            self._language or self._hass.config.language,
        )
        asked = (engine or chosen[0], language or chosen[1])
        if (named := asked[0]) is None:
            raise translated_error(HomeAssistantError, "no_engine")
        task = _Task(message, named, asked[1], for_arrival, may_keep, asked == chosen)
        return await self._work.async_run(task.key, partial(self._write, task))

    async def write_in_time(self, message: Message, deadline: float) -> str | None:
        """Return the text of a message that has arrived, None if it is not there in time.

        `deadline` is one of `next_deadline`. What is late comes to be kept all the same, and
        what fails is tried again.
        """
        if deadline <= self._hass.loop.time():
            return self._text_or_retry(message)
        try:
            async with asyncio.timeout_at(deadline):
                text = (await self.write(message, for_arrival=True)).text
        except TimeoutError:
            return self._text_or_retry(message)
        except HomeAssistantError as err:
            if not self._is_failing:
                _LOGGER.warning("New messages go without transcript: %s", err)
            self._is_failing = True
            return self._text_or_retry(message)
        if self._is_failing:
            self._retries.async_retry_now()
        self._is_failing = False
        return text

    def next_deadline(self) -> float:
        """Return until when, by the loop's clock, messages of this moment wait for their text."""
        return self._hass.loop.time() + self._limit

    @callback
    def drop(self, message_ids: AbstractSet[str]) -> None:
        """Forget the transcripts of messages that are gone."""
        for message_id in message_ids & self.extensions.keys():
            del self.extensions[message_id]
            self._kept.pop(message_id, None)
            self._retries.discard(message_id)
            self._save_later()

    @callback
    def rename(self, renamed: Mapping[str, str]) -> None:
        """Follow messages that got other ids, old to new."""
        for old in renamed.keys() & self.extensions.keys():
            new = renamed[old]
            extension = self.extensions[new] = self.extensions.pop(old)
            if kept := self._kept.pop(old, None):
                self._kept[new] = kept
            elif message := self._source.data.mailbox(extension).find(new):
                self._retries.discard(old)
                self._retries.add(message)
            self._save_later()

    def _text_or_retry(self, message: Message) -> str | None:
        if (text := self.text_of(message)) is None and self._is_there(message):
            self.extensions[message.id] = message.extension
            self._retries.add(message)
            self._save_later()
        return text

    async def _write_missed(self, message: Message) -> Transcript:
        if not self._is_there(message):
            raise translated_error(HomeAssistantError, "message_gone")
        return await self.write(message)

    async def _write(self, task: _Task) -> Transcript:
        message, config_entry = task.message, self._source.config_entry
        media_id = MediaId.of(config_entry.entry_id, message).media_content_id
        # The audio is fetched in turn, too, so that only one is in memory.
        async with self._turn_of_arrivals if task.for_arrival else self._turn:
            kept = self._kept.get(message.id)
            if kept and (kept.engine, kept.language) == (task.engine, task.language):
                return kept
            with self._recordings.hold(message):
                recording = await self._recordings.async_get(message, for_arrival=task.for_arrival)
                started = monotonic()
                text = await write_down(self._hass, recording, media_id, task.engine, task.language)
        seconds = round(monotonic() - started, 1)
        transcript = Transcript(text, task.engine, task.language, seconds)
        if task.is_chosen or (task.may_keep and message.id not in self._kept):
            await self._keep(message, transcript)
        return transcript

    async def _keep(self, message: Message, transcript: Transcript) -> None:
        """Keep a transcript, unless its message has gone while it was written."""
        if self._is_over or not self._is_there(message):
            return
        self._kept[message.id] = transcript
        self.extensions[message.id] = message.extension
        self._retries.discard(message.id)
        self.revisions[message.extension] += 1
        self._source.async_update_listeners()
        await self._save()

    def _is_there(self, message: Message) -> bool:
        mailbox = self._source.data.mailbox(message.extension)
        return mailbox.find(message.id) is not None

    def _default_engine(self) -> str | None:
        if stt.DOMAIN in self._hass.config.components:
            return stt.async_default_engine(self._hass)
        return None

    def _confirm_later(self) -> None:
        """Drop, after the next good answer, what has no message in it either."""
        before = self._source.answered
        waiting = ExitStack()

        @callback
        def confirm(_now: datetime | None = None) -> None:
            if self._source.answered == before:
                return
            waiting.close()
            self.extensions |= self._source.data.extensions_of(self._kept)
            self._kept = {
                message_id: kept
                for message_id, kept in self._kept.items()
                if message_id in self.extensions
            }
            self._save_later()

        interval = self._source.update_interval or _CONFIRMATION
        waiting.callback(self._source.async_add_listener(confirm))
        # Nobody is told of an answer that is the same as the one before.
        waiting.callback(async_track_time_interval(self._hass, confirm, interval))
        self._source.config_entry.async_on_unload(waiting.close)

    async def _load(self) -> tuple[dict[str, Any], dict[str, dict[str, Any] | None]]:
        """Return what is stored, and what of it can be read."""
        raw: dict[str, Any] = {}
        try:
            raw = await self._store.async_load() or {}
            return raw, _KEPT(raw)
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning("The transcripts cannot be read (%s)", type(err).__name__)
            return raw, {}

    async def _save(self) -> None:
        await self._store.async_save(self._content())

    @callback
    def _save_later(self) -> None:
        if not self._is_over:
            self._store.async_delay_save(self._content, _TIDY_SECONDS)

    def _content(self) -> dict[str, Any]:
        return {
            **{message_id: asdict(kept) for message_id, kept in self._kept.items()},
            **dict.fromkeys(self._retries.message_ids),
        }


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be written down, by what, and for whom."""

    message: Message
    engine: str
    language: str
    for_arrival: bool
    may_keep: bool
    is_chosen: bool

    @property
    def key(self) -> str:
        """What tells it from other work."""
        return f"{self.message.id} {self.engine} {self.language} {self.for_arrival} {self.may_keep}"


def store_of(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where the transcripts of a PBX are kept, for Home Assistant's user alone."""
    return Store(hass, _VERSION, f"{DOMAIN}.{entry_id}.transcripts", private=True)
