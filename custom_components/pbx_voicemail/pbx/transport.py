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
        try:
            async with self._session.post(
                (self.address.url / path).with_query(query),
                data=orjson.dumps(body) if body else None,
                headers=_HEADERS,
                allow_redirects=False,
                timeout=TIMEOUT,
            ) as response:
                _check_status(response.status)
                return await _read(response)
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


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BYTES:
            raise PbxReplyError("the answer is too large")
        chunks.append(chunk)
    return b"".join(chunks)
