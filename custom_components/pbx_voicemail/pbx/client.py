"""Asks a PBX over HTTP, and answers with models or with the errors of this library."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import tzinfo
from typing import Final

import aiohttp
import orjson

from .address import Address
from .dialect import OPENVOX
from .errors import (
    PbxAuthError,
    PbxConnectionError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxTimeoutError,
    PbxTlsError,
)
from .models import DeviceInfo, Extension, Mailbox, read_extensions, read_mailboxes
from .reply import MAX_BYTES, JsonObject, decode

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""How long a PBX may take for one answer."""
_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    # PBXs hang up on idle connections without a word; the next question would be lost.
    "Connection": "close",
}

_NOTHING_THERE: Final = frozenset({None, "20018"})
"""The errnos with which a PBX may say that there are no messages (20018: no such file)."""

_OFF_LOOP: Final = 64 * 1024
"""Replies from this size on, in bytes, are parsed in a thread."""


class PbxClient:
    """The API of one PBX, by a token that its owner got from it.

    The session is the caller's to close. It should keep no cookies. `zone` is the one in
    which the PBX tells dates. Every call raises a PbxError when it has no answer.
    """

    dialect = OPENVOX

    def __init__(
        self, session: aiohttp.ClientSession, address: Address, token: str, zone: tzinfo
    ) -> None:
        """Take what every question needs."""
        self.address = address
        self._session = session
        self._token = token
        self._zone = zone
        self._last_body: bytes | None = None
        self._mailboxes: Mapping[str, Mailbox] = {}

    async def query_mailboxes(self, extensions: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages, of some extensions or, with none, of all.

        One request (OpenVox UC API, "Query voicemail"). A mailbox that did not change since
        the last answer is the very object given then, and so is the whole if nothing did.
        """
        body = {"extid": ",".join(extensions)} if extensions else None
        reply = await self._post("voicemail/query", body)
        if reply == self._last_body:
            return self._mailboxes
        try:
            if len(reply) < _OFF_LOOP:
                self._mailboxes = self._read_mailboxes(reply)
            else:
                self._mailboxes = await asyncio.to_thread(self._read_mailboxes, reply)
            self._last_body = reply
        except PbxRejectedError as err:
            if err.errno not in _NOTHING_THERE:
                raise
            # The same words may also mean that the token is gone: ask what it is good for.
            await self.query_device_info()
            self._last_body, self._mailboxes = None, {}
        return self._mailboxes

    async def query_device_info(self) -> DeviceInfo:
        """Return what the PBX tells about itself (OpenVox UC API, "Query device information")."""
        return DeviceInfo.read(await self._ask("deviceinfo/query"))

    async def query_extensions(self) -> tuple[Extension, ...]:
        """Return all extensions, with or without a mailbox (OpenVox UC API, "Query extension list")."""
        return read_extensions(await self._ask("extensionlist/query"))

    def _read_mailboxes(self, reply: bytes) -> Mapping[str, Mailbox]:
        return read_mailboxes(decode(reply), self._zone, self._mailboxes)

    async def _ask(self, path: str) -> JsonObject:
        return decode(await self._post(path, type="json"))

    async def _post(self, path: str, body: Mapping[str, str] | None = None, **query: str) -> bytes:
        """Return the body of the answer, whatever it is."""
        url = self.address.url / "api" / self.dialect.version / path
        try:
            async with self._session.post(
                url.with_query(token=self._token, **query),
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
