"""The events by which a P-Series reports calls, among them those that left a message."""

from collections.abc import Callable, Mapping
import re
from time import monotonic
from typing import Final

import orjson

from ..errors import PbxTimeoutError
from ..http import WebSocket
from ..json_values import Json, as_text
from .mailboxes import Mailboxes
from .reply import decode
from .session import Session

_CALL_ENDED: Final = 30012
"""The event of a call that has ended ("Call End Details"). There is none for messages."""

_SUBSCRIPTION: Final = f'{{"topic_list":[{_CALL_ENDED}]}}'
_VOICEMAIL: Final = "VOICEMAIL"

_HEARTBEAT: Final = "heartbeat"
_HEARTBEAT_SECONDS: Final = 25
"""The PBX closes a connection after 60 seconds without one ("Monitor Events via WebSocket")."""

_SILENCE_SECONDS: Final = 60
"""A PBX that has answered no heartbeat for so long is gone."""

_REPLY_SECONDS: Final = 30
"""How long a PBX may take to agree to report events."""

_SECOND_LOOK_SECONDS: Final = 3
"""When to look again: the call may have ended before its message was stored."""

_IN_BRACKETS: Final = re.compile(r"[<(]([^<>()]{1,64})[)>]\s*\Z")


class Events:
    """Waits for events on a WebSocket.

    Nothing is reported of messages that are heard, moved or deleted.
    """

    def __init__(self, session: Session, mailboxes: Mailboxes) -> None:
        """Take the session, and the mailboxes that events are about."""
        self.is_listening = False
        """Whether events are being waited for."""
        self._session = session
        self._mailboxes = mailboxes

    async def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever there may be a new message. Ends only with a PbxError.

        A connection lives no longer than its token, so each new token has one of its own.
        """
        try:
            while True:
                async with self._session.websocket("subscribe") as socket:
                    await _subscribe(socket)
                    self.is_listening = True
                    # What happened before was missed.
                    self._mailboxes.mark_all_changed()
                    changed()
                    await self._wait(socket, changed, self._session.logins)
        finally:
            self.is_listening = False

    async def _wait(self, socket: WebSocket, changed: Callable[[], None], login: int) -> None:
        """Wait for events for as long as the token of a login lasts."""
        heard = monotonic()
        next_heartbeat = heard + _HEARTBEAT_SECONDS
        pending: dict[str, float] = {}
        while self._session.logins == login and (left := self._session.seconds_left) > 0:
            now = monotonic()
            if now - heard > _SILENCE_SECONDS:
                raise PbxTimeoutError("the PBX does not answer heartbeats")
            if now >= next_heartbeat:
                await socket.send(_HEARTBEAT)
                next_heartbeat = now + _HEARTBEAT_SECONDS
            for number in [n for n, due in pending.items() if due <= now]:
                del pending[number]
                self._report(number, changed)
            due_in = [due - now for due in (next_heartbeat, *pending.values())]
            text = await socket.receive(min(left, *due_in))
            if text is None:
                continue
            heard = monotonic()
            if number := _read_number(text):
                pending[number] = heard + _SECOND_LOOK_SECONDS
                self._report(number, changed)

    def _report(self, number: str, changed: Callable[[], None]) -> None:
        self._mailboxes.mark_changed(number)
        changed()


async def _subscribe(socket: WebSocket) -> None:
    """Ask for events. Raises PbxError unless the PBX agrees."""
    await socket.send(_SUBSCRIPTION)
    deadline = monotonic() + _REPLY_SECONDS
    while (left := deadline - monotonic()) > 0:
        text = await socket.receive(left)
        if text and '"errcode"' in text:
            decode(text.encode())
            return
    raise PbxTimeoutError("the PBX does not answer the request for events")


def _read_number(text: str) -> str:
    """Return the number that a message was left for, empty if the event is about anything else.

    What an event says is text in some versions of the firmware, and an object in others.
    """
    if f"{_CALL_ENDED}" not in text or _VOICEMAIL not in text.upper():
        return ""
    event = _as_object(text)
    call = _as_object(event.get("msg"))
    if as_text(event.get("type")) != str(_CALL_ENDED):
        return ""
    if as_text(call.get("status")).upper() != _VOICEMAIL:
        return ""
    called = as_text(call.get("call_to"))
    match = _IN_BRACKETS.search(called)
    return match[1] if match else called or "?"


def _as_object(value: Json) -> Mapping[str, Json]:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}
