"""Faults between Home Assistant and a PBX, and the error that each of them causes.

Each fault is injected into a simulated PBX over real HTTP for some time. Tests combine every fault
with every stage: config flow, set-up, polling, playback and deletion.
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

from .simulator import Certificate, PSeriesSimulator, Simulator
from .simulator.server import Interceptor

_CLIENT_TIMEOUT = 0.3
"""The timeout of the client in seconds, instead of 30."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `kind` is that of the error that the client raises for it.

    A request whose path ends with one of `succeeds_at` succeeds all the same: recordings have no
    format that could be checked, and replies to deletions contain only a status.
    """

    name: str
    kind: str
    answer: Interceptor
    succeeds_at: Collection[str] = ()

    @asynccontextmanager
    async def inject(
        self, pbx: Simulator | PSeriesSimulator, where: str = ""
    ) -> AsyncIterator[None]:
        """Inject the fault into replies of a PBX, only to paths that end with `where`, if given."""

        async def intercept(request: web.Request) -> web.StreamResponse | None:
            if not request.path.endswith(where):
                return None
            # After the connection was closed, the request must not be handled as usual.
            return await self.answer(request) or web.Response()

        pbx.intercept = intercept
        try:
            yield
        finally:
            pbx.intercept = None

    @property
    def is_temporary(self) -> bool:
        """Return whether the next poll succeeds once the fault is removed.

        An invalid token stays invalid, and a lock-out lasts ten minutes.
        """
        return self.kind not in ("invalid_auth", "locked")

    @override
    def __str__(self) -> str:
        return self.name


class SlowFault(Fault):
    """A PBX that is slower than the client's timeout."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def inject(
        self, pbx: Simulator | PSeriesSimulator, where: str = ""
    ) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=_CLIENT_TIMEOUT)
        with (
            patch.object(transport, "TIMEOUT", timeout),
            patch.object(requests, "DOWNLOAD_TIMEOUT", timeout),
        ):
            async with Fault.inject(self, pbx, where):
                yield


class ClosedPort(Fault):
    """A PBX that does not accept connections."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def inject(
        self, pbx: Simulator | PSeriesSimulator, where: str = ""
    ) -> AsyncIterator[None]:
        await pbx.stop()
        try:
            yield
        finally:
            await pbx.start()


class TlsOnly(Fault):
    """A PBX that only accepts TLS connections from now on."""

    __slots__ = ()

    @asynccontextmanager
    @override
    async def inject(
        self, pbx: Simulator | PSeriesSimulator, where: str = ""
    ) -> AsyncIterator[None]:
        await pbx.stop()
        pbx.tls = await asyncio.to_thread(Certificate.make().context)
        await pbx.start()
        with ignore_failed_handshakes(asyncio.get_running_loop()):
            try:
                yield
            finally:
                await pbx.stop()
                # The PBX notices closed connections a moment later.
                await asyncio.sleep(0.05)
        pbx.tls = None
        await pbx.start()


@contextmanager
def ignore_failed_handshakes(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Ignore the errors that the simulated PBX reports when a handshake fails."""
    handler = loop.get_exception_handler()

    def listen(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "incoming connection" not in context["message"] and handler:
            handler(loop, context)

    loop.set_exception_handler(listen)
    try:
        yield
    finally:
        loop.set_exception_handler(handler)


async def respond(
    request: web.Request,
    body: str | bytes = b"",
    status: int = 200,
    content_type: str = "application/json",
    location: str | None = None,
) -> web.Response:
    """Respond with a body."""
    return web.Response(
        body=body,
        status=status,
        content_type=content_type,
        headers={"Location": location} if location else None,
    )


async def _hang_up(request: web.Request) -> None:
    """Close the connection in the middle of a response."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    request.transport.close()


async def _send_garbage(request: web.Request) -> None:
    """Send something that is not HTTP."""
    assert request.transport is not None
    request.transport.write(b"\x15\x03\x01\x00\x02\x02\x16")
    request.transport.close()


async def _omit_last_chunk(request: web.Request) -> None:
    """Send a chunked response, and close the connection before its last chunk."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    request.transport.close()


async def _send_gzip_bomb(request: web.Request) -> web.Response:
    """Send a few bytes that are larger than the limit when decompressed."""
    return web.Response(body=_BOMB, headers={"Content-Encoding": "gzip"})


async def _send_wrong_encoding(request: web.Request, encoding: str) -> web.Response:
    """Send a response whose encoding is not the one in its header."""
    return web.Response(body=b"no such thing" * 9, headers={"Content-Encoding": encoding})


async def _send_long_header(request: web.Request) -> web.Response:
    """Send a header that is longer than the limit."""
    return web.Response(headers={"X-Boast": "a" * 200_000})


async def _send_short_length(request: web.Request) -> None:
    """Send a Content-Length that is too short."""
    body = b'{"status": "Success", "voicemails": []}'
    assert request.transport is not None
    request.transport.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + body
    )
    request.transport.close()


