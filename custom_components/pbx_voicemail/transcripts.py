"""Transcripts of one PBX's messages: each written once, and kept as long as its message."""

import asyncio
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from functools import partial
import logging
from time import monotonic
from typing import Any, Final

from homeassistant.components import stt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
import voluptuous as vol

from .const import CONF_TRANSCRIBER, CONF_TRANSCRIPT_LANGUAGE, CONF_TRANSCRIPT_LIMIT, DOMAIN
from .coordinator import PbxCoordinator
from .failures import failure
from .message import MediaId
from .pbx import Message
from .recordings import Recordings
from .shared_work import SharedWork
from .transcription import write_down

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_TIDY_SECONDS: Final = 60
DEFAULT_LIMIT: Final = 20
"""For how many seconds an arrival waits for its transcript."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a message, and what wrote it down, in how many seconds."""

    text: str
    engine: str
    language: str
    seconds: float


_KEPT: Final = vol.Schema(
    {
        str: {
            vol.Required("text"): str,
            vol.Required("engine"): str,
            vol.Required("language"): str,
            vol.Required("seconds"): vol.Coerce(float),
        }
    }
)


class Transcripts:
    """Has messages written down, one after another so as not to choke a small machine."""

    def __init__(self, coordinator: PbxCoordinator, recordings: Recordings) -> None:
        """Take the PBX, and where its recordings come from."""
        options = coordinator.config_entry.options
        self.held: dict[str, str] = {}
        """The messages that have a transcript, and their extensions."""
        self.revisions: Counter[str] = Counter()
        """How often something was written down of which extension."""
        self._arrivals_engine: str | None = options.get(CONF_TRANSCRIBER)
        self._language: str | None = options.get(CONF_TRANSCRIPT_LANGUAGE)
        self._limit: float = options.get(CONF_TRANSCRIPT_LIMIT, DEFAULT_LIMIT)
        self._coordinator = coordinator
        self._hass = coordinator.hass
        self._recordings = recordings
        self._kept: dict[str, Transcript] = {}
        self._store = store_of(coordinator.hass, coordinator.config_entry.entry_id)
        self._turn = asyncio.Lock()
        self._work = SharedWork[Transcript](self._hass, coordinator.config_entry, "transcript")
        self._is_failing = False

    @property
    def precede_arrivals(self) -> bool:
        """Tell whether messages are written down before they are announced."""
        return self._arrivals_engine is not None

    async def begin(self) -> None:
        """Read what was written down earlier, and drop what has no message any more."""
        try:
            kept = _KEPT(await self._store.async_load() or {})
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning("The transcripts cannot be read (%s)", type(err).__name__)
            kept = {}
        self.held = self._coordinator.data.extensions_of(kept)
        self._kept = {message_id: Transcript(**kept[message_id]) for message_id in self.held}

    async def end(self) -> None:
        """Write down what is still to be written."""
        await self._store.async_save(self._content())

    def text_of(self, message: Message) -> str | None:
        """Return a message's transcript, None if it has none yet."""
        transcript = self._kept.get(message.id)
        return transcript.text if transcript else None

    async def write(
        self, message: Message, engine: str | None = None, language: str | None = None
    ) -> Transcript:
        """Return a message's transcript, which is there if nobody asks for another one.

        Without an engine it is the one in the options, else Home Assistant's own choice.
        Raises HomeAssistantError.
        """
        kept = self._kept.get(message.id)
        if kept and engine in (None, kept.engine) and language in (None, kept.language):
            return kept
        engine = engine or self._arrivals_engine or self._default_engine()
        language = language or self._language or self._hass.config.language
        return await self._work.do(
            f"{message.id} {engine} {language}", partial(self._write, message, engine, language)
        )

    async def write_in_time(self, message: Message, deadline: float) -> str | None:
        """Return the text of a message that has arrived, None if it is not there in time.

        `deadline` is one of `next_deadline`. What is late comes to be kept all the same.
        """
        if deadline <= self._hass.loop.time():
            return self.text_of(message)
        try:
            async with asyncio.timeout_at(deadline):
                text = (await self.write(message)).text
        except TimeoutError:
            return None
        except HomeAssistantError as err:
            if not self._is_failing:
                _LOGGER.warning("New messages go without transcript: %s", err)
            self._is_failing = True
            return None
        self._is_failing = False
        return text

    def next_deadline(self) -> float:
        """Return until when, by the loop's clock, messages of this moment wait for their text."""
        return self._hass.loop.time() + self._limit

    @callback
    def drop(self, message_ids: AbstractSet[str]) -> None:
        """Forget the transcripts of messages that are gone."""
        for message_id in message_ids & self.held.keys():
            del self.held[message_id], self._kept[message_id]
            self._store.async_delay_save(self._content, _TIDY_SECONDS)

    async def _write(self, message: Message, engine: str, language: str) -> Transcript:
        recording = await self._recordings.fetch(message)
        media_id = MediaId.of(self._coordinator.config_entry.entry_id, message).media_content_id
        async with self._turn:
            started = monotonic()
            text = await write_down(self._hass, recording, media_id, engine, language)
        transcript = Transcript(text, engine, language, round(monotonic() - started, 1))
        self._kept[message.id] = transcript
        self.held[message.id] = message.extension
        self.revisions[message.extension] += 1
        self._coordinator.async_update_listeners()
        await self.end()
        return transcript

    def _default_engine(self) -> str:
        engine = None
        if stt.DOMAIN in self._hass.config.components:
            engine = stt.async_default_engine(self._hass)
        if engine is None:
            raise failure(HomeAssistantError, "no_engine")
        return engine

    def _content(self) -> dict[str, Any]:
        return {message_id: asdict(kept) for message_id, kept in self._kept.items()}


def store_of(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where the transcripts of a PBX are kept."""
    return Store(hass, _VERSION, f"{DOMAIN}.{entry_id}.transcripts")
