"""The questions that a PBX answers, and what its answers mean."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Final

import aiohttp
from yarl import URL

from ..address import Address
from ..errors import (
    PbxAuthError,
    PbxConnectionError,
    PbxGoneError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnclearError,
)
from ..http import MAX_LIST_BYTES, Download, Transport
from ..models import (
    DeviceInfo,
    Extension,
    Mailbox,
    Message,
    number_messages,
    read_entries,
    read_extensions,
    read_mailboxes,
)
from .access import Access, Credentials, Refusals
from .dialect import DIALECTS, OPENVOX, YEASTAR, Dialect
from .file_names import Place, find_place
from .moved import Moved
from .reply import JsonObject, decode, text

_NO_SUCH_EXTENSION: Final = "10006"
_NO_SUCH_FILE: Final = "20018"

_NOTHING_THERE: Final = frozenset({None, _NO_SUCH_FILE})
"""The errnos with which a PBX may say that there are no messages."""

MAX_RECORDING_BYTES: Final = 32 * 1024 * 1024
"""A recording over this is not taken: half an hour and more of telephone audio."""

_QUESTIONS: Final = 3
"""How often it is asked for messages while it says that there are none, with ever new tokens."""

_FETCHES: Final = 5
"""How often a recording is fetched while the PBX keeps renaming it."""

_RIFF_HEADER: Final = len("RIFF____WAVE")
_RIFF_SLACK: Final = 16
"""By how many bytes the size in a WAV file may be off: some count its header, or padding."""

_OFF_LOOP: Final = 64 * 1024
"""Replies from this size on, in bytes, are parsed in a thread."""


class PbxClient:
    """The API of one PBX.

    The session is the caller's to close. It should keep no cookies, and reuse no
    connections. `zone` is the one in which the PBX tells dates. `fingerprint`, the SHA-256
    of a certificate in hexadecimal, pins that certificate, and `old_tls` lets it be shown
    by TLS that OpenSSL refuses by default. `has_worked` and `refusals` are what is known
    of the password from earlier. Every call raises a PbxError when it has no answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        credentials: Credentials,
        zone: tzinfo,
        *,
        fingerprint: str | None = None,
        old_tls: bool = False,
        has_worked: bool = False,
        refusals: Refusals | None = None,
        dialects: Sequence[Dialect] = DIALECTS,
        dialect: Dialect | None = None,
    ) -> None:
        """Take what every question needs, and what is known of the dialect."""
        self.address = address
        self.reply_bytes = 0
        """The size of the last answer about mailboxes."""
        self.clock_offset: timedelta | None = None
        """The UTC offset that the PBX's clock shows, None if it shows none that could be."""
        self._transport = Transport(session, address, fingerprint, old_tls=old_tls)
        self._access = Access(
            self._transport,
            credentials,
            dialects,
            dialect,
            has_worked=has_worked,
            refusals=refusals,
        )
        self._dialects = dialects
        self._zone = zone
        self._id_key = b""
        self._selects = True
        self._deleting = asyncio.Lock()
        self._last_body: bytes | None = None
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    def dialect(self) -> Dialect:
        """The dialect that the PBX speaks, once it has been asked something."""
        return self._access.dialect or self._dialects[0]

    async def find_dialect(self) -> None:
        """Find out whether there is a PBX at all, without credentials."""
        await self._access.find_dialect()

    @property
    def web_page(self) -> URL:
        """Where a browser finds the PBX's own pages."""
        url = self.address.url
        return url if self.dialect.shares_web_port else url.with_port(None)

    @property
    def refusals(self) -> Refusals:
        """How many logins were refused in a row; worth keeping for the next start."""
        return self._access.refusals

    def set_id_key(self, key: bytes) -> None:
        """Take the secret, of up to 64 bytes, that goes into the ids of messages."""
        self._id_key = key

    def set_zone(self, zone: tzinfo) -> None:
        """Read dates in another time zone from now on."""
        if zone != self._zone:
            self._zone = zone
            self._last_body, self._mailboxes = None, {}

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
        info = DeviceInfo.read(await self._ask("deviceinfo/query"))
        self.clock_offset = info.clock_offset(datetime.now(UTC))
        return info

    async def find_renamed(
        self, known: Mapping[str, Collection[str]], clock_offset: timedelta | None
    ) -> Mapping[str, str]:
        """Return the messages of the last answer that had another id before, old id to new.

        That happens when the PBX's time zone is changed. `known` are the ids that each
        extension had then, and `clock_offset` is what this client's was, None if it did
        not tell. Asks nothing unless it looks as if messages had moved.
        """
        if self._last_body is None:
            return {}
        moved = await asyncio.to_thread(self._compare, self._last_body, known)
        if not moved.renamed:
            return {}
        try:
            await self.query_device_info()
        except PbxAuthError, PbxLockedError:
            raise
        except PbxRejectedError, PbxReplyError:
            # A PBX may do without it, and then tells no time.
            self.clock_offset = None
        if self.clock_offset is None or clock_offset is None:
            return moved.judge(None)
        return moved.judge(self.clock_offset - clock_offset)

    def _compare(self, body: bytes, known: Mapping[str, Collection[str]]) -> Moved:
        moved = Moved()
        entries = read_entries(decode(body))
        for extension in entries.keys() & known.keys():
            messages = list(number_messages(extension, entries[extension], self._id_key))
            moved.add(extension, messages, known[extension], self._id_key)
        return moved

    async def query_extensions(self) -> tuple[Extension, ...]:
        """Return all extensions, with or without a mailbox (OpenVox UC API, "Query extension list")."""
        return read_extensions(await self._ask("extensionlist/query"))

    async def fetch_recording(self, message: Message) -> bytes:
        """Return the audio of a message as the PBX keeps it, which need not be a WAV file.

        The PBX gives audio out by file name, and may rename its files at any moment. So it
        is asked for the name before and again after: what came under a name that moved
        meanwhile may be another message's, and is thrown away.

        Raises PbxGoneError if the message is not there any more, and PbxUnclearError if it
        can't be told from others.
        """
        place = await self._find(message)
        for _ in range(_FETCHES):
            answer = await self._download(place)
            before, place = place, await self._find(message)
            if place == before:
                if isinstance(answer, PbxRejectedError):
                    # Not as PbxAuthError: the token was good for the question in between.
                    raise PbxRejectedError(answer.errno) from answer
                return answer
        raise PbxUnclearError("the PBX keeps renaming the message")

    async def delete_message(self, message: Message) -> None:
        """Delete a message (OpenVox UC API, "Delete voicemail").

        The PBX deletes by file name, so it is asked for the name right before. Only if it
        renames its files within this one round trip, another message is hit.

        Raises PbxGoneError and PbxUnclearError as `fetch_recording` does.
        """
        # Each deletion renames files, so the next may ask for a name only after it.
        async with self._deleting:
            place = await self._find(message)
            try:
                await self._access.ask_once("voicemail/delete", _decode, place.parameters)
            except PbxAuthError as err:
                # The token was good for the question before: a new one would not help.
                raise PbxRejectedError(err.errno) from err

    async def _find(self, message: Message) -> Place:
        try:
            return await self._access.ask(
                "voicemail/query",
                partial(self._read_place, message),
                {"extid": message.extension} if self._selects else None,
                max_bytes=MAX_LIST_BYTES,
            )
        except PbxRejectedError as err:
            if err.errno in (_NO_SUCH_EXTENSION, _NO_SUCH_FILE):
                raise PbxGoneError("the mailbox is not on the PBX any more") from err
            raise

    async def _read_place(self, message: Message, body: bytes) -> Place:
        def parse() -> Place:
            return find_place(decode(body), message.extension, message.id, self._id_key)

        return parse() if len(body) < _OFF_LOOP else await asyncio.to_thread(parse)

    async def _download(self, place: Place) -> bytes | PbxRejectedError:
        """Return the audio in a place, or the PBX's refusal to give it out.

        OpenVox UC API, "Download voicemail": a random string opens the door once, within
        30 seconds, and only to the address that asked for it.
        """
        try:
            reply = await self._access.ask_once("voicemail/get_random", _decode, place.parameters)
            if not (random := text(reply.get("random"))):
                raise PbxReplyError("the reply has no random string")
            download = await self._access.download(
                "voicemail/download", {**place.parameters, "random": random}, MAX_RECORDING_BYTES
            )
            _check_audio(download)
        except PbxRejectedError as err:
            return err
        return download.body

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
        for _ in range(_QUESTIONS):
            mailboxes = await self._access.ask(
                "voicemail/query",
                self._read,
                body,
                known=self._last_body or b"",
                max_bytes=MAX_LIST_BYTES,
            )
            if mailboxes is not None:
                return mailboxes
            # The same words may also mean that the token is gone: ask what it is good for.
            token = self._access.token
            await self.query_device_info()
            if self._access.token == token:
                self._last_body, self._mailboxes = None, {}
                return self._mailboxes
        # No token lasts, so the PBX has not said that there are no messages.
        raise PbxRejectedError(None)

    async def _read(self, body: bytes) -> Mapping[str, Mailbox] | None:
        """Return the mailboxes in a reply, None if it may mean that there are none."""
        self.reply_bytes = len(body)
        if body is self._last_body:
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
        await self._heed_read_marks()
        return self._mailboxes

    async def _heed_read_marks(self) -> None:
        """Take a PBX that says which messages were heard for a Yeastar.

        It may answer under any version in the path, and so be taken for an OpenVox.
        """
        if self._access.dialect is OPENVOX and any(
            mailbox.latest and mailbox.latest.read is not None
            for mailbox in self._mailboxes.values()
        ):
            await self._access.try_dialect(YEASTAR)

    def _parse(self, body: bytes) -> Mapping[str, Mailbox]:
        return read_mailboxes(decode(body), self._zone, self._mailboxes, self._id_key)

    async def _ask(self, path: str) -> JsonObject:
        return await self._access.ask(path, _decode, type="json")


async def _decode(body: bytes) -> JsonObject:
    return decode(body)


def _check_audio(download: Download) -> None:
    """Raise what a body means that is no recording, or only the beginning of one."""
    body = download.body
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        decode(body)
    if not start or start.startswith((b"{", b"[", b"<")):
        raise PbxReplyError("the answer is not a recording")
    if not body.startswith(b"RIFF"):
        return
    size = int.from_bytes(body[4:8], "little")
    # PBXs that write the header first tell some size that no recording has.
    misses_more = len(body) + _RIFF_SLACK < size <= MAX_RECORDING_BYTES
    if len(body) < _RIFF_HEADER or (misses_more and not download.is_whole):
        raise PbxConnectionError("the PBX hung up within the recording")
