"""HTTP with a PBX: one request, and one bounded response, whatever is in it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDictProxy

from .address import Address
from .byte_limit import ByteLimit
from .comparison import Comparison, Difference, KnownBody
from .errors import (
    PbxAuthError,
    PbxCertificateError,
    PbxConnectionError,
    PbxError,
    PbxRedirectError,
    PbxReplyError,
    PbxTimeoutError,
    PbxTlsError,
)
from .tls import CertificateMismatchError, pinned_context

MAX_LIST_BYTES: Final = 64 * 1024 * 1024
"""A list of mailboxes over this is not read. 500 mailboxes of 100 messages make 6 to 12 MB."""

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
"""Any other reply over this is not read. A list of 2,000 extensions makes 0.3 MB."""

MAX_RECORDING_BYTES: Final = 32 * 1024 * 1024
"""A recording over this is not read: half an hour and more of telephone audio."""

_OFF_LOOP_BYTES: Final = 1024 * 1024
"""Bodies over this are put together in a thread: copying them takes more than a millisecond."""

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""How long a PBX may take for one reply."""

DOWNLOAD_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_read=30)
"""How long it may take for a recording, and how long it may pause within one."""

SIGN_OUT_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
"""How long a PBX may keep Home Assistant from stopping."""

_MAX_TEXT_BYTES: Final = 64 * 1024
"""A text of a WebSocket over this is not read. A report is a few hundred bytes."""

_NO_BODY: Final = Difference(KnownBody(), 0, b"", 0)

_HEADERS: Final = {
    # PBXs close idle connections without notice; the next request would be lost.
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response. Only one with status 200 has its body read.

    `difference` is how the body differs from the known one. `is_whole` is whether HTTP itself
    said how long the body is, so that nothing can be missing.
    """

    status: int
    headers: CIMultiDictProxy[str]
    difference: Difference
    is_whole: bool

    @property
    def body(self) -> bytes:
        """The body, where none was known."""
        return self.difference.between


class WebSocket:
    """A WebSocket that is open. What comes is text, within the limits of `HttpClient`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, limit: ByteLimit) -> None:
        """Take a connection, and the limit that applies to it."""
        self._socket = socket
        self._limit = limit

    async def send(self, text: str) -> None:
        """Send a text. Raises PbxConnectionError."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as err:
            error = _translate(err)
        else:
            return
        raise error

    async def receive(self, seconds: float) -> str | None:
        """Return the next text, None if none comes for so long. Raises PbxError at the end."""
        try:
            message = await self._socket.receive(timeout=seconds)
        except TimeoutError:
            return None
        self._limit.check()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise PbxConnectionError("the PBX closed the connection")
        text: str = message.data
        self._limit.extend(len(text))
        return text


class HttpClient:
    """The web server of one PBX.

    The session is the caller's to close. Its connector must not reuse connections: a PBX
    may close one that looks alive, and the next request on it would be lost. Its
    `socket_factory` should be `limited_socket`: without it, only bodies are limited. With a
    `fingerprint`, the SHA-256 of a certificate in hexadecimal, that certificate is trusted
    and no other, whoever signed it; `old_tls` is for a PBX that speaks nothing newer.
    Without a fingerprint, the session decides.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        fingerprint: str | None,
        *,
        old_tls: bool = False,
    ) -> None:
        """Take what every request needs."""
        self.address = address
        self._session = session
        self._tls = pinned_context(fingerprint, old_tls=old_tls) if fingerprint else True

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109
        known: KnownBody | None = None,
    ) -> HttpResponse:
        """Return the response to one request. Its body is compared with a known one.

        The path is below the address. Redirects are not followed. Raises PbxError if there
        is no response, if it is a redirect, or if it is too large.
        """
        limit = ByteLimit()
        try:
            async with self._session.request(
                method,
                self.address.url.joinpath(quote(path), encoded=True).with_query(query or {}),
                data=data,
                headers={**_HEADERS, **(headers or {})},
                allow_redirects=False,
                timeout=timeout or TIMEOUT,
                ssl=self._tls,
                middlewares=(limit, _SendOnce(limit)),
            ) as response:
                if 300 <= response.status < 400:
                    raise PbxRedirectError("the answer points elsewhere")
                difference = _NO_BODY
                if response.status == 200:
                    difference = await _read(response, max_bytes, known or KnownBody(), limit)
                    # A body without a length ends with its connection, even if that was broken.
                    limit.check()
                return HttpResponse(
                    response.status, response.headers, difference, is_whole=_is_framed(response)
                )
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            error = _translate(err)
        # Outside the block above: what aiohttp raises quotes what was sent and received, and
        # would stay attached as the context.
        limit.check()
        raise error

    @asynccontextmanager
    async def websocket(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WebSocket]:
        """Open a WebSocket, and close it in the end. Raises the errors of `request`.

        Raises PbxAuthError if the PBX answers with HTTP 401 or 403.
        """
        limit = ByteLimit()
        # aiohttp follows redirects of a WebSocket, unless a middleware of its session ends that.
        session = aiohttp.ClientSession(
            connector=self._session.connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(limit, _refuse_redirect),
        )
        async with session:
            socket = await self._open(session, path, query or {}, headers or {}, limit)
            try:
                yield WebSocket(socket, limit)
            finally:
                await socket.close()

    async def _open(
        self,
        session: aiohttp.ClientSession,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        limit: ByteLimit,
    ) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(TIMEOUT.total):
                return await session.ws_connect(
                    self.address.url.joinpath(quote(path), encoded=True).with_query(query),
                    headers=headers,
                    ssl=self._tls,
                    max_msg_size=_MAX_TEXT_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=SIGN_OUT_TIMEOUT.total),
                )
        except aiohttp.WSServerHandshakeError as err:
            error: PbxError = PbxReplyError(f"the answer is HTTP {err.status}")
            if err.status in (401, 403):
                error = PbxAuthError(None)
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            error = _translate(err)
        limit.check()
        raise error


