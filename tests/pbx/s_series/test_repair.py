"""Invalid bytes in the name of a caller only affect that name."""

import json
from time import perf_counter

from homeassistant.util.dt import UTC
from hypothesis import given, strategies as st
import pytest

from custom_components.pbx_voicemail.pbx import Mailbox
from custom_components.pbx_voicemail.pbx.s_series.repair import repair
from custom_components.pbx_voicemail.pbx.s_series.reply import decode

from .replies import read_mailboxes

SPACINGS = {"none": ("", ""), "some": (" ", " "), "lines": ("\n  ", "")}


def _entry(name: bytes) -> bytes:
    return (
        b'{"voicemailfile":"msg0000.wav","messagefrom":"%b",'
        b'"voicemaildate":"2020-04-07 10:56:40","voicemaillength":"4"}' % name
    )


def _read(name: bytes) -> dict[str, Mailbox]:
    """Parse two mailboxes, with a message from the caller in the first one."""
    body = (
        b'{"status":"Success","voicemails":[{"extid":"101","voicemail":[%b,%b,%b]},'
        b'{"extid":"102","voicemail":[%b]}]}'
        % (_entry(b"6000"), _entry(name), _entry(b"7000"), _entry(b"8000"))
    )
    return read_mailboxes(decode(body), UTC)


def _check(mailboxes: dict[str, Mailbox]) -> None:
    assert {number: mailbox.count for number, mailbox in mailboxes.items()} == {"101": 3, "102": 1}
    last, garbled, first = mailboxes["101"].messages
    assert (first.caller, last.caller) == ("6000", "7000")
    assert garbled.received == first.received
    assert garbled.duration == 4


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("許".encode("big5"), "\ufffd\\"),
        ("ソ".encode("shift-jis"), "\ufffd\\"),
        (b"DOMAIN\\dora", "DOMAIN\\dora"),
        (b"DOMAIN\\", "DOMAIN\\"),
        (b"O\\'Brien", "O\\'Brien"),
        (b"A \\ud83d", "A \ufffd"),
        (b"M\\udcfcller", "M\ufffdller"),
        (b"\\ud83d\\ude00 \\ud83d", "😀 \ufffd"),
        (b"AC\\DC", "AC\\DC"),
        (b'the "boss"', 'the "boss"'),
        (b'\\"Ann\\" \\x', '"Ann" \\x'),
        (b'x"}]}]}', 'x"}]}]}'),
        (b'a","b', 'a","b'),
        (b'\x1b$B$"\x1b(B', '$B$" (B'),
        (b"M\xfcller", "M\ufffdller"),
        (b"line\nfeed\x00", "line feed"),
    ],
)
def test_only_the_name_is_affected(name: bytes, read: str) -> None:
    mailboxes = _read(name)
    _check(mailboxes)
    assert mailboxes["101"].messages[1].caller == read


@given(st.binary(max_size=12))
def test_any_bytes(name: bytes) -> None:
    """Except for bytes that are JSON of more messages, which cannot be detected."""
    _check(_read(name))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(list(SPACINGS))
)
def test_escaped_texts_are_unchanged(name: str, spacing: str) -> None:
    before, after = SPACINGS[spacing]
    entry = {"messagefrom": name, "voicemaildate": "2020-04-07 10:56:40"}
    reply = {"status": "Success", "voicemails": [{"extid": "101", "voicemail": [entry, entry]}]}
    text = json.dumps(reply, separators=(f"{after},{before}", f"{after}:{before}"))
    assert json.loads(repair(text.encode())) == reply


@pytest.mark.parametrize(
    "part",
    [
        b'"',
        b"\\",
        b':"',
        b'" ',
        b'"}',
        b'"}]',
        b'",',
        b':"a',
        b"\\u",
        b"\\ud83d",
        b',"a":',
        b': "}] ',
    ],
)
def test_linear_time(part: bytes) -> None:
    """A megabyte takes milliseconds. With quadratic time, it would take minutes."""
    for body in (part * (1_000_000 // len(part)), b'{"a":"' + part + b" " * 1_000_000 + part):
        started = perf_counter()
        repair(body)
        assert perf_counter() - started < 5
