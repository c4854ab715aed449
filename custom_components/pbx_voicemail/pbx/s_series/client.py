"""The client for OpenVox UC and for Yeastar's S-Series, K2 and Cloud PBXs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Final, override

from yarl import URL

from ..address import Address
from ..client import Capability, Connection, PbxClient
from ..comparison import KnownBody
from ..errors import PbxAuthError, PbxLockedError, PbxNotReadyError, PbxRejectedError, PbxReplyError
from ..http import MAX_LIST_BYTES, HttpResponse
from ..json_values import OFF_LOOP_BYTES, JsonObject
from ..models import Extension, Mailbox, Message, PbxInfo
from .api import Api
from .changes import ParsedReply, read_reply
from .clock import find_fault
from .device_info import DeviceInfo
from .mailboxes import number_messages, read_entries, read_extensions
from .message_files import MessageFiles
from .reply import NO_SUCH_EXTENSION, NO_SUCH_FILE, decode, decode_short
from .shifted_dates import ShiftedDates
from .versions import API_VERSIONS, OPENVOX, YEASTAR, ApiVersion

_NO_MESSAGES: Final = frozenset({None, NO_SUCH_FILE})
"""The errnos with which a PBX may say that there are no messages."""

_MAX_QUERIES: Final = 3
"""How often messages are queried while the reply may mean that the token has expired."""

_LASTING_REFUSALS: Final = 3
"""After so many refusals in a row for an unknown reason, the user has to act."""

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
        """Use a connection. Nothing is requested yet."""
        self._address = connection.address
        self._api = Api(connection)
        self._files = MessageFiles(self._api, connection.id_key)
        self._id_key = connection.id_key
        self._zone = connection.time_zone
        self._info = PbxInfo()
        self._clock_offset: timedelta | None = None
        self._can_filter = True
        """Whether messages of some extensions can be queried alone."""
        self._refusals = self._token_refusals = 0
        self._last = ParsedReply()
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
        device = await _none_if_unsupported(self._query_device_info)
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
            mac_address=device.mac_address,
        )
        return self._info

    @override
    async def extensions(self) -> tuple[Extension, ...] | None:
        """Return all extensions (OpenVox UC API, "Query extension list")."""
        reply = await _none_if_unsupported(lambda: self._query("extensionlist/query"))
        return None if reply is None else read_extensions(reply)

    @override
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages (OpenVox UC API, "Query voicemail").

        It takes one request, whose reply is only parsed if it differs from the last one.
        """
        try:
            mailboxes = await self._query_extensions(only)
        except PbxRejectedError as err:
            await self._count_refusal(err)
            raise
        self._refusals = self._token_refusals = 0
        if not only or mailboxes.keys() <= set(only):
            return mailboxes
        return {number: mailboxes[number] for number in only if number in mailboxes}

    @override
    async def recording(self, message: Message) -> bytes:
        return await self._files.download(message, can_filter=self._can_filter)

    @override
    async def delete(self, message: Message) -> None:
        await self._files.delete(message, can_filter=self._can_filter)

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
        """The UTC offset of the PBX's clock in seconds, since ids are made of local dates."""
        if self._clock_offset is None:
            return None
        return str(int(self._clock_offset.total_seconds()))

    @override
    async def find_renamed(
        self, known: Mapping[str, Collection[str]], id_context: str | None
    ) -> Mapping[str, str]:
        """Return messages that had another id before the PBX's time zone was changed.

        The PBX is only queried if dates seem to have been shifted.
        """
        if not self._last.body.size:
            return {}
        dates = await asyncio.to_thread(self._compare_dates, self._last.body, known)
        if not dates.candidates:
            return {}
        if await _none_if_unsupported(self._query_device_info) is None:
            self._clock_offset = None
        if self._clock_offset is None or id_context is None:
            return dates.renamed(None)
        return dates.renamed(self._clock_offset - timedelta(seconds=int(id_context)))

    @override
    def set_time_zone(self, zone: tzinfo) -> None:
        if zone != self._zone:
            self._zone = zone
            self._clear_mailboxes()

    @property
    def _version(self) -> ApiVersion:
        return self._api.version or API_VERSIONS[0]

    @property
    def _web_page(self) -> URL:
        """The URL of the PBX's web interface."""
        url = replace(self._address, path="").url
        return url if self._version.shares_web_port else url.with_port(None)

    def _compare_dates(self, body: KnownBody, known: Mapping[str, Collection[str]]) -> ShiftedDates:
        dates = ShiftedDates()
        entries = read_entries(decode(b"".join(body.parts)))
        for extension in entries.keys() & known.keys():
            messages = list(number_messages(extension, entries[extension], self._id_key))
            dates.add(extension, messages, known[extension], self._id_key)
        return dates

    def _clear_mailboxes(self) -> None:
        self._last, self._mailboxes = ParsedReply(), {}

    async def _count_refusal(self, refusal: PbxRejectedError) -> None:
        """Mark a refusal as lasting if it is the third in a row for an unknown reason.

        OpenVox does not document its errnos. If everything else is refused with the same errno,
        the token may have expired, and this raises PbxAuthError, which is not certain. A token
        from a login has been renewed before, so then it is not the token.
        """
        if isinstance(refusal, PbxAuthError | PbxLockedError | PbxNotReadyError):
            return
        self._refusals += 1
        is_token = not self._api.has_user and await self._refuses_everything(refusal)
        self._token_refusals = self._token_refusals + 1 if is_token else 0
        if self._token_refusals >= _LASTING_REFUSALS:
            raise PbxAuthError(refusal.errno, is_certain=False) from refusal
        refusal.is_lasting = self._refusals >= _LASTING_REFUSALS and not is_token

    async def _refuses_everything(self, refusal: PbxRejectedError) -> bool:
        try:
            await self._query_device_info()
        except PbxRejectedError as err:
            return err.errno == refusal.errno
        return False

    async def _query_extensions(self, extensions: Collection[str]) -> Mapping[str, Mailbox]:
        """Return at least the mailboxes of some extensions, or all if none are given."""
        if extensions and self._can_filter:
            try:
                return await self._query_mailboxes({"extid": ",".join(extensions)})
            except PbxRejectedError as err:
                if err.errno != NO_SUCH_EXTENSION:
                    raise
                # If one extension does not exist, the PBX refuses to list the others.
                self._can_filter = False
        return await self._query_mailboxes(None)

    async def _query_mailboxes(self, body: Mapping[str, str] | None) -> Mapping[str, Mailbox]:
        for _ in range(_MAX_QUERIES):
            mailboxes = await self._api.request(
                "voicemail/query",
                self._read_mailboxes,
                body,
                known=self._last.body,
                max_bytes=MAX_LIST_BYTES,
            )
            if mailboxes is not None:
                return mailboxes
            # The same reply may mean that the token has expired. This request renews it then.
            token = self._api.token
            await self._query_device_info()
            if self._api.token == token:
                self._clear_mailboxes()
                return self._mailboxes
        # Each token has expired at once, so it is unknown whether there are messages.
        raise PbxRejectedError(None)

    async def _read_mailboxes(self, response: HttpResponse) -> Mapping[str, Mailbox] | None:
        """Return the mailboxes in a reply, None if it may mean that there are no messages."""
        difference = response.difference
        self.reply_bytes = difference.size
        if self._last.body.size and difference.known is self._last.body and difference.is_none:
            return self._mailboxes
        zone = self._zone
        parse = partial(read_reply, difference, self._last, zone, self._id_key)
        try:
            if difference.size < OFF_LOOP_BYTES:
                self._last = parse()
            else:
                self._last = await asyncio.to_thread(parse)
        except PbxRejectedError as err:
            if err.errno in _NO_MESSAGES:
                return None
            raise
        mailboxes = {number: parsed.mailbox for number, parsed in self._last.mailboxes.items()}
        self._mailboxes = mailboxes
        if self._zone != zone:
            # It was changed in the meantime, so the same reply has to be read again.
            self._clear_mailboxes()
        await self._detect_yeastar(mailboxes)
        return mailboxes

    async def _detect_yeastar(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Switch to Yeastar's version if messages say whether they are read.

        Some Yeastar PBXs answer requests in any version, so they were taken for an OpenVox.
        """
        if self._api.version is OPENVOX and any(
            mailbox.latest and mailbox.latest.read is not None for mailbox in mailboxes.values()
        ):
            await self._api.try_version(YEASTAR)

    async def _query_device_info(self) -> DeviceInfo:
        """Return a reply to `deviceinfo/query` (OpenVox UC API, "Query device information")."""
        info = DeviceInfo.parse(await self._query("deviceinfo/query"))
        self._clock_offset = info.clock_offset(datetime.now(UTC))
        return info

    async def _query(self, path: str) -> JsonObject:
        return await self._api.request(path, decode_short, type="json")


async def _none_if_unsupported[ResultT](query: Callable[[], Awaitable[ResultT]]) -> ResultT | None:
    """Return the result of an optional query, None if the PBX does not support it."""
    try:
        return await query()
    except PbxAuthError, PbxLockedError:
        raise
    except PbxRejectedError, PbxReplyError:
        return None
