"""Messages, mailboxes, extensions and the PBX itself, and how each is read from a reply.

The field names of replies are those of the OpenVox UC API ("Query voicemail", "Query
device information", "Query extension list"); Yeastar's S-Series API v1.1.0 shares them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from hashlib import blake2b
import re
from typing import Self

import orjson

from .reply import Json, JsonObject, objects, text

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LONGEST_TEXT = 255
_LONGEST_DURATION = 7 * 24 * 60 * 60

# "Ann Müller" <6000>, as Asterisk writes a caller; the quotes escape themselves with \.
_NAMED_CALLER = re.compile(
    r"""(?: "(?P<quoted> (?: \\. | [^"\\] )* )" | (?P<bare> [^<>"]*? ) ) \s* <(?P<number> [^<>]* )>""",
    re.VERBOSE,
)
_CLOCK = re.compile(
    r"(?P<clock>[^U]+?)(?: (?:UTC|GMT)(?:(?P<sign>[+-])(?P<hours>\d{1,2})(?::(?P<minutes>\d\d))?)?)?"
)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Message:
    """One message that a caller left.

    `id` stays the same for as long as the message exists; the file name by which the
    PBX addresses it does not, so it is no part of this. `caller` is the number, or
    whatever text the PBX knows the caller by; None if it told nothing. All text in it
    is chosen by the caller. `received` is in UTC; None if the PBX's date cannot be
    read. `duration` is in seconds. `read` is None where the API does not tell.
    """

    id: str
    extension: str
    caller: str | None = None
    caller_name: str | None = None
    received: datetime | None = None
    duration: int | None = None
    read: bool | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The messages of one extension, newest first.

    Of messages without a date, or with the same, the last in the reply counts as newest.

    A large PBX holds tens of thousands of messages that nobody looks at, so they are kept
    packed, and made anew for whoever asks. What is asked for all the time is at hand:
    `count`, `unread`, how many are told as not heard yet, and `latest`, the newest.
    """

    extension: str
    count: int = 0
    unread: int = 0
    latest: Message | None = None
    told: int = field(default=0, repr=False)
    """Stands for what the PBX said: the same number, the same messages. Good for this run."""
    packed: bytes = field(default=b"[]", repr=False)

    @classmethod
    def of(cls, extension: str, messages: Sequence[Message], told: int = 0) -> Self:
        """Pack messages, newest first."""
        return cls(
            extension,
            count=len(messages),
            unread=sum(message.read is False for message in messages),
            latest=messages[0] if messages else None,
            told=told,
            packed=orjson.dumps([_pack(message) for message in messages]),
        )

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, unpacked."""
        return tuple(_unpack(self.extension, row) for row in orjson.loads(self.packed))

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
class DeviceInfo:
    """What a PBX tells about itself, each None if it leaves it out."""

    model: str | None = None
    serial_number: str | None = None
    hardware_version: str | None = None
    firmware_version: str | None = None
    system_time: datetime | None = None
    """What the PBX's clock shows, in its own zone; naive, unless it tells the zone."""

    @property
    def manufacturer(self) -> str | None:
        """Who built the PBX, if its name for itself says so: OpenVox's does not."""
        return "Yeastar" if self.model and self.model.startswith("Yeastar") else None

    @classmethod
    def read(cls, reply: JsonObject) -> Self:
        """Read a reply to `deviceinfo/query`."""
        info = next(iter(objects(reply.get("deviceinfo"))), reply)
        return cls(
            model=_display(info.get("devicename")),
            serial_number=_display(info.get("sn")),
            hardware_version=_display(info.get("hardwarever")),
            firmware_version=_display(info.get("firmwarever")),
            system_time=_read_clock(text(info.get("systemtime"))),
        )


def read_extensions(reply: JsonObject) -> tuple[Extension, ...]:
    """Read a reply to `extensionlist/query`."""
    return tuple(
        Extension(number, None if (name := _display(item.get("username"))) == number else name)
        for item in objects(reply.get("extlist"))
        if (number := text(item.get("extnumber")))
    )


def read_mailboxes(
    reply: JsonObject, zone: tzinfo, known: Mapping[str, Mailbox]
) -> dict[str, Mailbox]:
    """Read a reply to `voicemail/query`: the mailboxes that have messages, by extension.

    Dates are the PBX's local time, in `zone`. A mailbox that is told as in `known`, which
    stems from this run, is the very object from there.
    """
    told: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for item in objects(reply.get("voicemails")):
        if extension := text(item.get("extid")):
            told[extension].extend(objects(item.get("voicemail")))

    mailboxes = {}
    for extension, entries in told.items():
        if not entries:
            continue
        # Python keys its hash anew in each run, so nobody can make two replies collide.
        summary = hash(orjson.dumps(entries))
        mailbox = known.get(extension)
        if mailbox is None or mailbox.told != summary:
            mailbox = Mailbox.of(extension, _read_messages(extension, entries, zone), summary)
        mailboxes[extension] = mailbox
    return mailboxes


