"""Reads the mailboxes and extensions in replies.

The field names are those of the OpenVox UC API ("Query voicemail", "Query extension list").
Yeastar's S-Series API v1.1.0 has the same ones.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
import re
from typing import Final

import orjson

from ..errors import PbxReplyError
from ..json_values import Json, JsonObject, as_text
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
from .reply import as_objects

_NUMBER: Final = re.compile(r"[\w+*#-]{1,32}")
_READ: Final = {"read": True, "unread": False}


@dataclass(frozen=True, slots=True)
class ParsedMailbox:
    """A mailbox, and the fingerprint of its part of the reply.

    Equal fingerprints mean the same messages. They are only valid in the current process.
    """

    mailbox: Mailbox
    fingerprint: int


def read_mailboxes(
    reply: JsonObject, zone: tzinfo, known: Mapping[str, ParsedMailbox], key: bytes = b""
) -> dict[str, ParsedMailbox]:
    """Return the mailboxes in a reply to `voicemail/query` that have messages, by extension.

    Dates are local times in `zone`. A mailbox that is the same as in `known` is that very
    object. Raises PbxReplyError.
    """
    mailboxes = {}
    for extension, entries in read_entries(reply).items():
        # Python's hash has a random key in each process, so that nobody can create collisions.
        fingerprint = hash(_dump(entries))
        parsed = known.get(extension)
        if parsed is None or parsed.fingerprint != fingerprint:
            before = parsed.mailbox.messages if parsed else ()
            messages = _read_messages(extension, entries, zone, key, before)
            parsed = ParsedMailbox(Mailbox.of(extension, messages), fingerprint)
        mailboxes[extension] = parsed
    return mailboxes


def _dump(entries: Sequence[JsonObject]) -> bytes:
    try:
        return orjson.dumps(entries)
    except orjson.JSONEncodeError:
        # orjson can parse deeper nesting than it can serialize.
        raise PbxReplyError("a message is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class NumberedMessage:
    """A message in a reply, with its id.

    `identity` is its date, caller and duration as they are in the reply. `ordinal` counts
    messages with the same identity, and `entry` is the raw message.
    """

    id: str
    identity: tuple[str, ...]
    ordinal: int
    entry: JsonObject


def number_messages(
    extension: str, entries: Iterable[JsonObject], key: bytes
) -> Iterator[NumberedMessage]:
    """Give the messages of one extension ids, in the order of the reply.

    An id is made of what identifies a message, since its file name does not. Nobody can work out
    an id without the secret `key`.
    """
    ordinals: Counter[tuple[str, ...]] = Counter()
    for entry in entries:
        identity = (
            as_text(entry.get("voicemaildate")),
            as_text(entry.get("messagefrom")),
            as_text(entry.get("voicemaillength")),
        )
        ordinal = ordinals[identity]
        ordinals[identity] += 1
        number = message_id(key, extension, *identity, str(ordinal))
        yield NumberedMessage(number, identity, ordinal, entry)


def read_extensions(reply: JsonObject) -> tuple[Extension, ...]:
    """Return the extensions in a reply to `extensionlist/query`. Raises PbxReplyError."""
    extensions = as_objects(reply.get("extlist"))
    if len(extensions) > MAX_EXTENSIONS:
        raise PbxReplyError("the reply has too many extensions")
    return tuple(
        Extension(
            number, None if (name := printable(as_text(item.get("username")))) == number else name
        )
        for item in extensions
        if (number := read_number(item.get("extnumber")))
    )


def read_entries(reply: JsonObject) -> Mapping[str, Sequence[JsonObject]]:
    """Return the raw messages in a reply to `voicemail/query`, by extension.

    Raises PbxReplyError if there are more than any PBX stores.
    """
    entries: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for item in as_objects(reply.get("voicemails")):
        if extension := read_number(item.get("extid")):
            entries[extension].extend(as_objects(item.get("voicemail")))
    if len(entries) > MAX_EXTENSIONS:
        raise PbxReplyError("the reply has too many mailboxes")
    if any(len(messages) > MAX_MESSAGES for messages in entries.values()):
        raise PbxReplyError("the reply has too many messages in one mailbox")
    return {extension: messages for extension, messages in entries.items() if messages}


def read_number(value: Json) -> str:
    """Return the number of an extension, empty if it is not valid."""
    number = as_text(value)
    return number if _NUMBER.fullmatch(number) else ""


def _read_messages(
    extension: str,
    entries: Sequence[JsonObject],
    zone: tzinfo,
    key: bytes,
    before: Iterable[Message],
) -> tuple[Message, ...]:
    """Return the messages, newest first. Those that were there before are not read again."""
    known = {message.id: message for message in before}
    messages = []
    for numbered in number_messages(extension, entries, key):
        message = known.get(numbered.id) or _read_message(extension, numbered, zone)
        read = _READ.get(as_text(numbered.entry.get("voicemailstatus")).casefold())
        messages.append(message if message.read is read else replace(message, read=read))
    # Of messages with the same date, the last in the reply is the newest. The sort is stable.
    messages.sort(key=lambda message: message.received_or_earliest)
    return tuple(reversed(messages))


def _read_message(extension: str, numbered: NumberedMessage, zone: tzinfo) -> Message:
    """Return what identifies a message: this never changes, unlike whether it is read."""
    received, caller, duration = numbered.identity
    number, name = split_caller(caller)
    return Message(
        id=numbered.id,
        extension=extension,
        caller=number,
        caller_name=name,
        received=_read_date(received, zone),
        duration=_read_duration(duration),
    )


def _read_date(value: str, zone: tzinfo) -> datetime | None:
    """Return a date, None if it is not valid or not plausible."""
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