async def _reset(request: web.Request) -> None:
    """Reset the connection in the middle of a response."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    assert request.transport is not None
    connection: socket.socket = request.transport.get_extra_info("socket")
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.transport.abort()


async def _stay_silent(request: web.Request) -> None:
    """Receive the request, and send nothing."""
    await asyncio.sleep(2 * _CLIENT_TIMEOUT)
    if request.transport:
        request.transport.close()


async def _stop_sending(request: web.Request) -> None:
    """Stop sending in the middle of a response, and keep the connection open."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "Success", "voicemails": [')
    await _stay_silent(request)


async def _send_slowly(request: web.Request) -> None:
    """Send one byte after another, each of them in time."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    with suppress(ConnectionError):
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(_CLIENT_TIMEOUT / 10)


async def _send_endlessly(request: web.Request) -> None:
    """Send a chunked response that does not end."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    megabyte = b" " * 1024 * 1024
    with suppress(ConnectionError):
        while True:
            await response.write(megabyte)


async def _send_interim_responses(request: web.Request) -> None:
    """Send interim responses, and never the final one."""
    await _send_repeatedly(request, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


async def _send_chunk_extensions(request: web.Request) -> None:
    """Send a chunk with endless extensions."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send_repeatedly(request, head + b"9;", b"name=value;")


async def _send_repeatedly(request: web.Request, head: bytes, unit: bytes) -> None:
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

_UNKNOWN_ERRNOS = (
    *("10002", "10004", "10006", "10025", "20000", "20001", "20003", "20007", "20008", "20009"),
    *("20010", "20011", "20012", "20014", "20015", "20016", "20017", "20019", "30001", "99999"),
    *("-1", "zero", "\u0000", "1" * 300),
)


def _fault(
    name: str,
    kind: str,
    answer: Callable[..., Awaitable[object]],
    *,
    succeeds_at: Collection[str] = (),
    **how: object,
) -> Fault:
    return Fault(name, kind, partial(answer, **how), succeeds_at)  # type: ignore[arg-type]


FAULTS = (
    _fault(
        "HTML page", "not_a_pbx", respond, body="<html>Welcome</html>", content_type="text/html"
    ),
    _fault("empty body", "not_a_pbx", respond),
    _fault("truncated JSON", "not_a_pbx", respond, body='{"status": "Success", "voicemails": [{'),
    _fault("list", "not_a_pbx", respond, body="[]"),
    _fault("no status", "not_a_pbx", respond, body='{"voicemails": []}'),
    _fault(
        "text for a list",
        "not_a_pbx",
        respond,
        body='{"status":"Success","voicemails":"none"}',
        succeeds_at=("delete",),
    ),
    _fault(
        "numbers for messages",
        "not_a_pbx",
        respond,
        body='{"status":"Success","voicemails":[{"extid":"101","voicemail":[1]}]}',
        succeeds_at=("delete",),
    ),
    ClosedPort("closed port", "cannot_connect", _stay_silent),
    TlsOnly("TLS on the port", "cannot_connect", _stay_silent),
    _fault("reset in its midst", "cannot_connect", _reset),
    SlowFault("silence", "timeout", _stay_silent),
    SlowFault("silence in its midst", "timeout", _stop_sending),
    SlowFault("one byte after another", "timeout", _send_slowly),
    _fault("no end", "not_a_pbx", _send_endlessly),
    _fault("interim responses without end", "not_a_pbx", _send_interim_responses),
    _fault("chunk extensions without end", "not_a_pbx", _send_chunk_extensions),
    _fault("too much", "not_a_pbx", respond, body=b" " * (MAX_LIST_BYTES + 1024 * 1024)),
    _fault("invalid UTF-8 for a status", "not_a_pbx", respond, body=b'{"\xff": "Success"}'),
    _fault("gzip that is none", "cannot_connect", _send_wrong_encoding, encoding="gzip"),
    _fault(
        "unknown encoding",
        "not_a_pbx",
        _send_wrong_encoding,
        encoding="zap",
        succeeds_at=("download",),
    ),
    _fault("header without end", "not_a_pbx", _send_long_header),
    _fault("not HTTP", "not_a_pbx", _send_garbage),
    _fault("HTTP 404", "not_a_pbx", respond, status=404),
    _fault("HTTP 500", "not_a_pbx", respond, status=500),
    *(_fault(f"HTTP {n}", "not_a_pbx", respond, status=n) for n in (400, 405, 429, 502, 503)),
    _fault("HTTP 500 that succeeds", "not_a_pbx", respond, status=500, body=_SUCCESS),
    _fault("garbage after JSON", "not_a_pbx", respond, body=f"{_SUCCESS}<!-- Boa -->"),
    _fault("two answers", "not_a_pbx", respond, body=_SUCCESS * 2),
    _fault(
        "UTF-16", "not_a_pbx", respond, body=_SUCCESS.encode("utf-16"), succeeds_at=("download",)
    ),
    _fault("NaN", "not_a_pbx", respond, body='{"status": NaN}'),
    _fault("zeros", "not_a_pbx", respond, body=bytes(1000), succeeds_at=("download",)),
    _fault("nesting", "not_a_pbx", respond, body="[" * 100_000),
    _fault("number for a status", "rejected", respond, body='{"status": 1}'),
    _fault("object for a status", "not_a_pbx", respond, body='{"status": {}}'),
    _fault(
        "list of lists",
        "not_a_pbx",
        respond,
        body='{"status":"Success","voicemails":[[]]}',
        succeeds_at=("delete",),
    ),
    _fault("wrong length", "not_a_pbx", _send_short_length),
    _fault("gzip bomb", "not_a_pbx", _send_gzip_bomb),
    _fault("no last chunk", "cannot_connect", _omit_last_chunk),
    *(
        _fault(f"HTTP {n}", "redirected", respond, status=n, location="http://127.0.0.1:1/")
        for n in (301, 303, 307, 308)
    ),
    _fault("redirect to nowhere", "redirected", respond, status=304),
    _fault("redirect", "redirected", respond, status=302, location="https://127.0.0.1:1/api"),
    _fault("hang-up", "cannot_connect", _hang_up),
    _fault("errno 30003", "rejected", respond, body='{"status":"Failed","errno":"30003"}'),
    _fault("errno as number", "rejected", respond, body='{"status":"Failed","errno":10003}'),
    _fault("no errno", "rejected", respond, body='{"status":"Failed"}'),
    _fault("nothing there", "rejected", respond, body='{"status":"Failed","errno":"20018"}'),
    *(
        _fault(
            f"errno {errno[:9]!r}",
            "rejected",
            respond,
            body=f'{{"status":"Failed","errno":{json.dumps(errno)}}}',
        )
        for errno in _UNKNOWN_ERRNOS
    ),
    _fault("failure by another name", "rejected", respond, body='{"status":"Failure"}'),
    _fault("no token", "invalid_auth", respond, body='{"status":"Failed","errno":"20005"}'),
    _fault("locked out", "locked", respond, body='{"status":"Failed","errno":"20002"}'),
    _fault("no such token", "invalid_auth", respond, body='{"status":"Failed","errno":"20004"}'),
    _fault("token expired", "invalid_auth", respond, body='{"status":"Failed","errno":"20006"}'),
    _fault("HTTP 401", "invalid_auth", respond, status=401),
    _fault("HTTP 403", "invalid_auth", respond, status=403),
)
