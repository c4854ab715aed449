"""What can go wrong between Home Assistant and a PBX, and which error each of it is.

Each fault strikes a real PBX over real HTTP, and passes. Every stage of an entry's life is
tried under every one of them: the dialog, the start, polling, playing, deleting.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
import gzip
import json
import socket
import struct
from typing import Any, override
from unittest.mock import patch

import aiohttp
from aiohttp import web

from custom_components.pbx_voicemail.pbx import http as transport
from custom_components.pbx_voicemail.pbx.http import MAX_LIST_BYTES
from custom_components.pbx_voicemail.pbx.s_series import requests

from .simulator import Certificate, Simulator
from .simulator.server import Interceptor

_PATIENCE = 0.3
"""How long the client waits for a PBX that is too slow, in seconds, instead of 30."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble. `kind` names the error that the client raises for it.

    Where the path of a question ends with one of `passes_at`, it passes for a good answer:
    recordings have no form that could be checked, and deletions tell nothing but success.
    """

    name: str
    kind: str
    answer: Interceptor
    passes_at: Collection[str] = ()

    @asynccontextmanager
    async def strike(self, pbx: Simulator, where: str = "") -> AsyncIterator[None]:
        """Befall a PBX or, with `where`, what it answers to paths that end so; then pass."""

        async def intercept(request: web.Request) -> web.StreamResponse | None:
            if not request.path.endswith(where):
                return None
            # Whoever was hung up on must not be answered as if nothing had been.
            return await self.answer(request) or web.Response()

        pbx.intercept = intercept
        try:
            yield
        finally:
            pbx.intercept = None

    @property
    def passes_by_itself(self) -> bool:
        """Tell whether the next poll may do without it.

        A token that is gone does not come back by itself, and a lock lasts ten minutes.
        """
        return self.kind not in ("invalid_auth", "locked")

    @override
    def __str__(self) -> str:
        return self.name


class Slowness(Fault):
    """A PBX that takes longer than anybody waits."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def strike(self, pbx: Simulator, where: str = "") -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        with (
            patch.object(transport, "TIMEOUT", timeout),
            patch.object(requests, "DOWNLOAD_TIMEOUT", timeout),
        ):
            async with Fault.strike(self, pbx, where):
                yield


class SwitchedOff(Fault):
    """A PBX whose port is closed, whatever is asked."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def strike(self, pbx: Simulator, where: str = "") -> AsyncIterator[None]:
        await pbx.stop()
        try:
            yield
        finally:
            await pbx.start()


class SpeaksTls(Fault):
    """A PBX that has begun to speak TLS, and speaks nothing else."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def strike(self, pbx: Simulator, where: str = "") -> AsyncIterator[None]:
        await pbx.stop()
        pbx.tls = await asyncio.to_thread(Certificate.make().context)
        await pbx.start()
        with handshakes_may_fail(asyncio.get_running_loop()):
            try:
                yield
            finally:
                await pbx.stop()
                # What the client hung up on, the PBX notices a moment later.
                await asyncio.sleep(0.05)
        pbx.tls = None
        await pbx.start()


