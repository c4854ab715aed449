"""A limit on what a server may send beside the body of its answer, with and without TLS.

aiohttp limits headers, and `HttpClient` limits bodies. Neither counts what HTTP lets a server
send without end beside them: interim responses, chunk extensions, compressed data that
decompresses to nothing. Each keeps a core busy until the request times out. So bytes are
counted where they arrive, on the socket.
"""

from collections.abc import Buffer
from contextvars import ContextVar
import socket
from typing import Final, override

import aiohttp

from .errors import PbxReplyError

HEAD_BYTES: Final = 128 * 1024
"""What a server may send up to the end of its headers, the TLS handshake included."""

OVERHEAD_BYTES: Final = 4 * 1024 * 1024
"""What it may send after them beyond the body's share."""

_SHARE: Final = 5, 4
"""How many bytes on the wire belong to how many bytes of a body.

A chunk takes about a microsecond, so a long answer in chunks of a few bytes keeps a core busy
for seconds. With chunks of 512 bytes, each in a TLS record, an answer stays below this share.
"""

_PIECE: Final = 64 * 1024
"""How many bytes are received at once. Other tasks run in between."""

_current: ContextVar[ByteLimit | None] = ContextVar("byte limit", default=None)


class ByteLimit:
    """The limit of one request, to be passed to it as a middleware.

    It applies if the connection is made for this request alone, by a connector whose
    `socket_factory` is `limited_socket`. Beyond the limit, the connection breaks.
    """

    def __init__(self) -> None:
        """Start with what may come up to the end of the headers."""
        self._left = HEAD_BYTES
        self._is_exceeded = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Return the response once its headers have arrived, and allow for its body."""
        token = _current.set(self)
        try:
            response = await handler(request)
        finally:
            _current.reset(token)
        self._left = OVERHEAD_BYTES
        return response

    def extend(self, body_bytes: int) -> None:
        """Allow for more, after so many bytes of the body were read."""
        wire, body = _SHARE
        # A body that decompresses to a lot must not allow for a flood after it.
        self._left = min(OVERHEAD_BYTES, self._left + body_bytes * wire // body)

    def check(self) -> None:
        """Raise PbxReplyError if the connection was broken because of the limit."""
        if self._is_exceeded:
            raise PbxReplyError("the answer is too large")

    def allow(self, size: int) -> int:
        """Return how many of `size` bytes may be received now. Raises OSError if none."""
        if self._left <= 0:
            self._is_exceeded = True
            raise OSError("more was sent than belongs to an answer")
        return min(size, _PIECE)

    def count(self, received: int) -> None:
        """Count bytes that were received."""
        self._left -= received


def limited_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for an address, under the limit of the request that it is made for, if any."""
    family, kind, protocol, *_ = address
    limit = _current.get()
    if limit is None:
        return socket.socket(family, kind, protocol)
    return _LimitedSocket(limit, family, kind, protocol)


class _LimitedSocket(socket.socket):
    """Counts in the two calls by which asyncio reads: one for plain connections, one for TLS."""

    def __init__(self, limit: ByteLimit, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._limit = limit

    @override
    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data = super().recv(self._limit.allow(bufsize), flags)
        self._limit.count(len(data))
        return data

    @override
    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        size = nbytes or memoryview(buffer).nbytes
        received = super().recv_into(buffer, self._limit.allow(size), flags)
        self._limit.count(received)
        return received
