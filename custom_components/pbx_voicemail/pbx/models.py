"""What every PBX has: messages, mailboxes, extensions, and facts about itself."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
import re
from typing import Final, Self

import orjson
from yarl import URL

MAX_EXTENSIONS: Final = 2000
"""No PBX that we know has more; a reply with more is refused."""

MAX_MESSAGES: Final = 10_000
"""A reply with more in one mailbox is refused: Asterisk itself keeps no more than 9,999."""

LONGEST_DURATION: Final = 7 * 24 * 60 * 60
"""No message is longer, in seconds."""

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2100
_SERIAL: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Message:
    """One message that a caller left.

    `id` stays the same for as long as the message exists; the file name by which the
    PBX addresses it may not, so it is no part of this. `caller` is the number, or
    whatever text the PBX knows the caller by; None if it says nothing. All text in it
    is chosen by the caller. `received` is in UTC; None if the PBX's date cannot be
    read. `duration` is in seconds. `read` is None where the PBX does not say.
    """

    id: str
    extension: str
    caller: str | None = None
    caller_name: str | None = None
    received: datetime | None = None
    duration: int | None = None
    read: bool | None = None
    urgent: bool = False

    @property
    def received_or_earliest(self) -> datetime:
        """What to sort by: a message without a date counts as older than all others."""
        return self.received or _EARLIEST


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The messages of one extension, newest first.

    Of messages without a date, or with the same date, the last in the PBX's reply counts as newest.

    A large PBX holds tens of thousands of messages that nobody looks at, so they are kept
    packed, and made anew for whoever asks. What is asked for all the time is at hand:
    `count`, `unread`, how many are not known to have been heard, and `latest`, the newest.
    """

    extension: str
    count: int = 0
    unread: int = 0
    latest: Message | None = None
    packed: bytes = field(default=b"[]", repr=False)

    @classmethod
    def of(cls, extension: str, messages: Sequence[Message]) -> Self:
        """Pack messages, newest first."""
        return cls(
            extension,
            count=len(messages),
            unread=sum(not message.read for message in messages),
            latest=messages[0] if messages else None,
            packed=orjson.dumps([_pack(message) for message in messages]),
        )

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, unpacked."""
        return self.newest()

    def newest(self, count: int | None = None) -> tuple[Message, ...]:
        """Return so many of the newest messages, without unpacking the others."""
        return tuple(_unpack(self.extension, row) for row in orjson.loads(self.packed)[:count])

    def with_read(self, ids: Collection[str]) -> Self:
        """Return the mailbox with some of its messages read."""
        return type(self).of(
            self.extension,
            [
                replace(message, read=True) if message.id in ids else message
                for message in self.messages
            ],
        )

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all messages, for a tenth of the work."""
        return frozenset(row[0] for row in orjson.loads(self.packed))

    def find(self, message_id: str) -> Message | None:
        """Return a message by its id, without unpacking the others."""
        begin = self.packed.find(b'["%b"' % message_id.encode())
        if begin < 0:
            return None
        # No text within a row has a quotation mark without a backslash before it.
        end = self.packed.find(b'],["', begin)
        message = _unpack(self.extension, orjson.loads(self.packed[begin : end + 1 or -1]))
        return message if message.id == message_id else None


@dataclass(frozen=True, slots=True)
class Extension:
    """A number on the PBX, kept as text: `0101` is not `101`.

    `name` is None where the PBX has none but the number.
    """

    number: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ClockFault:
    """How far the PBX's clock is ahead of ours, and the UTC offset that would explain it.

    `offset` is None where no time zone would: then the clock itself is wrong. `time_zone` is
    the one that the PBX was assumed to be in.
    """

    time_zone: str
    ahead: timedelta
    offset: timedelta | None


@dataclass(frozen=True, slots=True)
class PbxInfo:
    """What a PBX says about itself, each None if it leaves it out.

    It is shown where Home Assistant renders Markdown, so it is plain words (`product_name`).
    A serial number of anything but letters, digits, dots and dashes is none: ids are made of
    it (`serial_number_in`). `clock_fault` is None unless the PBX's clock can be wrong, and is.
    """

    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    hardware_version: str | None = None
    firmware_version: str | None = None
    web_page: URL | None = None
    clock_fault: ClockFault | None = None
    mac_address: str | None = None


def serial_number_in(text: str) -> str | None:
    """Return a text if it can be a serial number, else None."""
    return text if _SERIAL.fullmatch(text) else None


def is_possible_date(date: datetime) -> bool:
    """Return whether a message can be that old or that new."""
    return _FIRST_YEAR <= date.year <= _LAST_YEAR


def message_id(key: bytes, *identity: str) -> str:
    """Return an id of 16 hexadecimal digits: enough to keep 50,000 messages apart."""
    return blake2b("\0".join(identity).encode(errors="replace"), digest_size=8, key=key).hexdigest()


type _Row = tuple[str, str | None, str | None, float | None, int | None, *tuple[bool | None, ...]]
"""The last two values, whether a message is read and urgent, are left out if nothing says so."""


def _pack(message: Message) -> _Row:
    received = message.received.timestamp() if message.received else None
    if received is not None and received.is_integer():
        received = int(received)
    row = message.id, message.caller, message.caller_name, received, message.duration
    if message.urgent:
        return *row, message.read, True
    return row if message.read is None else (*row, message.read)


def _unpack(extension: str, row: _Row) -> Message:
    message_id, caller, caller_name, received, duration, *flags = row
    return Message(
        message_id,
        extension,
        caller,
        caller_name,
        None if received is None else datetime.fromtimestamp(received, UTC),
        duration,
        *flags,  # type: ignore[arg-type]
    )
