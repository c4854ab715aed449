"""Reads the mailboxes and extensions in replies of this family's API.

The field names are those of the OpenVox UC API ("Query voicemail", "Query extension list");
Yeastar's S-Series API v1.1.0 shares them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
import re
from typing import Final

import orjson

from ..errors import PbxReplyError
from ..models import (
    LONGEST_DURATION,
    MAX_EXTENSIONS,
    MAX_MESSAGES,
    Extension,
    Mailbox,
    Message,
    is_possible_date,
    message_id,
)
from ..text import printable, split_caller
from .reply import Json, JsonObject, objects, text

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_NUMBER: Final = re.compile(r"[\w+*#-]{1,32}")
_READ: Final = {"read": True, "unread": False}


@dataclass(frozen=True, slots=True)
class ReadMailbox:
    """A mailbox, and the fingerprint of the part of the reply that it was read from.

    Equal fingerprints mean the same messages. They are good for this run.
    """

    mailbox: Mailbox
    fingerprint: int


def read_mailboxes(
    reply: JsonObject, zone: tzinfo, known: Mapping[str, ReadMailbox], key: bytes = b""
) -> dict[str, ReadMailbox]:
    """Read a reply to `voicemail/query`: the mailboxes that have messages, by extension.

    Dates are the PBX's local time, in `zone`. A mailbox that the reply describes as it is in
    `known`, read in this run, is the very object from there. Raises PbxReplyError.
    """
    mailboxes = {}
    for extension, entries in read_entries(reply).items():
        # Python keys its hash anew in each run, so nobody can make two replies collide.
        fingerprint = hash(_dump(entries))
        read = known.get(extension)
        if read is None or read.fingerprint != fingerprint:
            messages = _read_messages(extension, entries, zone, key)
            read = ReadMailbox(Mailbox.of(extension, messages), fingerprint)
        mailboxes[extension] = read
    return mailboxes


def _dump(entries: Sequence[JsonObject]) -> bytes:
    try:
        return orjson.dumps(entries)
    except orjson.JSONEncodeError:
        # It reads four times as many levels as it writes.
        raise PbxReplyError("a message is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class NumberedMessage:
    """One message in a reply: the raw entry, and what it is identified by.

    `identity` is its date, caller and length as the reply has them, and `ordinal` tells exact
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


def read_extensions(reply: JsonObject) -> tuple[Extension, ...]:
    """Read a reply to `extensionlist/query`."""
    extensions = objects(reply.get("extlist"))
    if len(extensions) > MAX_EXTENSIONS:
        raise PbxReplyError("the reply has too many extensions")
    return tuple(
        Extension(
            number, None if (name := printable(text(item.get("username")))) == number else name
        )
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


def _read_messages(
    extension: str, entries: Sequence[JsonObject], zone: tzinfo, key: bytes
) -> tuple[Message, ...]:
    messages = []
    for numbered in number_messages(extension, entries, key):
        received, caller, duration = numbered.identity
        number, name = split_caller(caller)
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


def _read_date(value: str, zone: tzinfo) -> datetime | None:
    """Read a date, None if no message can be that old or that new."""
    try:
        received = datetime.fromisoformat(value)
        if not is_possible_date(received):
            return None
        return (received if received.tzinfo else received.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError:
        return None


def _read_duration(value: str) -> int | None:
    try:
        seconds = round(float(value))
    except ValueError, OverflowError:
        return None
    return seconds if 0 <= seconds <= LONGEST_DURATION else None
