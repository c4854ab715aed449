"""The client for OpenVox UC and for Yeastar's S-Series, K2 and Cloud PBXs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, override

from yarl import URL

from ..address import Address
from ..client import Capability, Connection, PbxClient
from ..errors import PbxAuthError, PbxLockedError, PbxNotReadyError, PbxRejectedError, PbxReplyError
from ..http import MAX_LIST_BYTES
from ..models import Extension, Mailbox, Message, PbxInfo
from .api import Api
from .clock import find_fault
from .device_info import DeviceInfo
from .mailboxes import ReadMailbox, number_messages, read_entries, read_extensions, read_mailboxes
from .message_files import MessageFiles
from .moved import Moved
from .reply import NO_SUCH_EXTENSION, NO_SUCH_FILE, OFF_LOOP_BYTES, JsonObject, decode, decode_now
from .versions import API_VERSIONS, OPENVOX, YEASTAR, ApiVersion

_NO_MESSAGES: Final = frozenset({None, NO_SUCH_FILE})
"""The errnos with which a PBX may say that there are no messages."""

_QUERIES: Final = 3
"""How often it is asked for messages while it says that there are none, with ever new tokens."""

_LASTING_REFUSALS: Final = 3
"""After so many refusals in a row that nobody can explain, a person has to know."""

_CAPABILITIES: Final = (
    Capability.DELETE
    | Capability.RECORDINGS
    | Capability.EXTENSION_LIST
    | Capability.LOCAL_CLOCK
    | Capability.BARE_TOKEN
)


class SSeriesClient(PbxClient):
    """One PBX of this family."""

    def __init__(self, connection: Connection) -> None:
        """Take how to reach the PBX, and what is known of it from earlier."""
        self._address = connection.address
        self._api = Api(connection)
        self._files = MessageFiles(self._api, connection.id_key)
        self._id_key = connection.id_key
        self._zone = connection.time_zone
        self._info = PbxInfo()
        self._clock_offset: timedelta | None = None
        self._selects = True
        """Whether the PBX can be asked for some extensions alone."""
        self._refusals = self._token_refusals = 0
        self._last_body: bytes | None = None
        self._read_before: Mapping[str, ReadMailbox] = {}
        self._mailboxes: Mapping[str, Mailbox] = {}

    @property
    @override
    def address(self) -> Address:
        return self._address

    @property
    @override
    def capabilities(self) -> Capability:
        if self._version.has_read_state:
            return _CAPABILITIES | Capability.READ_STATE
        return _CAPABILITIES

    @override
    async def info(self) -> PbxInfo:
        device = await _if_offered(self._ask_device_info)
        if device is None:
            return replace(
                self._info,
                manufacturer=self._info.manufacturer or self._version.manufacturer,
                web_page=self._web_page,
                clock_fault=None,
            )
        fault = None
        if device.system_time:
            fault = find_fault(device.system_time, self._zone, datetime.now(UTC))
        self._info = PbxInfo(
            manufacturer=device.manufacturer or self._version.manufacturer,
            model=device.model,
            serial_number=device.serial_number,
            hardware_version=device.hardware_version,
            firmware_version=device.firmware_version,
            web_page=self._web_page,
            clock_fault=fault,
        )
        return self._info

    @override
    async def extensions(self) -> tuple[Extension, ...] | None:
        """Return all extensions (OpenVox UC API, "Query extension list")."""
        reply = await _if_offered(lambda: self._ask("extensionlist/query"))
        return None if reply is None else read_extensions(reply)

    @override
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages (OpenVox UC API, "Query voicemail").

        One request, whose reply is compared with the last one before it is parsed.
        """
        try:
            mailboxes = await self._query_selected(only)
        except PbxRejectedError as err:
            await self._count_refusal(err)
            raise
        self._refusals = self._token_refusals = 0
        if not only or mailboxes.keys() <= set(only):
            return mailboxes
        return {number: mailboxes[number] for number in only if number in mailboxes}

    @override
    async def recording(self, message: Message) -> bytes:
        return await self._files.download(message, selects=self._selects)

    @override
    async def delete(self, message: Message) -> None:
        await self._files.delete(message, selects=self._selects)

    @override
    async def close(self) -> None:
        await self._api.sign_out()

    @override
    def remember(self) -> Mapping[str, str]:
        return self._api.remember()

    @override
    def describe(self) -> Mapping[str, object]:
        return {"api": self._version.name, "shows_clock": self._clock_offset is not None}

    @property
    @override
    def id_context(self) -> str | None:
        """The UTC offset that the PBX's clock shows, in seconds: dates are part of ids."""
        if self._clock_offset is None:
            return None
        return str(int(self._clock_offset.total_seconds()))

    @override
    async def find_renamed(
        self, known: Mapping[str, Collection[str]], id_context: str | None
    ) -> Mapping[str, str]:
        """Return messages that had another id before the PBX's time zone was changed.

        Asks nothing unless it looks as if messages had moved.
        """
        if self._last_body is None:
            return {}
        moved = await asyncio.to_thread(self._compare, self._last_body, known)
        if not moved.renamed:
            return {}
        if await _if_offered(self._ask_device_info) is None:
            self._clock_offset = None
        if self._clock_offset is None or id_context is None:
            return moved.judge(None)
        return moved.judge(self._clock_offset - timedelta(seconds=int(id_context)))

    @override
    def set_time_zone(self, zone: tzinfo) -> None:
        if zone != self._zone:
            self._zone = zone
            self._forget_mailboxes()

    @property
    def _version(self) -> ApiVersion:
        return self._api.version or API_VERSIONS[0]

    @property
    def _web_page(self) -> URL:
        """Where a browser finds the PBX's own pages."""
        url = replace(self._address, path="").url
        return url if self._version.shares_web_port else url.with_port(None)

    def _compare(self, body: bytes, known: Mapping[str, Collection[str]]) -> Moved:
        moved = Moved()
        entries = read_entries(decode(body))
        for extension in entries.keys() & known.keys():
            messages = list(number_messages(extension, entries[extension], self._id_key))
            moved.add(extension, messages, known[extension], self._id_key)
        return moved

    def _forget_mailboxes(self) -> None:
        self._last_body, self._read_before, self._mailboxes = None, {}, {}

    async def _count_refusal(self, refusal: PbxRejectedError) -> None:
        """Mark the third refusal in a row that nobody can explain, or raise what it means.

        OpenVox does not document its errnos, so an expired token may go by any of them: it
        does if the PBX refuses everything else with it, too. A token that came from a login
        has been renewed by then. Raises PbxAuthError, which is not certain.
        """
        if isinstance(refusal, PbxAuthError | PbxLockedError | PbxNotReadyError):
            return
        self._refusals += 1
        is_token = not self._api.has_user and await self._refuses_all(refusal)
        self._token_refusals = self._token_refusals + 1 if is_token else 0
        if self._token_refusals >= _LASTING_REFUSALS:
            raise PbxAuthError(refusal.errno, is_certain=False) from refusal
        refusal.is_lasting = self._refusals >= _LASTING_REFUSALS and not is_token

    async def _refuses_all(self, refusal: PbxRejectedError) -> bool:
        try:
            await self._ask_device_info()
        except PbxRejectedError as err:
            return err.errno == refusal.errno
        return False

    async def _query_selected(self, extensions: Collection[str]) -> Mapping[str, Mailbox]:
        if extensions and self._selects:
            try:
                return await self._query_mailboxes({"extid": ",".join(extensions)})
            except PbxRejectedError as err:
                if err.errno != NO_SUCH_EXTENSION:
                    raise
                # One that the PBX does not have any more must not cost the others.
                self._selects = False
        return await self._query_mailboxes(None)

    async def _query_mailboxes(self, body: Mapping[str, str] | None) -> Mapping[str, Mailbox]:
        for _ in range(_QUERIES):
            mailboxes = await self._api.ask(
                "voicemail/query",
                self._read,
                body,
                known=self._last_body or b"",
                max_bytes=MAX_LIST_BYTES,
            )
            if mailboxes is not None:
                return mailboxes
            # The same words may also mean that the token has expired: ask what it is good for.
            token = self._api.token
            await self._ask_device_info()
            if self._api.token == token:
                self._forget_mailboxes()
                return self._mailboxes
        # No token lasts, so the PBX has not said that there are no messages.
        raise PbxRejectedError(None)

    async def _read(self, body: bytes) -> Mapping[str, Mailbox] | None:
        """Return the mailboxes in a reply, None if it may mean that there are none."""
        self.reply_bytes = len(body)
        if body is self._last_body:
            return self._mailboxes
        try:
            if len(body) < OFF_LOOP_BYTES:
                self._read_before = self._parse(body)
            else:
                self._read_before = await asyncio.to_thread(self._parse, body)
        except PbxRejectedError as err:
            if err.errno in _NO_MESSAGES:
                return None
            raise
        self._mailboxes = {number: read.mailbox for number, read in self._read_before.items()}
        self._last_body = body
        await self._notice_read_states()
        return self._mailboxes

    def _parse(self, body: bytes) -> Mapping[str, ReadMailbox]:
        return read_mailboxes(decode(body), self._zone, self._read_before, self._id_key)

    async def _notice_read_states(self) -> None:
        """Take a PBX that says which messages were heard for a Yeastar.

        It may answer under any version in the path, and so be taken for an OpenVox.
        """
        if self._api.version is OPENVOX and any(
            mailbox.latest and mailbox.latest.read is not None
            for mailbox in self._mailboxes.values()
        ):
            await self._api.try_version(YEASTAR)

    async def _ask_device_info(self) -> DeviceInfo:
        """Return a reply to `deviceinfo/query` (OpenVox UC API, "Query device information")."""
        info = DeviceInfo.read(await self._ask("deviceinfo/query"))
        self._clock_offset = info.clock_offset(datetime.now(UTC))
        return info

    async def _ask(self, path: str) -> JsonObject:
        return await self._api.ask(path, decode_now, type="json")


async def _if_offered[AnswerT](query: Callable[[], Awaitable[AnswerT]]) -> AnswerT | None:
    """Return the answer to a query that a PBX may do without, None if it does."""
    try:
        return await query()
    except PbxAuthError, PbxLockedError:
        raise
    except PbxRejectedError, PbxReplyError:
        return None
