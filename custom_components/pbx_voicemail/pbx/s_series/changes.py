"""Reads a reply to `voicemail/query` by what has changed since the last one.

A reply is a head, the mailboxes with commas between them, and a tail:

    {"status":"Success","voicemails":[ {"extid":"101",...}, {"extid":"102",...} ]}

It is compared with the last one from both ends, and only the mailboxes between are parsed, each by
itself. That gives what parsing the whole would give: the head and the tail were seen to be a reply
without mailboxes, and what lies between to be nothing but objects with commas between them. A
reply that is laid out in any other way is parsed as a whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import pairwise
import re
from typing import Final, cast

import orjson

from ..comparison import Difference
from ..errors import PbxError, PbxReplyError
from ..json_values import JsonObject
from ..models import MAX_EXTENSIONS
from .mailboxes import ParsedMailbox, read_mailboxes, read_number
from .reply import decode

_HEAD: Final = re.compile(
    rb"""
    \s*+ \{ \s*+ (?: "\w++" \s*+ : \s*+ (?: "[ !#-\[\]-~]*+" | \d++ ) \s*+ , \s*+ )*+
    "voicemails" \s*+ : \s*+ \[ \s*+
    """,
    re.VERBOSE,
)
_TAIL: Final = re.compile(rb"\s*+\]\s*+\}\s*+\Z")
_TAIL_BYTES: Final = 32

# No string contains this: a quotation mark in a string follows a backslash.
_MAILBOX: Final = re.compile(rb'\{\s*+"extid"')


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply, its mailboxes by extension, and where they are in it.

    `begins` are the offsets of the mailboxes and of the tail, empty if the reply is laid out in
    another way. `numbers` are the extensions of the mailboxes, each empty if it is not valid.
    """

    body: bytes = b""
    mailboxes: Mapping[str, ParsedMailbox] = field(default_factory=dict)
    begins: Sequence[int] = ()
    numbers: Sequence[str] = ()

    def is_around(self, difference: Difference) -> bool:
        """Return whether another reply differs from this only between the head and the tail."""
        return (
            difference.known is self.body
            and bool(self.begins)
            and difference.begin >= self.begins[0]
            and difference.end >= len(self.body) - self.begins[-1]
        )


def read_reply(difference: Difference, last: ParsedReply, zone: tzinfo, key: bytes) -> ParsedReply:
    """Return a reply, given the last one, as `decode` and `read_mailboxes` read it.

    Raises PbxError.
    """
    body = difference.whole()
    try:
        if last.is_around(difference):
            parsed = _read_changes(body, last, _changed(body, last, difference), zone, key)
        else:
            parsed = _read_each(body, last.mailboxes, zone, key)
    except orjson.JSONDecodeError, PbxError:
        # Parsing the whole reply repairs it, or raises the error.
        parsed = None
    return parsed or ParsedReply(body, read_mailboxes(decode(body), zone, last.mailboxes, key))


def _read_each(
    body: bytes, known: Mapping[str, ParsedMailbox], zone: tzinfo, key: bytes
) -> ParsedReply | None:
    """Return a reply of which each mailbox is parsed by itself, None if that cannot be done."""
    head = _HEAD.match(body)
    tail = _TAIL.search(body, max(head.end(), len(body) - _TAIL_BYTES)) if head else None
    if not head or not tail:
        return None
    empty = body[: head.end()] + body[tail.start() :]
    decode(empty)
    return _read_changes(body, ParsedReply(empty, known, (head.end(),)), (0, 0), zone, key)


def _read_changes(
    body: bytes, before: ParsedReply, changed: tuple[int, int], zone: tzinfo, key: bytes
) -> ParsedReply | None:
    """Return a reply of which only the changes are parsed, None if that cannot be done.

    `changed` is what `_changed` returns.
    """
    first, last = changed
    known, shift = before.mailboxes, len(body) - len(before.body)
    begin, end = before.begins[first], before.begins[last] + shift
    tail = before.begins[-1] + shift
    begins = [match.start() for match in _MAILBOX.finditer(body, begin, end)]
    is_comma_last = first > 0 and begin == tail
    if is_comma_last or (begins[0] if begins else end) != begin:
        return None
    items = [_parse(body[at:to], to == tail) for at, to in pairwise([*begins, end])]
    numbers = [read_number(item.get("extid")) for item in items]
    numbers = [*before.numbers[:first], *numbers, *before.numbers[last:]]
    valid = [number for number in numbers if number]
    if len(set(valid)) < len(valid) or len(valid) > MAX_EXTENSIONS:
        return None
    new = read_mailboxes({"voicemails": items}, zone, known, key)
    unchanged = {*before.numbers[:first], *before.numbers[last:]}
    mailboxes = {
        number: found
        for number in valid
        if (found := (known if number in unchanged else new).get(number))
    }
    shifted = [offset + shift for offset in before.begins[last:]]
    return ParsedReply(body, mailboxes, (*before.begins[:first], *begins, *shifted), numbers)


def _changed(body: bytes, before: ParsedReply, difference: Difference) -> tuple[int, int]:
    """Return which mailboxes of the last reply have changed: the first, and the one after the last.

    The last mailbox has no comma behind it. It counts as changed unless it is the last again.
    """
    begins, shift = before.begins, len(body) - len(before.body)
    first = max(0, min(bisect_right(begins, difference.begin) - 1, len(begins) - 2))
    last = bisect_left(begins, len(before.body) - difference.end)
    # If a mailbox is gone, its beginning is often the same as that of the next one.
    while last > first and body.endswith(
        before.body[begins[last - 1] : begins[last]], begins[first], begins[last] + shift
    ):
        last -= 1
    return first, last


def _parse(mailbox: bytes, is_last: bool) -> JsonObject:
    """Return the object in a part of a reply that ends in a comma unless it is the last one.

    It is parsed as deep in brackets as in the whole reply, since their depth is limited.
    """
    match orjson.loads(b"[[%b%b0]]" % (mailbox, b"," if is_last else b"")):
        case [[dict() as item, 0]]:
            return cast("JsonObject", item)
    raise PbxReplyError("this part of the reply is not one object")
