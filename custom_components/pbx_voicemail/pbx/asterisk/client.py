"""The client for an Asterisk with its own web server."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import override

from ..address import Address
from ..client import Capability, Connection, PbxClient
from ..errors import PbxError, PbxReplyError, PbxSetupError
from ..models import Extension, Mailbox, Message, PbxInfo
from ..text import product_name
from .events import Events
from .mailbox_list import MailboxList
from .mailboxes import Mailboxes
from .messages import Messages
from .recordings import Recordings
from .session import Session
from .summary import ask_for_summary
from .web_server import WebServer


class AsteriskClient(PbxClient):
    """One Asterisk."""

    capabilities = (
        Capability.READ_STATE
        | Capability.MARK_READ
        | Capability.DELETE
        | Capability.RECORDINGS
        | Capability.EXTENSION_LIST
        | Capability.PUSH
    )

    def __init__(self, connection: Connection) -> None:
        """Take how to reach it, and the manager user."""
        self._address = connection.address
        self._web = WebServer(connection)
        self._session = Session(connection, self._web)
        self._list = MailboxList(self._session)
        self._mailboxes = Mailboxes(self._session, self._list, connection.id_key)
        self._messages = Messages(self._session, self._list, connection.id_key)
        self._recordings = Recordings(self._session, self._messages)
        self._events = Events(self._session, self._mailboxes)

    @property
    @override
    def address(self) -> Address:
        return self._address

    @property
    @override
    def is_catching_up(self) -> bool:
        return self._mailboxes.is_catching_up

    @property
    @override
    def unreadable(self) -> Mapping[str, PbxError]:
        return self._mailboxes.unreadable

    @property
    @override
    def setup_errors(self) -> Collection[PbxSetupError]:
        return self._mailboxes.setup_errors

    @override
    async def info(self) -> PbxInfo:
        """Return the version, which every answer of the web server gives away.

        The first time, it proves that all is set up that listing messages needs.
        """
        if not self._list.size:
            await self._list.update()
            for listed in [*self._list.mailboxes.values()][:1]:
                with suppress(PbxReplyError):
                    await ask_for_summary(self._session, listed.place, b"")
        version = product_name(self._web.version or "")
        return PbxInfo(manufacturer="Sangoma", model="Asterisk", firmware_version=version)

    @override
    async def extensions(self) -> tuple[Extension, ...] | None:
        """Return all mailboxes. Numbers that have none are not known here."""
        await self._list.update()
        return self._list.extensions()

    @override
    async def mailboxes(self, only: Collection[str] = ()) -> Mapping[str, Mailbox]:
        """Return the mailboxes that have messages.

        One request, and another for each mailbox that may have changed.
        """
        mailboxes = await self._mailboxes.update(only)
        self.reply_bytes = self._list.size
        return mailboxes

    @override
    async def recording(self, message: Message) -> bytes:
        return await self._recordings.download(message)

    @override
    async def delete(self, message: Message) -> None:
        await self._messages.delete(message)

    @override
    async def mark_read(self, message: Message) -> None:
        await self._messages.mark_read(message)

    @override
    async def listen(self, changed: Callable[[], None]) -> None:
        await self._events.listen(changed)

    @override
    async def close(self) -> None:
        await self._session.sign_out()

    @override
    def describe(self) -> Mapping[str, object]:
        return {
            "version": product_name(self._web.version or ""),
            "mailboxes": len(self._list.mailboxes),
            "unusable_mailboxes": self._list.unusable,
            "mismatched_mailboxes": self._mailboxes.mismatched,
            "unreadable_mailboxes": Counter(error.kind for error in self.unreadable.values()),
            "logins": self._session.logins,
            "is_listening": self._events.is_listening,
        }
