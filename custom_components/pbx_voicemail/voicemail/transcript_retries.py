"""Retries transcripts that were not ready when their messages were announced."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_call_later, async_track_state_change_event

from ..const import DOMAIN
from ..pbx import Message

_FIRST_DELAY: Final = 30
_MAX_DELAY: Final = 60 * 60
_MAX_FAILURES_IN_A_ROW: Final = 2
"""After so many failures in a row the engine is to blame, not the messages."""

_MAX_ATTEMPTS: Final = 48
"""How often one message is tried while the engine is available: two days with the longest delay."""

_PERMANENT_ERRORS: Final = frozenset({"codec_unreadable", "recording_unreadable", "message_gone"})
"""Translation keys of errors that another attempt would not change."""


@dataclass(slots=True)
class _Pending:
    """A message without a transcript, and how often transcribing it has failed."""

    message: Message
    failures: int = 0


class TranscriptRetries:
    """Transcribes messages with a growing delay between attempts, the oldest first.

    When the engine becomes available, there is no delay.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        engine: str | None,
        transcribe: Callable[[Message], Awaitable[object]],
    ) -> None:
        """Prepare to use an engine, which need not exist yet. Without one, nothing is tried.

        `transcribe` may raise HomeAssistantError.
        """
        self._hass = hass
        self._entry = entry
        self._engine = engine
        self._transcribe = transcribe
        self._pending: dict[str, _Pending] = {}
        self._delay = _FIRST_DELAY
        self._is_running = False
        self._cancel_timer: CALLBACK_TYPE | None = None

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The ids of the messages to transcribe, the oldest first."""
        return tuple(self._pending)

    @callback
    def async_start(self, messages: Iterable[Message]) -> None:
        """Continue with the messages of an earlier run, until the entry is unloaded."""
        if self._engine is None:
            return
        self._pending = {message.id: _Pending(message) for message in messages}
        self._entry.async_on_unload(
            async_track_state_change_event(self._hass, [self._engine], self._handle_engine_state)
        )
        self._entry.async_on_unload(self._stop_timer)
        self._schedule_run()

    @callback
    def async_add(self, message: Message) -> None:
        """Transcribe a message after a delay."""
        self._pending.setdefault(message.id, _Pending(message))
        self._schedule_run()

    @callback
    def async_discard(self, message_id: str) -> None:
        """Stop trying to transcribe a message."""
        self._pending.pop(message_id, None)

    @callback
    def async_retry_now(self) -> None:
        """Transcribe all messages without a delay."""
        self._delay = _FIRST_DELAY
        self._run()

    @callback
    def _handle_engine_state(self, event: Event[EventStateChangedData]) -> None:
        if _is_available(event.data["new_state"]) and not _is_available(event.data["old_state"]):
            self.async_retry_now()

    @callback
    def _schedule_run(self) -> None:
        if self._engine and self._pending and not self._is_running and not self._cancel_timer:
            self._cancel_timer = async_call_later(self._hass, self._delay, self._run)

    @callback
    def _stop_timer(self) -> None:
        if self._cancel_timer:
            self._cancel_timer()
            self._cancel_timer = None

    @callback
    def _run(self, _now: datetime | None = None) -> None:
        self._stop_timer()
        if self._pending and not self._is_running:
            self._is_running = True
            self._entry.async_create_background_task(
                self._hass, self._async_run(), f"{DOMAIN} transcript retries", eager_start=False
            )

    async def _async_run(self) -> None:
        try:
            engine = self._hass.states.get(self._engine) if self._engine else None
            if _is_available(engine) and await self._async_try_all():
                self._delay = _FIRST_DELAY
            else:
                self._delay = min(2 * self._delay, _MAX_DELAY)
        finally:
            self._is_running = False
        self._schedule_run()

    async def _async_try_all(self) -> bool:
        """Try each message once, and return whether the engine works."""
        failures_in_a_row = 0
        for pending in tuple(self._pending.values()):
            if pending.message.id not in self._pending:
                continue
            try:
                await self._transcribe(pending.message)
            except HomeAssistantError as err:
                self._count_failure(pending, err)
                failures_in_a_row += 1
                if failures_in_a_row == _MAX_FAILURES_IN_A_ROW:
                    break
            else:
                failures_in_a_row = 0
        return not failures_in_a_row

    def _count_failure(self, pending: _Pending, err: HomeAssistantError) -> None:
        pending.failures += 1
        if err.translation_key in _PERMANENT_ERRORS or pending.failures == _MAX_ATTEMPTS:
            self.async_discard(pending.message.id)


def _is_available(state: State | None) -> bool:
    return state is not None and state.state != STATE_UNAVAILABLE
