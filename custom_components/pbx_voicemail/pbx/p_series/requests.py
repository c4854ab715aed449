"""Sends HTTP requests to the API: to `/openapi/v1.0/<path>`, with a token in the query."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import orjson

from ..client import Connection
from ..errors import PbxAuthError, PbxReplyError
from ..http import (
    DOWNLOAD_TIMEOUT,
    MAX_RECORDING_BYTES,
    MAX_REPLY_BYTES,
    HttpClient,
    HttpResponse,
    WebSocket,
)

MAX_SHORT_BYTES: Final = 64 * 1024
"""The size limit of replies that should only be a line long, as to a login."""

_API: Final = "openapi/v1.0"

_HEADERS: Final = {
    # The PBX requires one on every request; the guide has this one ("Request Structure").
    "User-Agent": "OpenAPI",
}
_JSON: Final = {"Content-Type": "application/json"}

type Query = Mapping[str, str]
type Body = Mapping[str, str | int]


class Requests:
    """Sends requests to one PBX. The caller adds a token if one is needed."""

    def __init__(self, connection: Connection) -> None:
        """Use a connection. A path in its address is that of a proxy."""
        self._http = HttpClient(
            connection.session,
            connection.address,
            connection.fingerprint,
            old_tls=connection.old_tls,
        )
        self.count = 0
        """How many requests have been sent."""

    async def ask(
        self,
        path: str,
        query: Query | None = None,
        body: Body | None = None,
        *,
        known: bytes = b"",
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109
    ) -> bytes:
        """Return the body of the response: to a POST if there is a body, else to a GET.

        It is `known` itself if they are equal. Raises PbxError if there is no response, or if
        its HTTP status is an error.
        """
        self.count += 1
        response = await self._http.request(
            "GET" if body is None else "POST",
            f"{_API}/{path}",
            query=query,
            data=None if body is None else orjson.dumps(body),
            headers=_HEADERS if body is None else {**_HEADERS, **_JSON},
            max_bytes=max_bytes,
            timeout=timeout,
        )
        _check_status(response.status)
        return known if response.body == known else response.body

    async def download(self, path: str, query: Query) -> HttpResponse:
        """Return the response to a GET outside the API, which may be large and slow."""
        self.count += 1
        response = await self._http.request(
            "GET",
            path,
            query=query,
            headers=_HEADERS,
            max_bytes=MAX_RECORDING_BYTES,
            timeout=DOWNLOAD_TIMEOUT,
        )
        _check_status(response.status)
        return response

    @asynccontextmanager
    async def websocket(self, path: str, query: Query) -> AsyncIterator[WebSocket]:
        """Keep a WebSocket open. Raises PbxError if the PBX does not open it."""
        self.count += 1
        async with self._http.websocket(f"{_API}/{path}", query=query, headers=_HEADERS) as socket:
            yield socket


def _check_status(status: int) -> None:
    match status:
        case 200:
            return
        case 400 | 401 | 403:
            raise PbxAuthError(None)
        case _:
            raise PbxReplyError(f"the answer is HTTP {status}")
