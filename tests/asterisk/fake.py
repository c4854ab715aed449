"""Answers as a real Asterisk gave them, for what no Asterisk can be made to do.

It knows nothing of its own: replies are the recorded bytes of Asterisk 22.10.1, or what a test makes of
them.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
import ssl
from typing import override

from aiohttp import web

from ..loopback import LoopbackServer

_RECORDED = Path(__file__).parents[1] / "fixtures" / "asterisk-replies"
_SERVER = "Asterisk/22.10.1+dfsg+~cs6.17.60671434-1"
_COOKIE = "dbf5c3ce"


def recorded(name: str) -> bytes:
    """Return the body of a recorded reply, without its HTTP headers."""
    _, _, body = (_RECORDED / f"{name}.txt").read_bytes().partition(b"\n\n")
    return body


DENIED = recorded("not-permitted")
UNKNOWN = recorded("unknown-action")
LIST = recorded("VoicemailUsersList")
"""Mailboxes 101, 102 and 0103, all empty."""

SUMMARY = recorded("VoicemailBoxSummary")
"""Four new messages."""

SUMMARY_WITH_OLD = recorded("VoicemailBoxSummary-with-Old")
"""Three of them, one of which was heard."""

EMPTY_SUMMARY = recorded("VoicemailBoxSummary-empty")
EVENTS = recorded("WaitEvent")
NO_EVENTS = (
    b"Response: Success\r\nMessage: Waiting for Event completed.\r\n\r\n"
    b"Event: WaitEventComplete\r\n\r\n"
)
CHALLENGE = b"Response: Success\r\nChallenge: 341905671\r\n\r\n"


def list_of(counts: Mapping[str, tuple[int, int]]) -> bytes:
    """Return the list of mailboxes with other counts of new and old messages."""
    blocks = LIST.split(b"\r\n\r\n")
    for number, (new, old) in counts.items():
        name = f"\r\nVoiceMailbox: {number}\r\n".encode()
        index = next(index for index, block in enumerate(blocks) if name in block)
        for kind, count in ((b"New", new), (b"Old", old)):
            blocks[index] = blocks[index].replace(
                b"%bMessageCount: 0" % kind, b"%bMessageCount: %d" % (kind, count)
            )
    return b"\r\n\r\n".join(blocks)


class Fake(LoopbackServer):
    """A web server that answers each action with its reply, or the next one of several.

    A test may change `replies`, the `seconds` that an action takes, the HTTP `status`, and the
    `server` that it says it is. `actions` are those that were asked for, and `sent` is all that came.
    """

    shutdown_seconds = 0.1

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Answer as the recorded Asterisk did."""
        self.replies: dict[str, bytes | list[bytes]] = {
            "Challenge": CHALLENGE,
            "Login": recorded("login"),
            "Logoff": b"Response: Goodbye\r\nMessage: Thanks for all the fish.\r\n\r\n",
            "Ping": recorded("ping-without-session"),
            "Events": b"Response: Success\r\nEvents: On\r\n\r\n",
            "VoicemailUsersList": LIST,
            "VoicemailBoxSummary": EMPTY_SUMMARY,
            "VoicemailMove": recorded("VoicemailMove"),
            "VoicemailRemove": recorded("VoicemailRemove"),
            "WaitEvent": NO_EVENTS,
        }
        self.seconds: dict[str, float] = {}
        self.status = 200
        self.server = _SERVER
        self.actions: Counter[str] = Counter()
        self.sent = ""
        self.files: dict[str, bytes] = {}
        self.tls = tls

    @override
    def _make_app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/rawman", self._act)
        app.router.add_get("/static/{path:.*}", self._file)
        return app

    async def _act(self, request: web.Request) -> web.Response:
        self.sent += f"{request.url} {request.headers} {await request.text()}\n"
        fields = await request.post()
        action = str(fields["action"])
        self.actions[action] += 1
        await asyncio.sleep(self.seconds.get(action, 0))
        needs_session = action not in ("Challenge", "Ping", "Logoff")
        if needs_session and request.headers.get("Cookie") != f"mansession_id={_COOKIE}":
            body = DENIED
        else:
            reply = self.replies.get(action, UNKNOWN)
            if isinstance(reply, list):
                body = reply.pop(0) if len(reply) > 1 else reply[0]
            else:
                body = reply
        return web.Response(
            body=body,
            status=self.status,
            headers={
                "Server": self.server,
                "Content-Type": "text/plain",
                "Set-Cookie": f'mansession_id="{_COOKIE}"; Version=1; Max-Age=60',
                "Pragma": "SuppressEvents",
            },
        )

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path in self.files:
            return web.Response(body=self.files[path], headers={"Server": self.server})
        return web.Response(status=404 if path else 403, headers={"Server": self.server})
