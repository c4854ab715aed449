"""One question to a PBX over HTTP, and one answer, whatever is in it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import aiohttp
import orjson

from .address import Address
from .errors import (
    PbxAuthError,
    PbxCertificateError,
    PbxConnectionError,
    PbxRedirectError,
    PbxReplyError,
    PbxTimeoutError,
    PbxTlsError,
)
from .reply import MAX_BYTES

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""How long a PBX may take for one answer."""

DOWNLOAD_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_read=30)
"""How long it may take for a recording, and how long it may fall silent over it."""

_HANDSHAKE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
"""How long a port may take to show a certificate. Some that speak no TLS just stay silent."""

_NO_FINGERPRINT: Final = bytes(32)
"""Matches no certificate, so that nothing is ever sent behind it."""

_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    # PBXs hang up on idle connections without a word; the next question would be lost.
    "Connection": "close",
}


class Transport:
    """The web server of one PBX. The session is the caller's to close.

    With a `fingerprint`, the SHA-256 of a certificate in hexadecimal, that certificate is
    trusted and no other, whoever signed it. Without, the session decides.
    """

    def __init__(
        self, session: aiohttp.ClientSession, address: Address, fingerprint: str | None
    ) -> None:
        """Take what every question needs."""
        self.address = address
        self._session = session
        self._trust = aiohttp.Fingerprint(bytes.fromhex(fingerprint)) if fingerprint else True

    async def fetch_fingerprint(self) -> str | None:
        """Return the fingerprint of the certificate shown at this address, None if it is not TLS.

        No request is sent, and any certificate will do.
        """
        try:
            await self._session.head(
                replace(self.address, tls=True).url,
                allow_redirects=False,
                timeout=_HANDSHAKE_TIMEOUT,
                ssl=aiohttp.Fingerprint(_NO_FINGERPRINT),
            )
        except aiohttp.ServerFingerprintMismatch as err:
            return err.got.hex()
        except TimeoutError, aiohttp.ClientError, OSError:
            pass
        return None

    async def post(
        self, path: str, body: Mapping[str, str] | None, known: bytes = b"", **query: str
    ) -> bytes:
        """Return the body of the answer to one POST: `known` itself, if it is the same again.

        Raises PbxError if there is none, or if its HTTP status already says what it means.
        """
        data = orjson.dumps(body) if body else None
        return await self._request(
            "POST", path, query, max_bytes=MAX_BYTES, patience=TIMEOUT, data=data, known=known
        )

    async def get(self, path: str, query: Mapping[str, str], max_bytes: int) -> bytes:
        """Return the body of the answer to one GET, which may be large and slow; else as `post`."""
        return await self._request(
            "GET", path, query, max_bytes=max_bytes, patience=DOWNLOAD_TIMEOUT
        )

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        max_bytes: int,
        patience: aiohttp.ClientTimeout,
        data: bytes | None = None,
        known: bytes = b"",
    ) -> bytes:
        try:
            async with self._session.request(
                method,
                (self.address.url / path).with_query(query),
                data=data,
                headers=_HEADERS,
                allow_redirects=False,
                timeout=patience,
                ssl=self._trust,
            ) as response:
                _check_status(response.status)
                return await _read(response, max_bytes, known)
        except TimeoutError as err:
            raise PbxTimeoutError("the PBX took too long to answer") from err
        except aiohttp.ServerFingerprintMismatch as err:
            raise PbxCertificateError("the certificate is not the one that is trusted") from err
        except aiohttp.ClientSSLError as err:
            raise PbxTlsError("no trusted TLS connection came about") from err
        except aiohttp.ClientResponseError as err:
            # It holds the URL, hence the token; what it comes from says as much without.
            raise PbxReplyError("the answer is not HTTP") from err.__cause__
        except (aiohttp.ClientError, OSError) as err:
            raise PbxConnectionError("the PBX could not be reached") from err


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


async def _read(response: aiohttp.ClientResponse, max_bytes: int, known: bytes) -> bytes:
    """Return the body. What it has in common with a known one is compared, and not kept."""
    chunks: list[bytes] = []
    size = common = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise PbxReplyError("the answer is too large")
        if not chunks and known.startswith(chunk, common):
            common = size
        else:
            chunks.append(chunk)
    return known if common == size == len(known) else b"".join((known[:common], *chunks))
