"""HTTP requests as this family's API wants them: JSON to `/api/<version>/<path>`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import aiohttp
import orjson

from ..client import Connection
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
"""Replies to logins and the like are a line long."""

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8"}


class Requests:
    """Sends requests to one PBX, without a thought for tokens."""

    def __init__(self, connection: Connection) -> None:
        """Take how to reach the PBX. The API is at the root of its web server."""
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
        known: bytes = b"",
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109
    ) -> bytes:
        """Return the body of the reply to a POST: `known` itself, if it is the same again.

        Raises PbxError if there is none, or if its HTTP status already says what it means.
        """
        response = await self._http.request(
            "POST",
            _path(version, path),
            query=query,
            data=orjson.dumps(body) if body else None,
            headers=_HEADERS,
            known=known,
            max_bytes=max_bytes,
            timeout=timeout,
        )
        _check_status(response.status)
        return response.body

    async def download(
        self, version: ApiVersion, path: str, query: Mapping[str, str]
    ) -> HttpResponse:
        """Return the response to a GET, which may be large and slow; else as `post`."""
        response = await self._http.request(
            "GET",
            _path(version, path),
            query=query,
            headers=_HEADERS,
            max_bytes=MAX_RECORDING_BYTES,
            timeout=DOWNLOAD_TIMEOUT,
        )
        _check_status(response.status)
        return response

    async def ask_without_token(self, version: ApiVersion) -> None:
        """Ask for messages without a token. Raises the PbxError that the reply stands for."""
        body = await self.post(version, "voicemail/query", {"token": ""}, max_bytes=MAX_LIST_BYTES)
        # A PBX that lets anybody in replies with all its messages.
        await asyncio.to_thread(decode, body)


def _path(version: ApiVersion, path: str) -> str:
    return f"api/{version.name}/{path}"


def _check_status(status: int) -> None:
    match status:
        case 200:
            return
        case 401 | 403:
            raise PbxAuthError(None)
        case _:
            raise PbxReplyError(f"the answer is HTTP {status}")
