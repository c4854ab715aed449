"""Answers that no PBX should give, and which error each of them is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
import gzip
import json
from typing import override

from aiohttp import web

from custom_components.pbx_voicemail.pbx.reply import MAX_BYTES

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


async def _chunk(request: web.Request) -> None:
    """Begin a chunked answer, and hang up before its last chunk."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    request.transport.close()


async def _explode(request: web.Request) -> web.Response:
    """Send a few bytes that unpack to more than anybody reads."""
    return web.Response(body=_BOMB, headers={"Content-Encoding": "gzip"})


async def _promise_less(request: web.Request) -> None:
    """Tell a length that is too short."""
    body = b'{"status": "Success", "voicemails": []}'
    assert request.transport is not None
    request.transport.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + body
    )
    request.transport.close()


_BOMB = gzip.compress(bytes(MAX_BYTES + 1), compresslevel=1)

_SUCCESS = '{"status": "Success", "voicemails": []}'

_ERRNOS_THAT_MEAN_NOTHING_TO_US = (
    *("10002", "10004", "10006", "10025", "20000", "20001", "20003", "20007", "20008", "20009"),
    *("20010", "20011", "20012", "20014", "20015", "20016", "20017", "20019", "30001", "99999"),
    *("-1", "zero", "\u0000", "1" * 300),
)


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
    *(_bad(f"HTTP {n}", "not_a_pbx", _respond, status=n) for n in (400, 405, 429, 502, 503)),
    _bad("HTTP 500 that succeeds", "not_a_pbx", _respond, status=500, body=_SUCCESS),
    _bad("garbage after JSON", "not_a_pbx", _respond, body=f"{_SUCCESS}<!-- Boa -->"),
    _bad("two answers", "not_a_pbx", _respond, body=_SUCCESS * 2),
    _bad("UTF-16", "not_a_pbx", _respond, body=_SUCCESS.encode("utf-16")),
    _bad("NaN", "not_a_pbx", _respond, body='{"status": NaN}'),
    _bad("zeros", "not_a_pbx", _respond, body=bytes(1000)),
    _bad("nesting", "not_a_pbx", _respond, body="[" * 100_000),
    _bad("number for a status", "rejected", _respond, body='{"status": 1}'),
    _bad("object for a status", "not_a_pbx", _respond, body='{"status": {}}'),
    _bad("list of lists", "not_a_pbx", _respond, body='{"status":"Success","voicemails":[[]]}'),
    _bad("wrong length", "not_a_pbx", _promise_less),
    _bad("gzip bomb", "not_a_pbx", _explode),
    _bad("no last chunk", "cannot_connect", _chunk),
    *(
        _bad(f"HTTP {n}", "redirected", _respond, status=n, location="http://127.0.0.1:1/")
        for n in (301, 303, 307, 308)
    ),
    _bad("redirect to nowhere", "redirected", _respond, status=304),
    _bad("redirect", "redirected", _respond, status=302, location="https://127.0.0.1:1/api"),
    _bad("hang-up", "cannot_connect", _hang_up),
    _bad("errno 30003", "rejected", _respond, body='{"status":"Failed","errno":"30003"}'),
    _bad("errno as number", "rejected", _respond, body='{"status":"Failed","errno":10003}'),
    _bad("no errno", "rejected", _respond, body='{"status":"Failed"}'),
    _bad("nothing there", "rejected", _respond, body='{"status":"Failed","errno":"20018"}'),
    *(
        _bad(
            f"errno {errno[:9]!r}",
            "rejected",
            _respond,
            body=f'{{"status":"Failed","errno":{json.dumps(errno)}}}',
        )
        for errno in _ERRNOS_THAT_MEAN_NOTHING_TO_US
    ),
    _bad("failure by another name", "rejected", _respond, body='{"status":"Failure"}'),
    _bad("no token", "invalid_auth", _respond, body='{"status":"Failed","errno":"20005"}'),
    _bad("locked out", "locked", _respond, body='{"status":"Failed","errno":"20002"}'),
    _bad("no such token", "invalid_auth", _respond, body='{"status":"Failed","errno":"20004"}'),
    _bad("token expired", "invalid_auth", _respond, body='{"status":"Failed","errno":"20006"}'),
    _bad("HTTP 401", "invalid_auth", _respond, status=401),
    _bad("HTTP 403", "invalid_auth", _respond, status=403),
)
