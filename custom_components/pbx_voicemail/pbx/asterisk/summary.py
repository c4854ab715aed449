"""The messages of one mailbox as Asterisk lists them, folder by folder."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence, Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
import re
from time import monotonic
from typing import Final

from ..errors import PbxReplyError
from ..models import LONGEST_DURATION, MAX_MESSAGES, Message, is_possible_date, message_id
from ..text import split_caller
from .ami import Reply, read_block
from .errors import ReportingRightMissingError
from .mailbox_list import Place
from .session import Session

OLD: Final = "Old"
URGENT: Final = "Urgent"
UNREAD: Final = frozenset({"INBOX", URGENT})
_DELETED: Final = "Deleted"
_COUNTED: Final = UNREAD | {OLD}
"""The folders whose messages the list of mailboxes counts."""

_NO_SUCH_MAILBOX: Final = "There is no voicemail user matching the given user."

_LOCK_SECONDS: Final = 3.5
"""Asterisk waits four to five seconds for the lock of a folder. If it does not get it, the list ends
with the folder before, and still says that it is complete."""

_MAX_BYTES: Final = 8 * 1024 * 1024
_MAX_ENTRIES: Final = 2 * MAX_MESSAGES
"""With those in the folder Deleted."""

_OFF_LOOP_BYTES: Final = 64 * 1024

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
# Thu Nov 26 08:19:41 AM UTC 2026
_DATE: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?: ([AP]M))? (?:UTC|GMT) (\d{4})",
    re.ASCII,
)
_DURATION: Final = re.compile(r"\d{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in one folder: the `index`-th of it, from 0.

    `id` is Asterisk's own. It stays for as long as the message exists, wherever it is moved; the
    copy that forwarding leaves in another mailbox has the same. "" is that of a message whose
    description Asterisk can neither read nor write. `message_id` is the one that is known
    outside. A message that is just being moved is in two folders.
    """

    message_id: str
    folder: str
    index: int
    id: str
    caller: str
    date: str
    duration: str
    flag: str

    @property
    def is_read(self) -> bool:
        """Whether the message was heard, or filed away."""
        return self.folder not in UNREAD


@dataclass(frozen=True, slots=True)
class Summary:
    """What Asterisk lists of one mailbox. Deleted messages are left out.

    `may_be_cut` is whether it took so long that folders may be missing from it.
    """

    place: Place
    entries: Sequence[Entry]
    may_be_cut: bool

    @property
    def counts(self) -> tuple[int, int]:
        """How many messages are in INBOX and Urgent, and how many in Old."""
        folders = Counter(entry.folder for entry in self.entries)
        return sum(folders[folder] for folder in UNREAD), folders[OLD]

    @property
    def is_walked(self) -> bool:
        """Whether something of the last folder is there, and so all of the others."""
        return bool(self.entries) and self.entries[-1].folder == URGENT

    @property
    def ids(self) -> AbstractSet[str]:
        """The ids of the messages as they are known outside."""
        return {entry.message_id for entry in self.entries}

    @property
    def uncounted(self) -> AbstractSet[str]:
        """The ids of those in folders that the list of mailboxes does not count."""
        return {entry.message_id for entry in self.entries if entry.folder not in _COUNTED}

    def find(self, message: Message) -> Sequence[Entry]:
        """Return where a message is, nothing if it is nowhere."""
        return [entry for entry in self.entries if entry.message_id == message.id]

    def messages(self) -> Sequence[Message]:
        """Return the messages, each once."""
        messages: dict[str, Message] = {}
        for entry in self.entries:
            # The lamps of telephones count every copy in INBOX.
            if entry.message_id not in messages or not entry.is_read:
                messages[entry.message_id] = _read_message(entry, self.place)
        return list(messages.values())


async def ask_for_summary(session: Session, place: Place, id_key: bytes) -> Summary | None:
    """Return what is in a mailbox, None if there is no such mailbox. Raises PbxError.

    Asterisk locks each folder for it, and makes those that are missing: nothing for every poll.
    """
    asked = monotonic()
    response = await session.ask(
        "VoicemailBoxSummary",
        place.fields,
        missing=ReportingRightMissingError,
        max_bytes=_MAX_BYTES,
    )
    may_be_cut = monotonic() - asked > _LOCK_SECONDS
    if response.reply.message == _NO_SUCH_MAILBOX:
        return None
    if response.size < _OFF_LOOP_BYTES:
        entries = read_entries(response.reply, place, id_key)
    else:
        entries = await asyncio.to_thread(read_entries, response.reply, place, id_key)
    return Summary(place, entries, may_be_cut)


def newest_first(messages: Collection[Message]) -> Sequence[Message]:
    """Return messages in the order of a mailbox. Of equal ones, the last comes first."""
    in_order = sorted(messages, key=lambda message: message.received_or_earliest)
    return in_order[::-1]


def read_entries(reply: Reply, place: Place, id_key: bytes) -> Sequence[Entry]:
    """Read a summary, without deleted messages. Raises PbxReplyError."""
    blocks = reply.entries("VoicemailBoxDetail")
    if len(blocks) > _MAX_ENTRIES:
        raise PbxReplyError("the list has too many messages")
    sizes: Counter[str] = Counter()
    twins: Counter[tuple[str, ...]] = Counter()
    entries = []
    for block in blocks:
        fields = read_block(block)
        folder, number = fields.get("Folder", ""), fields.get("ID", "")
        caller, date = fields.get("CallerID", ""), fields.get("Date", "")
        duration = fields.get("Duration", "")
        described = (caller, date, duration)
        identity = (number,) if number else ("", *described, str(twins[described]))
        if folder != _DELETED:
            entries.append(
                Entry(
                    message_id(id_key, place.context, place.number, *identity),
                    folder,
                    sizes[folder],
                    number,
                    caller,
                    date,
                    duration,
                    fields.get("Flag", ""),
                )
            )
            twins[described] += 1
        sizes[folder] += 1
    if len(entries) > MAX_MESSAGES:
        raise PbxReplyError("the list has too many messages")
    return entries


def _read_message(entry: Entry, place: Place) -> Message:
    number, name = split_caller(entry.caller)
    return Message(
        id=entry.message_id,
        extension=place.extension,
        caller=number,
        caller_name=name,
        received=_read_date(entry.date),
        duration=_read_duration(entry.duration),
        read=entry.is_read,
        urgent=URGENT in (entry.flag, entry.folder),
    )


def _read_date(value: str) -> datetime | None:
    """Read a date, None if it is not in UTC, or no message can be that old or that new."""
    if not (match := _DATE.fullmatch(value)):
        return None
    month, day, hours, minutes, seconds, half, year = match.groups()
    hour = int(hours) if half is None else int(hours) % 12 + (12 if half == "PM" else 0)
    try:
        received = datetime(
            int(year), _MONTHS[month], int(day), hour, int(minutes), int(seconds), tzinfo=UTC
        )
    except KeyError, ValueError:
        return None
    return received if is_possible_date(received) else None


def _read_duration(value: str) -> int | None:
    if not _DURATION.fullmatch(value):
        return None
    return seconds if (seconds := int(value)) <= LONGEST_DURATION else None
