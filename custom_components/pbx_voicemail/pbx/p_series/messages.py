"""Reads messages. Their ids are made of those that the PBX gives them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
import re
from typing import Final

from ..errors import PbxReplyError
from ..json_values import Json, JsonObject, as_text
from ..models import LONGEST_DURATION, Mailbox, Message, is_possible_date, message_id
from ..text import printable
from .reply import as_count

_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_EPOCH_AND_COUNTER: Final = re.compile(r"(\d{9,11})-([0-9A-Fa-f]{1,16})", re.ASCII)
_READ: Final = {"0": False, "1": True}

type Entries = Mapping[str, JsonObject]
"""The messages of one mailbox as they came, by the PBX's ids."""


def id_of(entry: JsonObject) -> str:
    """Return the PBX's id of a message. Raises PbxReplyError if it has none."""
    if not _ID.fullmatch(found := as_text(entry.get("msg_id"))):
        raise PbxReplyError("a message has no id")
    return found


def read_mailbox(extension: str, entries: Entries, key: bytes) -> Mailbox:
    """Return a mailbox."""
    messages = (_read(extension, pbx_id, entry, key) for pbx_id, entry in entries.items())
    return Mailbox.of(extension, _newest_first(messages, entries, key, extension))


def _newest_first(
    messages: Iterable[Message], entries: Entries, key: bytes, extension: str
) -> list[Message]:
    """Sort messages. The PBX may list them in any order, but its ids are counted."""
    counters = {message_id(key, extension, pbx_id): _counter(pbx_id) for pbx_id in entries}
    return sorted(
        messages,
        key=lambda message: (message.received_or_earliest, counters[message.id]),
        reverse=True,
    )


def _read(extension: str, pbx_id: str, entry: JsonObject, key: bytes) -> Message:
    caller = printable(as_text(entry.get("number")))
    name = printable(as_text(entry.get("name")))
    duration = as_count(entry.get("duration"))
    return Message(
        id=message_id(key, extension, pbx_id),
        extension=extension,
        caller=caller,
        caller_name=None if name == caller else name,
        received=_received(pbx_id),
        duration=duration if duration is not None and duration <= LONGEST_DURATION else None,
        read=_read_mark(entry.get("is_read")),
    )


def _read_mark(value: Json) -> bool | None:
    return value if isinstance(value, bool) else _READ.get(as_text(value))


def _received(pbx_id: str) -> datetime | None:
    """Return when a message was received, which its id begins with.

    `time` is in the PBX's zone and in one of several formats, some with the day first.
    """
    if not (match := _EPOCH_AND_COUNTER.fullmatch(pbx_id)):
        return None
    received = datetime.fromtimestamp(int(match[1]), UTC)
    return received if is_possible_date(received) else None


def _counter(pbx_id: str) -> int:
    match = _EPOCH_AND_COUNTER.fullmatch(pbx_id)
    return int(match[2], 16) if match else 0
