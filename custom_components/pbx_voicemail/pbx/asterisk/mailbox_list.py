"""The list of all mailboxes with their message counts, which every poll asks for."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Final

from ..errors import PbxReplyError
from ..models import MAX_EXTENSIONS, Extension
from ..text import printable
from .ami import Reply, read_block
from .errors import ReportingRightMissingError
from .session import Session

DEFAULT_CONTEXT: Final = "default"

_NO_MAILBOXES: Final = "There are no voicemail users currently defined."
_EMPTY_REPLIES: Final = 3
"""How often an Asterisk has to say in a row that it has no mailboxes: reloaded, it has none."""

_EMPTY_PAUSE: Final = 0.5

_NAME: Final = re.compile(r"(?!\.+\Z)[\w.+*#-]{1,64}")
"""A mailbox or context of any other name is left out: extensions are part of paths and ids."""

_COUNT: Final = re.compile(r"\d{1,6}", re.ASCII)
_NULL: Final = "(null)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where Asterisk keeps a mailbox: its number, in a context."""

    context: str
    number: str

    @classmethod
    def of(cls, extension: str) -> Place:
        """Return the place of an extension as `extension` names it."""
        number, _, context = extension.partition("@")
        return cls(context or DEFAULT_CONTEXT, number)

    @property
    def extension(self) -> str:
        """What the mailbox is called outside: its number, with any context but the default one."""
        return self.number if self.context == DEFAULT_CONTEXT else f"{self.number}@{self.context}"

    @property
    def fields(self) -> Mapping[str, str]:
        """What names the mailbox in an action."""
        return {"Context": self.context, "Mailbox": self.number}


@dataclass(frozen=True, slots=True)
class ListedMailbox:
    """A mailbox in the list.

    `new` counts the messages in the folders INBOX and Urgent, `old` those in Old; there are
    more folders, which it does not count. Each folder holds up to `capacity` messages.
    """

    place: Place
    name: str | None
    capacity: int
    new: int
    old: int

    @property
    def counts(self) -> tuple[int, int]:
        """The messages in INBOX and Urgent, and those in Old."""
        return self.new, self.old


class MailboxList:
    """The list as it was last received. What it says about the owners of mailboxes is not kept."""

    def __init__(self, session: Session) -> None:
        """Take where to ask. The list is empty at first."""
        self.mailboxes: Mapping[str, ListedMailbox] = {}
        """The mailboxes by extension: the same object for as long as nothing changes."""
        self.size = 0
        """The size of the reply, in bytes."""
        self.unusable = 0
        """How many mailboxes were left out because of their names."""
        self._session = session
        self._fingerprint: int | None = None
        self._known: Mapping[int, ListedMailbox | None] = {}

    async def update(self) -> None:
        """Ask for the list. Raises PbxError, and the last list stays."""
        for _ in range(_EMPTY_REPLIES):
            response = await self._session.ask(
                "VoicemailUsersList", missing=ReportingRightMissingError
            )
            self.size, reply = response.size, response.reply
            if reply.message != _NO_MAILBOXES:
                break
            if self._fingerprint == hash(()):
                return
            await asyncio.sleep(_EMPTY_PAUSE)
        else:
            self._fingerprint, self._known, self.mailboxes, self.unusable = hash(()), {}, {}, 0
            return
        # Python keys its hash anew in each run, so nobody can make two replies collide. A hash
        # instead of the reply: that has the owners' e-mail addresses.
        fingerprint = hash(tuple(reply.blocks))
        if fingerprint == self._fingerprint:
            return
        if self._known:
            self._read(reply)
        else:
            await asyncio.to_thread(self._read, reply)
        self._fingerprint = fingerprint

    def extensions(self) -> tuple[Extension, ...]:
        """Return the mailboxes as extensions."""
        return tuple(Extension(number, listed.name) for number, listed in self.mailboxes.items())

    def _read(self, reply: Reply) -> None:
        known = read_mailboxes(reply, self._known)
        usable = [listed for listed in known.values() if listed]
        self.mailboxes = {listed.place.extension: listed for listed in usable}
        self.unusable = len(known) - len(usable)
        self._known = known


def read_mailboxes(
    reply: Reply, known: Mapping[int, ListedMailbox | None]
) -> Mapping[int, ListedMailbox | None]:
    """Read the list, by the hashes of its entries; those in `known` are not read again.

    None is one of whose name nothing can be made. Raises PbxReplyError.
    """
    blocks = reply.entries("VoicemailUserEntry")
    if not blocks:
        # Asterisk leaves out those that it cannot count, as when its database is gone.
        raise PbxReplyError("the list has no mailboxes, though there are some")
    if len(blocks) > MAX_EXTENSIONS:
        raise PbxReplyError("the list has too many mailboxes")
    keys = ((hash(block), block) for block in blocks)
    return {key: known[key] if key in known else _read_mailbox(block) for key, block in keys}


def _read_mailbox(block: bytes) -> ListedMailbox | None:
    """Read an entry, None if nothing can be made of its name. Raises PbxReplyError."""
    fields = read_block(block)
    context, number = fields.get("VMContext", ""), fields.get("VoiceMailbox", "")
    if not _NAME.fullmatch(context) or not _NAME.fullmatch(number):
        return None
    name = printable(fields.get("Fullname", ""))
    return ListedMailbox(
        Place(context, number),
        None if name in (_NULL, number) else name,
        _read_count(fields, "MaxMessageCount"),
        _read_count(fields, "NewMessageCount"),
        _read_count(fields, "OldMessageCount"),
    )


def _read_count(fields: Mapping[str, str], key: str) -> int:
    value = fields.get(key, "")
    if not _COUNT.fullmatch(value):
        raise PbxReplyError("the list has something else where a count belongs")
    return int(value)
