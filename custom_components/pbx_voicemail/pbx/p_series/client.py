"""The client for Yeastar's P-Series."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import override

from ..address import Address
from ..client import Capability, Connection, PbxClient
from ..errors import PbxError, PbxRejectedError
from ..models import Extension, Mailbox, Message, PbxInfo
from .actions import Actions
from .errors import CLIENT_ERRORS
from .events import Events
from .info import read_info
from .mailboxes import Mailboxes
from .query import MailboxQuery
from .roster import Roster
from .session import Session


class PSeriesClient(PbxClient):
    """One P-Series."""

    capabilities = (
        Capability.READ_STATE
        | Capability.MARK_READ
        | Capability.DELETE
        | Capability.RECORDINGS
        | Capability.EXTENSION_LIST
        | Capability.PUSH
    )

    def __init__(self, connection: Connection) -> None:
        """Take how to reach it, and the client ID and secret."""
        self._address = connection.address
        self._session = Session(connection)
        self._roster = Roster(self._session)
        query = MailboxQuery(self._session)
        self._mailboxes = Mailboxes(query, self._roster, connection.id_key)
        self._actions = Actions(self._session, query, self._mailboxes, connection.id_key)
        self._events = Events(self._session, self._mailboxes)
        self._last_requests = 0

    @property
    @override
    def address(self) -> Address:
        return self._address

    @property
    @override
    def unreadable(self) -> Mapping[str, PbxError]:
        return self._mailboxes.unreadable

    @override
    async def info(self) -> PbxInfo:
        web_page = self._address.url
        try:
            reply = await self._session.ask("system/information")
        except CLIENT_ERRORS:
            raise
        except PbxRejectedError:
            return PbxInfo(manufacturer="Yeastar", web_page=web_page)
        return read_info(reply, web_page, datetime.now(UTC))

    @override
    async def extensions(self) -> tuple[Extension, ...] | None:
        """Return all extensions, and the groups that share a mailbox."""
        return await self._roster.update()

    @override
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages.

        One request for each group of numbers, and more for what does not fit on a page.
        """
        before = self._session.requests
        try:
            return await self._mailboxes.update(only)
        finally:
            self._last_requests = self._session.requests - before
            self.reply_bytes = self._mailboxes.size

    @override
    async def recording(self, message: Message) -> bytes:
        return await self._actions.download(message)

    @override
    async def delete(self, message: Message) -> None:
        await self._actions.delete(message)

    @override
    async def mark_read(self, message: Message) -> None:
        await self._actions.mark_read(message)

    @override
    async def listen(self, changed: Callable[[], None]) -> None:
        await self._events.listen(changed)

    @override
    async def close(self) -> None:
        await self._session.sign_out()

    @override
    def tokens(self) -> Mapping[str, str]:
        return self._session.store()

    @override
    def describe(self) -> Mapping[str, object]:
        return {
            "requests": self._session.requests,
            "requests_of_last_poll": self._last_requests,
            "logins": self._session.logins,
            "groups": self._mailboxes.groups,
            "without_mailbox": len(self._mailboxes.without_mailbox),
            "incomplete_mailboxes": self._mailboxes.incomplete,
            "is_listening": self._events.is_listening,
        }
