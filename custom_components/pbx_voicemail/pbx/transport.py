"""One question to a PBX over HTTP, and one answer, whatever is in it."""

from collections.abc import Mapping
from typing import Final

import aiohttp
import orjson

from .address import Address
from .errors import (
    PbxAuthError,
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

_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    # PBXs hang up on idle connections without a word; the next question would be lost.
    "Connection": "close",
}


class Transport:
    """The web server of one PBX. The session is the caller's to close."""

    def __init__(self, session: aiohttp.ClientSession, address: Address) -> None:
        """Take what every question needs."""
        self.address = address
        self._session = session

    async def post(self, path: str, body: Mapping[str, str] | None, **query: str) -> bytes:
        """Return the body of the answer to one POST.

        Raises PbxError if there is none, or if its HTTP status already says what it means.
        """
        data = orjson.dumps(body) if body else None
        return await self._request(
            "POST", path, query, max_bytes=MAX_BYTES, patience=TIMEOUT, data=data
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
    ) -> bytes:
        try:
            async with self._session.request(
                method,
                (self.address.url / path).with_query(query),
                data=data,
                headers=_HEADERS,
                allow_redirects=False,
                timeout=patience,
            ) as response:
                _check_status(response.status)
                return await _read(response, max_bytes)
        except TimeoutError as err:
            raise PbxTimeoutError("the PBX took too long to answer") from err
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


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise PbxReplyError("the answer is too large")
        chunks.append(chunk)
    return b"".join(chunks)