@dataclass(frozen=True, slots=True)
class Told:
    """One message as a reply tells it: the raw entry, and what makes it itself."""

    id: str
    identity: tuple[str, ...]
    entry: JsonObject


def identify(extension: str, entries: Iterable[JsonObject]) -> Iterator[Told]:
    """Name the messages of one extension, in the order of the reply.

    The name is made of what a message says about itself: date, caller and length, and an
    ordinal for exact twins.
    """
    ordinals: Counter[tuple[str, ...]] = Counter()
    for entry in entries:
        identity = tuple(
            text(entry.get(key)) for key in ("voicemaildate", "messagefrom", "voicemaillength")
        )
        yield Told(_message_id(extension, *identity, str(ordinals[identity])), identity, entry)
        ordinals[identity] += 1


type _Row = tuple[str, str | None, str | None, float | None, int | None, bool | None]


def _pack(message: Message) -> _Row:
    received = message.received.timestamp() if message.received else None
    return (
        message.id,
        message.caller,
        message.caller_name,
        received,
        message.duration,
        message.read,
    )


def _unpack(extension: str, row: _Row) -> Message:
    message_id, caller, caller_name, received, duration, read = row
    return Message(
        id=message_id,
        extension=extension,
        caller=caller,
        caller_name=caller_name,
        received=None if received is None else datetime.fromtimestamp(received, UTC),
        duration=duration,
        read=read,
    )


def _read_messages(
    extension: str, entries: Sequence[JsonObject], zone: tzinfo
) -> tuple[Message, ...]:
    messages = []
    for told in identify(extension, entries):
        received, caller, duration = told.identity
        number, name = _split_caller(caller)
        messages.append(
            Message(
                id=told.id,
                extension=extension,
                caller=number,
                caller_name=name,
                received=_read_date(received, zone),
                duration=_read_duration(duration),
                read=_READ.get(text(told.entry.get("voicemailstatus")).casefold()),
            )
        )
    # The sort keeps the order of equals, so that after turning it round the last comes first.
    messages.sort(key=lambda message: message.received or _EARLIEST)
    return tuple(reversed(messages))


_READ = {"read": True, "unread": False}


def _message_id(*identity: str) -> str:
    """Name a message by what makes it itself.

    Asterisk renames files to close gaps as soon as a message is deleted, so a file name
    says nothing about identity. 64 bits keep 50,000 messages apart.
    """
    return blake2b("\0".join(identity).encode(errors="replace"), digest_size=8).hexdigest()


def _split_caller(caller: str) -> tuple[str | None, str | None]:
    """Return number and name of a caller such as `7001`, `anonymous` or `"Ann" <6000>`."""
    if not (match := _NAMED_CALLER.fullmatch(caller)):
        return _printable(caller), None
    name = match["bare"] if match["quoted"] is None else _ESCAPED.sub(r"\1", match["quoted"])
    return _printable(match["number"]), _printable(name)


def _read_date(value: str, zone: tzinfo) -> datetime | None:
    try:
        received = datetime.fromisoformat(value)
        return (received if received.tzinfo else received.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError, OverflowError:
        return None


def _read_clock(value: str) -> datetime | None:
    """Read `2020-05-19 04:06:07`, or `2017-05-24 23:25:20 UTC-8` as Yeastar writes it."""
    if not (match := _CLOCK.fullmatch(value)):
        return None
    try:
        clock = datetime.fromisoformat(match["clock"])
        if match["sign"] is None:
            return clock
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        return clock.replace(tzinfo=timezone(-offset if match["sign"] == "-" else offset))
    except ValueError:
        return None


def _read_duration(value: str) -> int | None:
    try:
        seconds = round(float(value))
    except ValueError, OverflowError:
        return None
    return seconds if 0 <= seconds <= _LONGEST_DURATION else None


def _display(value: Json) -> str | None:
    return _printable(text(value))


def _printable(value: str) -> str | None:
    """Drop what can't be shown: controls, and marks that turn the text around them."""
    if not value.isprintable():
        value = "".join(filter(str.isprintable, value))
    return value.strip()[:_LONGEST_TEXT] or None
