"""Sends HTTP requests to the API: JSON to `/api/<version>/<path>`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import aiohttp
import orjson

from ..client import Connection
from ..comparison import KnownBody
from ..errors import PbxAuthError, PbxReplyError
from ..http import (
    DOWNLOAD_TIMEOUT,
    MAX_LIST_BYTES,
    MAX_RECORDING_BYTES,
    MAX_REPLY_BYTES,
    HttpClient,
    HttpResponse,
)
from .reply import decode
from .versions import ApiVersion

MAX_SHORT_BYTES: Final = 64 * 1024
"""The size limit of replies that should only be a line long, as to a login."""

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}


class Requests:
    """Sends requests to one PBX. The caller adds a token if one is needed."""

    def __init__(self, connection: Connection) -> None:
        """Use a connection. The path in its address is ignored: the API has a fixed one."""
        self._http = HttpClient(
            connection.session,
            replace(connection.address, path=""),
            connection.fingerprint,
            old_tls=connection.old_tls,
        )

    async def post(
        self,
        version: ApiVersion,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, str] | None = None,
        *,
        known: KnownBody | None = None,
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109
    ) -> HttpResponse:
        """Return the response to a POST. Its body is compared with a known one.

        Raises PbxError if there is no response, or if its HTTP status is an error.
        """
        response = await self._http.request(
            "POST",
            _full_path(version, path),
            query=query,
            data=orjson.dumps(body) if body else None,
            headers=_HEADERS,
            known=known,
            max_bytes=max_bytes,
            timeout=timeout,
        )
        _check_status(response.status)
        return response

    async def download(
        self, version: ApiVersion, path: str, query: Mapping[str, str]
    ) -> HttpResponse:
        """Return the response to a GET, which may be large and slow. Raises the errors of `post`."""
        response = await self._http.request(
            "GET",
            _full_path(version, path),
            query=query,
            headers=_HEADERS,
            max_bytes=MAX_RECORDING_BYTES,
            timeout=DOWNLOAD_TIMEOUT,
        )
        _check_status(response.status)
        return response

    async def query_without_token(self, version: ApiVersion) -> None:
        """Query messages without a token. Raises the PbxError in the reply."""
        response = await self.post(
            version, "voicemail/query", {"token": ""}, max_bytes=MAX_LIST_BYTES
        )
        # A PBX that needs no token replies with all its messages.
        await asyncio.to_thread(decode, response.body)


def _full_path(version: ApiVersion, path: str) -> str:
    return f"api/{version.name}/{path}"


def _check_status(status: int) -> None:
    match status:
        case 200:
            return
        case 401 | 403:
            raise PbxAuthError(None)
        case _:
            raise PbxReplyError(f"the answer is HTTP {status}")
