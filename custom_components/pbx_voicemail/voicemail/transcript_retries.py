"""Transcripts that were not there when their messages were announced: asked for again later."""

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

_FIRST_PAUSE: Final = 30
_LONGEST_PAUSE: Final = 60 * 60
_FAILURES_IN_A_ROW: Final = 2
"""After so many it is the engine that fails, not a message."""

_MOST_FAILURES: Final = 48
"""How often one message is tried while the engine is there: two days, at the longest pause."""

_HOPELESS: Final = frozenset({"codec_unreadable", "recording_unreadable", "message_gone"})
"""Errors that will be the same next time."""


@dataclass(slots=True)
class _Missed:
    """A message that still wants a transcript, and how often the engine has failed on it."""

    message: Message
    failures: int = 0


class Retries:
    """Messages that still want a transcript, oldest first.

    They are tried again with a growing pause, and at once when the engine comes up. `write`
    writes one of them down, and raises HomeAssistantError.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        engine: str | None,
        write: Callable[[Message], Awaitable[object]],
    ) -> None:
        """Take the engine, which need not be there yet. Without one, nothing is tried."""
        self._hass = hass
        self._entry = entry
        self._engine = engine
        self._write = write
        self._missed: dict[str, _Missed] = {}
        self._pause = _FIRST_PAUSE
        self._is_running = False
        self._timer: CALLBACK_TYPE | None = None

    @property
    def message_ids(self) -> tuple[str, ...]:
        """Which messages there are to try again, oldest first."""
        return tuple(self._missed)

    @callback
    def async_start(self, messages: Iterable[Message]) -> None:
        """Take up what an earlier run has left, and see when the engine comes up."""
        if self._engine is None:
            return
        self._missed = {message.id: _Missed(message) for message in messages}
        self._entry.async_on_unload(
            async_track_state_change_event(self._hass, [self._engine], self._follow)
        )
        self._entry.async_on_unload(self._stop)
        self._wait()

    @callback
    def add(self, message: Message) -> None:
        """Try a message again, after a pause."""
        self._missed.setdefault(message.id, _Missed(message))
        self._wait()

    @callback
    def discard(self, message_id: str) -> None:
        """Try a message no more: it is written down, or gone."""
        self._missed.pop(message_id, None)

    @callback
    def async_retry_now(self) -> None:
        """Try again now: the engine works."""
        self._pause = _FIRST_PAUSE
        self._start()

    @callback
    def _follow(self, change: Event[EventStateChangedData]) -> None:
        if _is_up(change.data["new_state"]) and not _is_up(change.data["old_state"]):
            self.async_retry_now()

    @callback
    def _wait(self) -> None:
        if self._missed and not self._is_running and not self._timer:
            self._timer = async_call_later(self._hass, self._pause, self._start)

    @callback
    def _stop(self) -> None:
        if self._timer:
            self._timer()
            self._timer = None

    @callback
    def _start(self, _now: datetime | None = None) -> None:
        self._stop()
        if self._missed and not self._is_running:
            self._is_running = True
            self._entry.async_create_background_task(
                self._hass, self._run(), f"{DOMAIN} transcript retries", eager_start=False
            )

    async def _run(self) -> None:
        try:
            engine = self._hass.states.get(self._engine) if self._engine else None
            if _is_up(engine) and await self._try_all():
                self._pause = _FIRST_PAUSE
            else:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        finally:
            self._is_running = False
        self._wait()

    async def _try_all(self) -> bool:
        """Try each message once, and tell whether the engine works."""
        in_a_row = 0
        for missed in tuple(self._missed.values()):
            if missed.message.id not in self._missed:
                continue
            try:
                await self._write(missed.message)
            except HomeAssistantError as err:
                missed.failures += 1
                if err.translation_key in _HOPELESS or missed.failures == _MOST_FAILURES:
                    self.discard(missed.message.id)
                in_a_row += 1
                if in_a_row == _FAILURES_IN_A_ROW:
                    break
            else:
                in_a_row = 0
        return not in_a_row


def _is_up(state: State | None) -> bool:
    return state is not None and state.state != STATE_UNAVAILABLE
