"""The questions that a PBX answers, and what its answers mean."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo
from typing import Final

import aiohttp

from .access import Access, Credentials
from .address import Address
from .dialect import DIALECTS, Dialect
from .errors import PbxRejectedError
from .models import DeviceInfo, Extension, Mailbox, read_extensions, read_mailboxes
from .reply import JsonObject, decode
from .transport import Transport

_NOTHING_THERE: Final = frozenset({None, "20018"})
"""The errnos with which a PBX may say that there are no messages (20018: no such file)."""

_NO_SUCH_EXTENSION: Final = "10006"

_OFF_LOOP: Final = 64 * 1024
"""Replies from this size on, in bytes, are parsed in a thread."""


class PbxClient:
    """The API of one PBX.

    The session is the caller's to close. It should keep no cookies. `zone` is the one in
    which the PBX tells dates. Every call raises a PbxError when it has no answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        credentials: Credentials,
        zone: tzinfo,
        *,
        dialects: Sequence[Dialect] = DIALECTS,
        dialect: Dialect | None = None,
    ) -> None:
        """Take what every question needs, and what is known of the dialect."""
        self.address = address
        self.reply_bytes = 0
        """The size of the last answer about mailboxes."""
        self._access = Access(Transport(session, address), credentials, dialects, dialect)
        self._dialects = dialects
        self._zone = zone
        self._selects = True
        self._last_body: bytes | None = None
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    def dialect(self) -> Dialect:
        """The dialect that the PBX speaks, once it has been asked something."""
        return self._access.dialect or self._dialects[0]

    async def find_dialect(self) -> None:
        """Find out whether there is a PBX at all, without credentials."""
        await self._access.find_dialect()

    async def sign_out(self) -> None:
        """Give back a token that was got by a login."""
        await self._access.sign_out()

    async def query_mailboxes(self, extensions: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages, of some extensions or, with none, of all.

        One request (OpenVox UC API, "Query voicemail"). A mailbox that did not change since
        the last answer is the very object given then, and so is the whole if nothing did.
        """
        mailboxes = await self._query_selected(extensions)
        if not extensions or mailboxes.keys() <= set(extensions):
            return mailboxes
        return {number: mailboxes[number] for number in extensions if number in mailboxes}

    async def query_device_info(self) -> DeviceInfo:
        """Return what the PBX tells about itself (OpenVox UC API, "Query device information")."""
        return DeviceInfo.read(await self._ask("deviceinfo/query"))

    async def query_extensions(self) -> tuple[Extension, ...]:
        """Return all extensions, with or without a mailbox (OpenVox UC API, "Query extension list")."""
        return read_extensions(await self._ask("extensionlist/query"))

    async def _query_selected(self, extensions: Collection[str]) -> Mapping[str, Mailbox]:
        if extensions and self._selects:
            try:
                return await self._query_mailboxes({"extid": ",".join(extensions)})
            except PbxRejectedError as err:
                if err.errno != _NO_SUCH_EXTENSION:
                    raise
                # One that the PBX does not have any more must not cost the others.
                self._selects = False
        return await self._query_mailboxes(None)

    async def _query_mailboxes(self, body: Mapping[str, str] | None) -> Mapping[str, Mailbox]:
        while True:
            mailboxes = await self._access.ask("voicemail/query", self._read, body)
            if mailboxes is not None:
                return mailboxes
            # The same words may also mean that the token is gone: ask what it is good for.
            token = self._access.token
            await self.query_device_info()
            if self._access.token == token:
                self._last_body, self._mailboxes = None, {}
                return self._mailboxes

    async def _read(self, body: bytes) -> Mapping[str, Mailbox] | None:
        """Return the mailboxes in a reply, None if it may mean that there are none."""
        self.reply_bytes = len(body)
        if body == self._last_body:
            return self._mailboxes
        try:
            if len(body) < _OFF_LOOP:
                self._mailboxes = self._parse(body)
            else:
                self._mailboxes = await asyncio.to_thread(self._parse, body)
        except PbxRejectedError as err:
            if err.errno in _NOTHING_THERE:
                return None
            raise
        self._last_body = body
        return self._mailboxes

    def _parse(self, body: bytes) -> Mapping[str, Mailbox]:
        return read_mailboxes(decode(body), self._zone, self._mailboxes)

    async def _ask(self, path: str) -> JsonObject:
        return await self._access.ask(path, _decode, type="json")


async def _decode(body: bytes) -> JsonObject:
    return decode(body)
