"""A reply that is read by its changes is read as if it were parsed as a whole."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from functools import partial
import json
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings, strategies as st
import orjson
import pytest

from custom_components.pbx_voicemail.pbx import PbxError, PbxReplyError
from custom_components.pbx_voicemail.pbx.comparison import Comparison
from custom_components.pbx_voicemail.pbx.models import MAX_EXTENSIONS
from custom_components.pbx_voicemail.pbx.s_series import mailboxes
from custom_components.pbx_voicemail.pbx.s_series.changes import ParsedReply, read_reply
from custom_components.pbx_voicemail.pbx.s_series.reply import decode

KEY = b"secret"

HOSTILE = (
    "",
    "101",
    '"Ann" <6000>',
    "\\",
    '\\"',
    '{"extid":"101"',
    '{"extid":"101","voicemail":[]},',
    '"},{"extid":"102","voicemail":[',
    '],"voicemails":[',
    "]}",
    "}]}]}",
    '","voicemails":[{"extid":"',
    "\ud83d",
    "\x00\x0b\n\t",
    "\u2028张伟",
    "[" * 40,
)
"""Texts that callers choose, some of which look like the structure around them."""

PIECES = (
    b'{"extid":"101","voicemail":[]}',
    b'{"extid":"101"',
    b'],"voicemails":[',
    b"],[",
    b"]}",
    b"},",
    b",",
    b",5,",
    b"[",
    b'"',
    b"\\",
    b"\\u0065",
    b"\xff",
    b"\xe5\xbc",
    b"\x0b",
    b" ",
    b"0",
    b'"status":"Failed","errno":"20004",',
    b'"errno":1,',
    b'"x":{"extid":"103"},',
    b'"x":' + b"[" * 253 + b"]" * 253 + b",",
    b'"x":' + b"[" * 1021 + b"]" * 1021 + b",",
)
"""What may be put anywhere in a reply, or be taken out."""

type Reply = dict[str, Any]
type Layout = Callable[[Reply], bytes]

TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=5)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"messagefrom": TEXTS},
        optional={
            "voicemaildate": st.sampled_from(["2026-11-23 14:51:02", "2026-10-25 02:30:00"])
            | TEXTS,
            "voicemaillength": st.integers(0, 9).map(str),
            "voicemailstatus": st.sampled_from(["read", "unread"]),
            "extid": TEXTS,
        },
    ),
    max_size=3,
)
NUMBERS = st.integers(101, 106).map(str) | st.integers(101, 106) | TEXTS
MAILBOXES = st.fixed_dictionaries(
    {"extid": NUMBERS, "voicemail": MESSAGES | st.none() | TEXTS.map(lambda text: {"x": text})}
) | st.fixed_dictionaries({"voicemail": MESSAGES, "extid": NUMBERS})


def _layout(**arguments: Any) -> Layout:
    return lambda reply: json.dumps(reply, **arguments).encode(errors="surrogatepass")


LAYOUTS = st.sampled_from(
    [
        _layout(separators=(",", ":"), ensure_ascii=False),
        _layout(separators=(",", ":")),
        _layout(),
        _layout(indent=4),
        # An object that has another order, and one with something after the list.
        lambda reply: json.dumps(dict(reversed(reply.items()))).encode(),
        lambda reply: json.dumps({**reply, "total": 7}).encode(),
        # Not escaped at all, as some firmware does.
        lambda reply: _layout()(reply).replace(b'\\"', b'"'),
    ]
)


def _reply(boxes: list[Reply]) -> Reply:
    return {"status": "Success", "voicemails": boxes}


def _changed(data: st.DataObject, boxes: list[Reply]) -> list[Reply]:
    """Return mailboxes, some of which came, went, moved or changed."""
    boxes = list(boxes)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(boxes)))
        kept = data.draw(st.integers(at, min(len(boxes), at + 2)))
        boxes[at:kept] = data.draw(st.lists(MAILBOXES, max_size=2))
    return boxes


def _damaged(data: st.DataObject, body: bytes) -> bytes:
    for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = data.draw(st.integers(0, len(body)))
        piece = data.draw(st.sampled_from(PIECES))
        body = body[:at] + piece + body[at + data.draw(st.integers(0, 3)) :]
    return body


type Mailboxes = Mapping[str, mailboxes.ParsedMailbox]


def _read(body: bytes, last: ParsedReply) -> ParsedReply:
    comparison = Comparison(last.body, len(body))
    comparison.add(body)
    return read_reply(comparison.difference(), last, UTC, KEY)


def _read_all(*bodies: bytes) -> ParsedReply:
    """Read replies one after another, each also as a whole. Returns the last one."""
    last = ParsedReply()
    for body in bodies:
        by_changes = _result(partial(_read, body, last))
        whole = _result(partial(_read_whole, body))
        if isinstance(by_changes, ParsedReply):
            last = by_changes
            assert b"".join(last.body.parts) == body
            assert list(last.mailboxes.items()) == list(whole.items())
        else:
            assert by_changes == whole
    return last


def _result[ResultT](read: Callable[[], ResultT]) -> ResultT | dict[str, str]:
    try:
        return read()
    except PbxError as err:
        return {type(err).__name__: str(err)}


def _read_whole(body: bytes) -> Mailboxes:
    return mailboxes.read_mailboxes(decode(body), UTC, {}, KEY)


@settings(max_examples=300)
@given(st.lists(MAILBOXES, max_size=5), LAYOUTS, st.data())
def test_any_history_of_replies(boxes: list[Reply], layout: Layout, data: st.DataObject) -> None:
    bodies = []
    for _ in range(data.draw(st.integers(2, 4))):
        bodies.append(_damaged(data, layout(_reply(boxes))))
        boxes = _changed(data, boxes)
    _read_all(*bodies)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=6), st.data())
def test_any_pieces_between_mailboxes(pieces: list[bytes], data: st.DataObject) -> None:
    """What comes between mailboxes that stay the same is not taken for one of them."""
    boxes = [
        b'{"extid":"%d","voicemail":[{"messagefrom":"1"}]}' % number for number in (1, 2, 3, 4)
    ]
    head, tail = b'{"status":"Success","voicemails":[', b"]}"
    at = data.draw(st.integers(0, 4))
    comma_before, comma_after = (data.draw(st.sampled_from([b"", b","])) for _ in range(2))
    between = comma_before + b"".join(pieces) + comma_after
    changed = b",".join(boxes[:at]) + between + b",".join(boxes[at:])
    _read_all(head + b",".join(boxes) + tail, head + changed + tail)


def _mailbox(number: int, *callers: str) -> Reply:
    return {"extid": str(number), "voicemail": [{"messagefrom": caller} for caller in callers]}


@contextmanager
def _parsed_parts() -> Iterator[list[bytes]]:
    """Collect what is parsed of replies."""
    parts: list[bytes] = []
    with patch.object(orjson, "loads", wraps=orjson.loads) as loads:
        yield parts
    texts = [call.args[0] for call in loads.call_args_list]
    # What we keep of messages is a list of lists.
    parts += [text for text in texts if not text.startswith(b'[["')]


BEFORE = [_mailbox(number, *HOSTILE[:-4]) for number in range(101, 121)]


@pytest.mark.parametrize(
    ("after", "parsed"),
    [
        ([*BEFORE[:7], _mailbox(108, "1"), *BEFORE[8:]], 1),
        ([_mailbox(101, "1"), *BEFORE[1:]], 1),
        ([*BEFORE[:-1], _mailbox(120, "1")], 1),
        ([*BEFORE, _mailbox(121, "1")], 2),
        ([_mailbox(100, "1"), *BEFORE], 1),
        (BEFORE[1:], 0),
        (BEFORE[:-1], 1),
        ([*BEFORE[:5], *BEFORE[9:]], 0),
        ([*BEFORE[:5], _mailbox(106, "1"), *BEFORE[6:9], _mailbox(110, "1"), *BEFORE[10:]], 5),
        ([], 0),
    ],
    ids=[
        "one changed",
        "the first changed",
        "the last changed",
        "one came last",
        "one came first",
        "the first went",
        "the last went",
        "some went",
        "two changed",
        "all went",
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_only_changed_mailboxes_are_parsed(
    after: list[Reply], parsed: int, separators: tuple[str, str]
) -> None:
    layout = _layout(separators=separators)
    before = _read_all(layout(_reply(BEFORE)))
    body = layout(_reply(after))

    with _parsed_parts() as parts:
        reply = _read(body, before)

    assert len(parts) == parsed
    assert sum(map(len, parts)) <= parsed * 2000
    assert reply.mailboxes == _read_whole(body)
    assert all(
        reply.mailboxes[number] is same
        for number, same in before.mailboxes.items()
        if reply.mailboxes.get(number) == same
    )


def test_first_reply_is_parsed_once() -> None:
    body = _layout()(_reply(BEFORE))
    with _parsed_parts() as parts:
        _read(body, ParsedReply())
    assert sum(map(len, parts)) < len(body) * 1.1


def test_mailbox_in_two_parts_is_read_whole() -> None:
    layout = _layout()
    parts = [*BEFORE, _mailbox(101, "1")]
    reply = _read_all(layout(_reply(BEFORE)), layout(_reply(parts)), layout(_reply(BEFORE)))
    assert reply.numbers


NOBODY = b'{"extid":"","voicemail":[]}'
FIRST, SECOND, THIRD = (orjson.dumps(_mailbox(number, "1")) for number in (101, 102, 103))


@pytest.mark.parametrize(
    "lists",
    [
        [FIRST + b"," + SECOND, FIRST + b","],
        [FIRST + b"," + SECOND, b"," + SECOND],
        [FIRST + b"," + THIRD, FIRST + b"," + SECOND + b",5," + THIRD],
        [FIRST + b"," + SECOND, FIRST + b'],"voicemails":[' + SECOND],
        [FIRST + b"," + THIRD, FIRST + b"," + SECOND + b"],[" + THIRD],
        [b",".join([NOBODY] * 3 + [SECOND]), NOBODY + b"," + SECOND, NOBODY + b"," + THIRD],
        [b",".join([NOBODY] * 3), NOBODY, NOBODY + b"," + THIRD],
        [b" " + FIRST + b" ", b" ", b"", b" " + SECOND],
    ],
    ids=[
        "a comma last",
        "a comma first",
        "a number",
        "two lists",
        "one list",
        "fewer of the same",
        "only the same",
        "spaces",
    ],
)
def test_lists_that_could_be_misread(lists: list[bytes]) -> None:
    _read_all(*(b'{"status":"Success","voicemails":[' + inside + b"]}" for inside in lists))


def test_refusal_that_has_the_mailboxes_of_the_last_reply() -> None:
    body = _layout()(_reply(BEFORE))
    _read_all(body, body.replace(b'"Success"', b'"Failure"'), body)


def test_too_many_mailboxes_one_after_another() -> None:
    boxes = [_mailbox(number, "1") for number in range(MAX_EXTENSIONS)]
    last = _read_all(_layout()(_reply(boxes)))
    with pytest.raises(PbxReplyError, match="too many"):
        _read(_layout()(_reply([_mailbox(5000), *boxes])), last)
