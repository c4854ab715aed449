"""One question to a PBX over HTTP, and one answer, whatever is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson

from .address import Address
from .byte_limit import ByteLimit
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

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""How long a PBX may take for one answer."""

DOWNLOAD_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_read=30)
"""How long it may take for a recording, and how long it may fall silent over it."""

SIGN_OUT_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
"""How long Home Assistant may be kept from stopping."""

_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    # PBXs hang up on idle connections without a word; the next question would be lost.
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class Download:
    """What a GET brought.

    `is_whole` is whether HTTP itself told how much there is, so that nothing can be missing.
    """

    body: bytes
    is_whole: bool


class Transport:
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
        """Take what every question needs."""
        self.address = address
        self.session = session
        self._tls = pinned_context(fingerprint, old_tls=old_tls) if fingerprint else True

    async def post(
        self,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, str] | None = None,
        *,
        known: bytes = b"",
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109
    ) -> bytes:
        """Return the body of the answer to one POST: `known` itself, if it is the same again.

        Raises PbxError if there is none, or if its HTTP status already says what it means.
        """
        download = await self._request(
            "POST",
            path,
            query,
            max_bytes=max_bytes,
            timeout=timeout or TIMEOUT,
            data=orjson.dumps(body) if body else None,
            known=known,
        )
        return download.body

    async def get(self, path: str, query: Mapping[str, str], max_bytes: int) -> Download:
        """Return the answer to one GET, which may be large and slow; else as `post`."""
        return await self._request(
            "GET", path, query, max_bytes=max_bytes, timeout=DOWNLOAD_TIMEOUT
        )

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        max_bytes: int,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
        data: bytes | None = None,
        known: bytes = b"",
    ) -> Download:
        limit = ByteLimit()
        try:
            async with self.session.request(
                method,
                (self.address.url / path).with_query(query),
                data=data,
                headers=_HEADERS,
                allow_redirects=False,
                timeout=timeout,
                ssl=self._tls,
                middlewares=(limit,),
            ) as response:
                _check_status(response.status)
                body = await _read(response, max_bytes, known, limit)
                # A body without a length ends with its connection, even if that was broken.
                limit.check()
                return Download(body, is_whole=_is_framed(response))
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            error = _translate(err)
        # Outside the block above: what aiohttp raises quotes what was sent and received, and
        # would stay attached as the context.
        limit.check()
        raise error


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


def _check_status(status: int) -> None:
    match status:
        case 200:
            return
        case 401 | 403:
            raise PbxAuthError(None)
        case _ if 300 <= status < 400:
            raise PbxRedirectError("the answer points elsewhere")
        case _:
            raise PbxReplyError(f"the answer is HTTP {status}")


def _is_framed(response: aiohttp.ClientResponse) -> bool:
    """Tell whether HTTP says where the body ends, else it just ends with the connection."""
    encoding = response.headers.get("Transfer-Encoding", "")
    return "Content-Length" in response.headers or "chunked" in encoding.casefold()


async def _read(
    response: aiohttp.ClientResponse, max_bytes: int, known: bytes, limit: ByteLimit
) -> bytes:
    """Return the body. What it has in common with a known one is compared, and not kept."""
    chunks: list[bytes] = []
    size = common = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise PbxReplyError("the answer is too large")
        limit.extend(len(chunk))
        if not chunks and known.startswith(chunk, common):
            common = size
        else:
            chunks.append(chunk)
    return known if common == size == len(known) else b"".join((known[:common], *chunks))
