"""Whatever an Asterisk answers, it is taken for mailboxes or for an error of ours, for nothing else."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from hypothesis import given, strategies as st
import pytest

from custom_components.pbx_voicemail.pbx import PbxReplyError
from custom_components.pbx_voicemail.pbx.asterisk.ami import Reply
from custom_components.pbx_voicemail.pbx.asterisk.mailbox_list import Place, read_mailboxes
from custom_components.pbx_voicemail.pbx.asterisk.summary import Summary, read_entries

from .fake import EVENTS, LIST, SUMMARY, SUMMARY_WITH_OLD, list_of, recorded

PLACE = Place("default", "101")
RECORDED = (
    LIST,
    list_of({"101": (4, 2)}),
    SUMMARY,
    SUMMARY_WITH_OLD,
    EVENTS,
    recorded("login"),
    recorded("unknown-action"),
    b"Response: Success\r\n\r\n",
)
PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\xff", b": ", b":", b"(null)", b""),
        *(b"Event: VoicemailBoxDetail", b"Event: VoicemailUserEntry", b"ListItems: 4"),
        *(b"EventList: Complete", b"Response: ", b"Folder: Urgent", b"ID: ", b"Date: "),
        *(b"Thu Nov 26 08:19:41 AM UTC 2026", b"Thu Feb 31 25:61:61 PM UTC 2026"),
        *(b"Thu Nov 26 08:19:41 AM UTC 9999", b"Duration: 999999", b"NewMessageCount: 999999"),
        *(b"VoiceMailbox: ..", b"VMContext: a/b", b'"Ann <6000>', b'"\\', b"9" * 400, b"<" * 400),
    ]
)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Draw a recorded reply of which parts were replaced."""
    reply = draw(st.sampled_from(RECORDED))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(reply)))
        end = draw(st.integers(start, min(len(reply), start + 200)))
        reply = reply[:start] + draw(PIECES | st.binary(max_size=20)) + reply[end:]
    return reply


def read_all(body: bytes) -> None:
    with suppress(PbxReplyError):
        reply = Reply.parse(body)
        assert isinstance(reply.is_error | reply.is_denied | reply.is_unknown, bool)
        with suppress(PbxReplyError):
            mailboxes = read_mailboxes(reply, {})
            assert all(listed is None or listed.place.extension for listed in mailboxes.values())
        entries = read_entries(reply, PLACE, b"")
        summary = Summary(PLACE, entries, may_be_cut=False)
        messages = summary.messages()
        assert len({message.id for message in messages}) == len(messages) <= len(entries)
        assert sum(summary.counts) <= len(entries)


@given(spoiled())
def test_spoiled_replies(body: bytes) -> None:
    read_all(body)


@given(st.binary(max_size=500))
def test_any_bytes(body: bytes) -> None:
    read_all(body)
    read_all(b"Response: " + body)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: b"Response: " + b"\r\n" * number,
        lambda number: b"Response: x\r\n\r\n" + b"\r\n\r\n" * number,
        lambda number: b"Response: x\r\n\r\n" + b"Event: VoicemailBoxDetail\r\n\r\n" * number,
        lambda number: SUMMARY.replace(b"anonymous", b'"' + b"\\" * number),
        lambda number: SUMMARY.replace(b"anonymous", b"<" * number),
        lambda number: SUMMARY.replace(b"UTC", b" " * number),
    ],
)
def test_nothing_takes_more_than_its_length(make: Callable[[int], bytes]) -> None:
    started = monotonic()
    read_all(make(200_000))
    assert monotonic() - started < 2
