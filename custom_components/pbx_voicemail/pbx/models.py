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

from .errors import PbxReplyError
from .s_series.reply import Json, JsonObject, objects, text

MAX_EXTENSIONS = 2000
"""A reply with more is refused: the largest PBX of this kind has 500."""

MAX_MESSAGES = 10_000
"""A reply with more in one mailbox is refused: Asterisk itself keeps no more than 9,999."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_FIRST_YEAR = 1970
_LAST_YEAR = 2100
_LONGEST_TEXT = 255
_LONGEST_PLAIN_TEXT = 64
_LONGEST_RAW_TEXT = 2048
"""What is beyond this is not looked at, by expressions least of all."""

_TOLERANCE = timedelta(minutes=5)
_QUARTER = timedelta(minutes=15)
_WESTMOST = timedelta(hours=-12)
_EASTMOST = timedelta(hours=14)
_LONGEST_DURATION = 7 * 24 * 60 * 60

# "Ann Müller" <6000>, as Asterisk writes a caller; the quotes escape themselves with \.
_NAMED_CALLER = re.compile(
    r"""(?: "(?P<quoted> (?: \\. | [^"\\] )*+ )" \s*+ | (?P<bare> [^<>"]*+ ) ) <(?P<number> [^<>]*+ )>""",
    re.VERBOSE,
)
# One whose name has lost its form, in another encoding for one. The number is what is left.
_SPOILED_CALLER = re.compile(
    r""" "? (?P<name> [^<>"\\]*+ ) [^<>]*+ <(?P<number> [^<>]*+ )>""", re.VERBOSE
)
_NOT_PLAIN = re.compile(r"[^\w .+/()-]+")
_SERIAL = re.compile(r"[A-Za-z0-9.-]{1,64}")
_NUMBER = re.compile(r"[\w+*#-]{1,32}")
_CLOCK = re.compile(
    r"(?P<clock>[^U]+?)(?: (?:UTC|GMT)(?:(?P<sign>[+-])(?P<hours>\d{1,2})(?::(?P<minutes>\d\d))?)?)?"
)
_ESCAPED = re.compile(r"\\(.)")
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_PUNCTUATION = str.maketrans("", "", " -./()")


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
    """What a PBX tells about itself, each None if it leaves it out.

    It is shown where Home Assistant renders Markdown, so it is plain words. A serial number
    of anything but letters, digits, dots and dashes is none: ids are made of it.
    """

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

    def clock_offset(self, now: datetime) -> timedelta | None:
        """Return the UTC offset of what the clock shows, None if no zone has such a one."""
        if self.system_time is None:
            return None
        ahead = self.system_time.replace(tzinfo=UTC) - now
        offset = round(ahead / _QUARTER) * _QUARTER
        is_possible = abs(ahead - offset) <= _TOLERANCE and _WESTMOST <= offset <= _EASTMOST
        return offset if is_possible else None

    @classmethod
    def read(cls, reply: JsonObject) -> Self:
        """Read a reply to `deviceinfo/query`."""
        info = next(iter(objects(reply.get("deviceinfo"))), reply)
        return cls(
            model=_plain(info.get("devicename")),
            serial_number=number if _SERIAL.fullmatch(number := text(info.get("sn"))) else None,
            hardware_version=_plain(info.get("hardwarever")),
            firmware_version=_plain(info.get("firmwarever")),
            system_time=_read_clock(text(info.get("systemtime"))),
        )


def read_extensions(reply: JsonObject) -> tuple[Extension, ...]:
    """Read a reply to `extensionlist/query`."""
    extensions = objects(reply.get("extlist"))
    if len(extensions) > MAX_EXTENSIONS:
        raise PbxReplyError("the reply has too many extensions")
    return tuple(
        Extension(number, None if (name := _display(item.get("username"))) == number else name)
        for item in extensions
        if (number := read_number(item.get("extnumber")))
    )


def read_entries(reply: JsonObject) -> Mapping[str, Sequence[JsonObject]]:
    """Return the raw messages in a reply to `voicemail/query`, by extension.

    Raises PbxReplyError if there are more than any PBX keeps.
    """
    entries: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for item in objects(reply.get("voicemails")):
        if extension := read_number(item.get("extid")):
            entries[extension].extend(objects(item.get("voicemail")))
    if len(entries) > MAX_EXTENSIONS:
        raise PbxReplyError("the reply has too many mailboxes")
    if any(len(messages) > MAX_MESSAGES for messages in entries.values()):
        raise PbxReplyError("the reply has too many messages in one mailbox")
    return {extension: messages for extension, messages in entries.items() if messages}


def read_number(value: Json) -> str:
    """Return the number of an extension, empty if it is none that a PBX could have."""
    number = text(value)
    return number if _NUMBER.fullmatch(number) else ""


def read_mailboxes(
    reply: JsonObject, zone: tzinfo, known: Mapping[str, Mailbox], key: bytes = b""
) -> dict[str, Mailbox]:
    """Read a reply to `voicemail/query`: the mailboxes that have messages, by extension.

    Dates are the PBX's local time, in `zone`. A mailbox that is told as in `known`, which
    stems from this run, is the very object from there.
    """
    mailboxes = {}
    for extension, entries in read_entries(reply).items():
        # Python keys its hash anew in each run, so nobody can make two replies collide.
        summary = hash(_dump(entries))
        mailbox = known.get(extension)
        if mailbox is None or mailbox.told != summary:
            messages = _read_messages(extension, entries, zone, key)
            mailbox = Mailbox.of(extension, messages, summary)
        mailboxes[extension] = mailbox
    return mailboxes


def _dump(entries: Sequence[JsonObject]) -> bytes:
    try:
        return orjson.dumps(entries)
    except orjson.JSONEncodeError:
        # It reads four times as many levels as it writes.
        raise PbxReplyError("a message is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class NumberedMessage:
    """One message as a reply tells it: the raw entry, and what makes it itself.

    `identity` is its date, caller and length as they were told, and `ordinal` tells exact
    twins apart.
    """

    id: str
    identity: tuple[str, ...]
    ordinal: int
    entry: JsonObject


def number_messages(
    extension: str, entries: Iterable[JsonObject], key: bytes
) -> Iterator[NumberedMessage]:
    """Give the messages of one extension their ids, in the order of the reply.

    A file name says nothing about identity, so an id is made of what a message says about
    itself. `key` is a secret without which nobody can work an id out.
    """
    ordinals: Counter[tuple[str, ...]] = Counter()
    for entry in entries:
        identity = tuple(
            text(entry.get(name)) for name in ("voicemaildate", "messagefrom", "voicemaillength")
        )
        ordinal = ordinals[identity]
        ordinals[identity] += 1
        number = message_id(key, extension, *identity, str(ordinal))
        yield NumberedMessage(number, identity, ordinal, entry)


def message_id(key: bytes, *identity: str) -> str:
    """Return an id of 16 hexadecimal digits: enough to keep 50,000 messages apart."""
    return blake2b("\0".join(identity).encode(errors="replace"), digest_size=8, key=key).hexdigest()


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
    extension: str, entries: Sequence[JsonObject], zone: tzinfo, key: bytes
) -> tuple[Message, ...]:
    messages = []
    for numbered in number_messages(extension, entries, key):
        received, caller, duration = numbered.identity
        number, name = _split_caller(caller)
        messages.append(
            Message(
                id=numbered.id,
                extension=extension,
                caller=number,
                caller_name=name,
                received=_read_date(received, zone),
                duration=_read_duration(duration),
                read=_READ.get(text(numbered.entry.get("voicemailstatus")).casefold()),
            )
        )
    # The sort keeps the order of equals, so that after turning it round the last comes first.
    messages.sort(key=lambda message: message.received or _EARLIEST)
    return tuple(reversed(messages))


_READ = {"read": True, "unread": False}


def _split_caller(caller: str) -> tuple[str | None, str | None]:
    """Return number and name of a caller such as `7001`, `anonymous` or `"Ann" <6000>`."""
    caller = caller[:_LONGEST_RAW_TEXT]
    if match := _NAMED_CALLER.fullmatch(caller):
        name = match["bare"] if match["quoted"] is None else _ESCAPED.sub(r"\1", match["quoted"])
        number = match["number"]
    elif match := _SPOILED_CALLER.fullmatch(caller):
        name, number = match["name"], match["number"]
    else:
        return _printable(caller), None
    shown_number, shown_name = _printable(number), _printable(name)
    if shown_name and shown_number and _digits(shown_name) == _digits(shown_number):
        shown_name = None
    return shown_number, shown_name


def _digits(number: str) -> str:
    """Return a number without what people put between its digits."""
    return number.translate(_PUNCTUATION)


def _read_date(value: str, zone: tzinfo) -> datetime | None:
    """Read a date, None if no message can be that old or that new."""
    try:
        received = datetime.fromisoformat(value)
        if not _FIRST_YEAR <= received.year <= _LAST_YEAR:
            return None
        return (received if received.tzinfo else received.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError:
        return None


def _read_clock(value: str) -> datetime | None:
    """Read `2020-05-19 04:06:07`, or `2017-05-24 23:25:20 UTC-8` as Yeastar writes it."""
    if not (match := _CLOCK.fullmatch(value[:_LONGEST_RAW_TEXT])):
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


def _plain(value: Json) -> str | None:
    """Return a name of a product, without anything that Markdown could make a link of."""
    return _printable(_NOT_PLAIN.sub("", text(value)[:_LONGEST_PLAIN_TEXT]))


def _display(value: Json) -> str | None:
    return _printable(text(value))


def _printable(value: str) -> str | None:
    """Return what can be shown of a text, on one line.

    Controls are dropped, and marks that turn the text around them. The joiners of Persian
    and of emoji are part of words.
    """
    value = " ".join(value[:_LONGEST_RAW_TEXT].split())
    if not value.isprintable():
        value = "".join(c for c in value if c.isprintable() or c in _JOINERS)
    value = value.strip()[:_LONGEST_TEXT]
    return value if value.strip(_JOINERS) else None
