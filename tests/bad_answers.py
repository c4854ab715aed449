"""Answers that no PBX should give, and which error each of them is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import override

from aiohttp import web

from .simulator.server import Interceptor


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """`kind` names the error that the client raises, Home Assistant shows and the flow tells."""

    name: str
    kind: str
    answer: Interceptor

    @override
    def __str__(self) -> str:
        return self.name


async def _respond(
    request: web.Request,
    body: str | bytes = b"",
    status: int = 200,
    content_type: str = "application/json",
    location: str | None = None,
) -> web.Response:
    return web.Response(
        body=body,
        status=status,
        content_type=content_type,
        headers={"Location": location} if location else None,
    )


async def _hang_up(request: web.Request) -> None:
    """Promise a long answer and hang up in its midst."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    request.transport.close()


async def _talk_nonsense(request: web.Request) -> None:
    """Answer with something that is not HTTP."""
    assert request.transport is not None
    request.transport.write(b"\x15\x03\x01\x00\x02\x02\x16")
    request.transport.close()


def _bad(
    name: str, kind: str, answer: Callable[..., Awaitable[object]], **how: object
) -> BadAnswer:
    return BadAnswer(name, kind, partial(answer, **how))  # type: ignore[arg-type]


BAD_ANSWERS = (
    _bad("HTML page", "not_a_pbx", _respond, body="<html>Welcome</html>", content_type="text/html"),
    _bad("empty body", "not_a_pbx", _respond),
    _bad("truncated JSON", "not_a_pbx", _respond, body='{"status": "Success", "voicemails": [{'),
    _bad("list", "not_a_pbx", _respond, body="[]"),
    _bad("no status", "not_a_pbx", _respond, body='{"voicemails": []}'),
    _bad("text for a list", "not_a_pbx", _respond, body='{"status":"Success","voicemails":"none"}'),
    _bad(
        "numbers for messages",
        "not_a_pbx",
        _respond,
        body='{"status":"Success","voicemails":[{"extid":"101","voicemail":[1]}]}',
    ),
    _bad("not HTTP", "not_a_pbx", _talk_nonsense),
    _bad("HTTP 404", "not_a_pbx", _respond, status=404),
    _bad("HTTP 500", "not_a_pbx", _respond, status=500),
    _bad("redirect", "redirected", _respond, status=302, location="https://127.0.0.1:1/api"),
    _bad("hang-up", "cannot_connect", _hang_up),
    _bad("errno 30003", "rejected", _respond, body='{"status":"Failed","errno":"30003"}'),
    _bad("errno as number", "rejected", _respond, body='{"status":"Failed","errno":10003}'),
    _bad("no errno", "rejected", _respond, body='{"status":"Failed"}'),
    _bad("nothing there", "rejected", _respond, body='{"status":"Failed","errno":"20018"}'),
    _bad("locked out", "locked", _respond, body='{"status":"Failed","errno":"20002"}'),
    _bad("no such token", "invalid_auth", _respond, body='{"status":"Failed","errno":"20004"}'),
    _bad("token expired", "invalid_auth", _respond, body='{"status":"Failed","errno":"20006"}'),
    _bad("HTTP 401", "invalid_auth", _respond, status=401),
    _bad("HTTP 403", "invalid_auth", _respond, status=403),
)
