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

from ..comparison import Difference, KnownBody
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
    """A reply, and its mailboxes by extension.

    The parts of its body are the head, each mailbox with what comes after it, and the tail.
    `numbers` are the extensions of these mailboxes, each empty if it is not valid. If the reply
    is laid out in another way, `numbers` is None, and the body is one part.
    """

    body: KnownBody = field(default_factory=KnownBody)
    mailboxes: Mapping[str, ParsedMailbox] = field(default_factory=dict)
    numbers: Sequence[str] | None = None

    def is_around(self, difference: Difference) -> bool:
        """Return whether what differs from this is between the head and the tail."""
        if self.numbers is None or difference.known is not self.body:
            return False
        head, tail = self.body.parts[0], self.body.parts[-1]
        return difference.begin >= len(head) and difference.end >= len(tail)


def read_reply(difference: Difference, last: ParsedReply, zone: tzinfo, key: bytes) -> ParsedReply:
    """Return a reply, given the last one, as `decode` and `read_mailboxes` read it.

    Raises PbxError.
    """
    try:
        if last.is_around(difference):
            parsed = _read_changes(difference, last, zone, key)
        else:
            parsed = _read_each(difference.whole(), last.mailboxes, zone, key)
    except orjson.JSONDecodeError, PbxError:
        parsed = None
    if parsed is None:
        # Parsing the whole reply repairs it, or raises the error.
        body = difference.whole()
        mailboxes = read_mailboxes(decode(body), zone, last.mailboxes, key)
        parsed = ParsedReply(KnownBody([body]), mailboxes)
    return parsed


def _read_each(
    body: bytes, known: Mapping[str, ParsedMailbox], zone: tzinfo, key: bytes
) -> ParsedReply | None:
    """Return a reply of which each mailbox is parsed by itself, None if that cannot be done."""
    begin = _HEAD.match(body)
    end = _TAIL.search(body, max(begin.end(), len(body) - _TAIL_BYTES)) if begin else None
    if not begin or not end:
        return None
    head, tail = body[: begin.end()], body[end.start() :]
    decode(head + tail)
    before = ParsedReply(KnownBody([head, tail]), known, ())
    between = body[len(head) : -len(tail)]
    difference = Difference(before.body, len(head), between, len(tail))
    return _read_changes(difference, before, zone, key)


def _read_changes(
    difference: Difference, before: ParsedReply, zone: tzinfo, key: bytes
) -> ParsedReply | None:
    """Return a reply of which only the changes are parsed, None if that cannot be done."""
    known, numbers = before.mailboxes, before.numbers or ()
    first, last, text = _changed(difference)
    begins = [match.start() for match in _MAILBOX.finditer(text)]
    is_last = last == len(numbers)
    is_comma_last = is_last and first > 0 and not text
    if is_comma_last or (begins[0] if begins else len(text)) > 0:
        return None
    parts = [text[begin:end] for begin, end in pairwise([*begins, len(text)])]
    items = [_parse(part, is_last and part is parts[-1]) for part in parts]
    changed_numbers = [read_number(item.get("extid")) for item in items]
    unchanged = {*numbers[:first], *numbers[last:]}
    numbers = [*numbers[:first], *changed_numbers, *numbers[last:]]
    valid = [number for number in numbers if number]
    if len(set(valid)) < len(valid) or len(valid) > MAX_EXTENSIONS:
        return None
    changed = read_mailboxes({"voicemails": items}, zone, known, key)
    mailboxes = {
        number: found
        for number in valid
        if (found := (known if number in unchanged else changed).get(number))
    }
    body = KnownBody([*before.body.parts[: first + 1], *parts, *before.body.parts[last + 1 :]])
    return ParsedReply(body, mailboxes, numbers)


def _changed(difference: Difference) -> tuple[int, int, bytes]:
    """Return which mailboxes of the last reply have changed, and what is in their place.

    These are the first of them, and the one after the last of them. The last mailbox of a reply
    has no comma behind it. It counts as changed unless it is the last again.
    """
    before = difference.known
    _, *begins, end = before.offsets
    same_end = end - difference.end
    first = max(0, min(bisect_right(begins, difference.begin) - 1, len(begins) - 2))
    last = bisect_left(begins, same_end)
    text = b"".join(
        (
            before.between(begins[first], difference.begin),
            difference.between,
            before.between(same_end, begins[last]),
        )
    )
    # If a mailbox is gone, its beginning is often the same as that of the next one.
    while last > first and text.endswith(before.parts[last]):
        text = text.removesuffix(before.parts[last])
        last -= 1
    return first, last, text


def _parse(mailbox: bytes, is_last: bool) -> JsonObject:
    """Return the object in a part of a reply that ends in a comma unless it is the last one.

    It is parsed as deep in brackets as in the whole reply, since their depth is limited.
    """
    match orjson.loads(b"[[%b%b0]]" % (mailbox, b"," if is_last else b"")):
        case [[dict() as item, 0]]:
            return cast("JsonObject", item)
    raise PbxReplyError("this part of the reply is not one object")