@contextmanager
def handshakes_may_fail(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let the PBX complain of handshakes that break off, as it has no log of its own."""
    handler = loop.get_exception_handler()

    def listen(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "incoming connection" not in context["message"] and handler:
            handler(loop, context)

    loop.set_exception_handler(listen)
    try:
        yield
    finally:
        loop.set_exception_handler(handler)


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


async def _pretend(request: web.Request, encoding: str) -> web.Response:
    """Say that the answer is packed, though it is not, or in an unheard-of way."""
    return web.Response(body=b"no such thing" * 9, headers={"Content-Encoding": encoding})


async def _boast(request: web.Request) -> web.Response:
    """Send a header that is longer than anybody reads."""
    return web.Response(headers={"X-Boast": "a" * 200_000})


async def _promise_less(request: web.Request) -> None:
    """Tell a length that is too short."""
    body = b'{"status": "Success", "voicemails": []}'
    assert request.transport is not None
    request.transport.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + body
    )
    request.transport.close()


async def _reset(request: web.Request) -> None:
    """Begin an answer, and break the connection as a machine does that has lost its power."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    connection: socket.socket = request.transport.get_extra_info("socket")
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.transport.abort()


async def _stay_silent(request: web.Request) -> None:
    """Take the question, and say nothing."""
    await asyncio.sleep(2 * _PATIENCE)
    if request.transport:
        request.transport.close()


async def _fall_silent(request: web.Request) -> None:
    """Begin an answer, and say no more."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    await _stay_silent(request)


async def _dribble(request: web.Request) -> None:
    """Send one byte after another, none of them late."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    with suppress(ConnectionError):
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(_PATIENCE / 10)


async def _talk_on(request: web.Request) -> None:
    """Send a chunked answer that does not end."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    megabyte = b" " * 1024 * 1024
    with suppress(ConnectionError):
        while True:
            await response.write(megabyte)


async def _interrupt(request: web.Request) -> None:
    """Send interim responses, and never the final one."""
    await _flood(request, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


async def _extend(request: web.Request) -> None:
    """Begin a chunk whose extensions do not end."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _flood(request, head + b"9;", b"name=value;")


async def _flood(request: web.Request, head: bytes, unit: bytes) -> None:
    connection = request.transport
    assert connection is not None
    connection.write(head)
    piece = unit * (64 * 1024 // len(unit))
    with suppress(ConnectionError):
        while not connection.is_closing():
            connection.write(piece)
            await request.writer.drain()


_BOMB = gzip.compress(bytes(MAX_LIST_BYTES + 1), compresslevel=1)

_SUCCESS = '{"status": "Success", "voicemails": []}'

_ERRNOS_THAT_MEAN_NOTHING_TO_US = (
    *("10002", "10004", "10006", "10025", "20000", "20001", "20003", "20007", "20008", "20009"),
    *("20010", "20011", "20012", "20014", "20015", "20016", "20017", "20019", "30001", "99999"),
    *("-1", "zero", "\u0000", "1" * 300),
)


def _bad(
    name: str,
    kind: str,
    answer: Callable[..., Awaitable[object]],
    *,
    passes_at: Collection[str] = (),
    **how: object,
) -> Fault:
    return Fault(name, kind, partial(answer, **how), passes_at)  # type: ignore[arg-type]


FAULTS = (
    _bad("HTML page", "not_a_pbx", _respond, body="<html>Welcome</html>", content_type="text/html"),
    _bad("empty body", "not_a_pbx", _respond),
    _bad("truncated JSON", "not_a_pbx", _respond, body='{"status": "Success", "voicemails": [{'),
    _bad("list", "not_a_pbx", _respond, body="[]"),
    _bad("no status", "not_a_pbx", _respond, body='{"voicemails": []}'),
    _bad(
        "text for a list",
        "not_a_pbx",
        _respond,
        body='{"status":"Success","voicemails":"none"}',
        passes_at=("delete",),
    ),
    _bad(
        "numbers for messages",
        "not_a_pbx",
        _respond,
        body='{"status":"Success","voicemails":[{"extid":"101","voicemail":[1]}]}',
        passes_at=("delete",),
    ),
    SwitchedOff("closed port", "cannot_connect", _stay_silent),
    SpeaksTls("TLS on the port", "cannot_connect", _stay_silent),
    _bad("reset in its midst", "cannot_connect", _reset),
    Slowness("silence", "timeout", _stay_silent),
    Slowness("silence in its midst", "timeout", _fall_silent),
    Slowness("one byte after another", "timeout", _dribble),
    _bad("no end", "not_a_pbx", _talk_on),
    _bad("interim responses without end", "not_a_pbx", _interrupt),
    _bad("chunk extensions without end", "not_a_pbx", _extend),
    _bad("too much", "not_a_pbx", _respond, body=b" " * (MAX_LIST_BYTES + 1024 * 1024)),
    _bad("invalid UTF-8 for a status", "not_a_pbx", _respond, body=b'{"\xff": "Success"}'),
    _bad("gzip that is none", "cannot_connect", _pretend, encoding="gzip"),
    _bad("unknown encoding", "not_a_pbx", _pretend, encoding="zap", passes_at=("download",)),
    _bad("header without end", "not_a_pbx", _boast),
    _bad("not HTTP", "not_a_pbx", _talk_nonsense),
    _bad("HTTP 404", "not_a_pbx", _respond, status=404),
    _bad("HTTP 500", "not_a_pbx", _respond, status=500),
    *(_bad(f"HTTP {n}", "not_a_pbx", _respond, status=n) for n in (400, 405, 429, 502, 503)),
    _bad("HTTP 500 that succeeds", "not_a_pbx", _respond, status=500, body=_SUCCESS),
    _bad("garbage after JSON", "not_a_pbx", _respond, body=f"{_SUCCESS}<!-- Boa -->"),
    _bad("two answers", "not_a_pbx", _respond, body=_SUCCESS * 2),
    _bad("UTF-16", "not_a_pbx", _respond, body=_SUCCESS.encode("utf-16"), passes_at=("download",)),
    _bad("NaN", "not_a_pbx", _respond, body='{"status": NaN}'),
    _bad("zeros", "not_a_pbx", _respond, body=bytes(1000), passes_at=("download",)),
    _bad("nesting", "not_a_pbx", _respond, body="[" * 100_000),
    _bad("number for a status", "rejected", _respond, body='{"status": 1}'),
    _bad("object for a status", "not_a_pbx", _respond, body='{"status": {}}'),
    _bad(
        "list of lists",
        "not_a_pbx",
        _respond,
        body='{"status":"Success","voicemails":[[]]}',
        passes_at=("delete",),
    ),
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