class _SendOnce:
    """Ends a request that was interrupted. aiohttp sends a GET again, which may delete a message."""

    def __init__(self, limit: ByteLimit) -> None:
        """Take the limit, which may be why."""
        self._limit = limit

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Return the response. Raises PbxError where aiohttp would try again."""
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as err:
            error = _translate(err)
        self._limit.check()
        raise error


async def _refuse_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise PbxRedirectError("the answer points elsewhere")
    return response


def _translate(err: Exception) -> PbxError:
    """Return what an error of aiohttp's or of the system's means, with a cause that may be shown."""
    error = _meaning(err)
    error.__cause__ = _Cause(type(err).__name__)
    return error


class _Cause(Exception):
    """Stands for an error that holds bytes of the conversation: its name alone."""


def _meaning(err: Exception) -> PbxError:
    if isinstance(err, TimeoutError):
        return PbxTimeoutError("the PBX took too long to answer")
    if isinstance(err, aiohttp.ClientConnectorSSLError) and isinstance(
        err.os_error, CertificateMismatchError
    ):
        return PbxCertificateError("the certificate is not the one that is trusted")
    if isinstance(err, aiohttp.ClientSSLError):
        return PbxTlsError("no trusted TLS connection could be made")
    if isinstance(err, aiohttp.ClientResponseError):
        return PbxReplyError("the answer is not HTTP")
    return PbxConnectionError("the PBX could not be reached")


def _is_framed(response: aiohttp.ClientResponse) -> bool:
    """Tell whether HTTP says where the body ends, else it just ends with the connection."""
    encoding = response.headers.get("Transfer-Encoding", "")
    return "Content-Length" in response.headers or "chunked" in encoding.casefold()


async def _read(
    response: aiohttp.ClientResponse, max_bytes: int, known: KnownBody, limit: ByteLimit
) -> Difference:
    """Return how the body differs from a known one."""
    comparison = Comparison(known, response.content_length)
    async for chunk in response.content.iter_any():
        comparison.add(chunk)
        if comparison.size > max_bytes:
            raise PbxReplyError("the answer is too large")
        limit.extend(len(chunk))
    if comparison.kept < _OFF_LOOP_BYTES:
        return comparison.difference()
    return await asyncio.to_thread(comparison.difference)
