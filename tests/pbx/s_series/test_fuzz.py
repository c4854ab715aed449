"""Every reply is parsed, or leads to a PbxError."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
import json
from time import monotonic

from hypothesis import given, strategies as st
import pytest

from custom_components.pbx_voicemail.pbx import PbxError
from custom_components.pbx_voicemail.pbx.json_values import JsonObject
from custom_components.pbx_voicemail.pbx.s_series.device_info import DeviceInfo
from custom_components.pbx_voicemail.pbx.s_series.file_names import find_file_name
from custom_components.pbx_voicemail.pbx.s_series.mailboxes import read_extensions, read_mailboxes
from custom_components.pbx_voicemail.pbx.s_series.reply import decode

READERS: tuple[Callable[[JsonObject], object], ...] = (
    lambda reply: read_mailboxes(reply, UTC, {}),
    read_extensions,
    DeviceInfo.parse,
    lambda reply: find_file_name(reply, "101", "0", b""),
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        [
            "",
            "0101",
            "../x",
            "1" * 300,
            "1970-01-01 00:00:00",
            "2038-01-19 03:14:08",
            "9999-12-31 23:59:59",
            "2026-02-30 10:00:00",
            "0001-01-01 00:00:00",
            "2026-11-23T14:51:02+99:99",
            '"Ann" <6000>',
            '"' + "\\" * 50,
            "<" * 50,
            "1e400",
            "NaN",
            "2020-05-19 04:06:07 UTC-99:99",
        ]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def _objects(*fields: str) -> st.SearchStrategy[object]:
    """Generate objects with some of the documented fields, lists of them, and other values."""
    some = st.fixed_dictionaries({}, optional=dict.fromkeys(fields, ANYTHING))
    return st.lists(some, max_size=4) | some | ANYTHING


MESSAGES = _objects(
    "voicemailfile", "messagefrom", "voicemaildate", "voicemaillength", "voicemailstatus"
)
MAILBOX = st.fixed_dictionaries(
    {}, optional={"extid": SCALARS | st.just("101"), "voicemail": MESSAGES}
)
REPLIES = st.fixed_dictionaries(
    {"status": st.just("Success") | st.just("Failed") | ANYTHING},
    optional={
        "errno": ANYTHING,
        "voicemails": st.lists(MAILBOX, max_size=3) | MAILBOX | ANYTHING,
        "extlist": _objects("extnumber", "username", "status"),
        "deviceinfo": _objects("devicename", "sn", "hardwarever", "firmwarever", "systemtime"),
    },
)


def _read_all(body: bytes) -> None:
    began = monotonic()
    with suppress(PbxError):
        reply = decode(body)
        for read in READERS:
            with suppress(PbxError):
                read(reply)
    assert monotonic() - began < 5


@given(REPLIES)
def test_similar_replies(reply: object) -> None:
    _read_all(json.dumps(reply).encode(errors="replace"))


@given(REPLIES, st.data())
def test_damaged_replies(reply: object, data: st.DataObject) -> None:
    body = bytearray(json.dumps(reply, ensure_ascii=False).encode(errors="replace"))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    _read_all(bytes(body))


@given(st.binary(max_size=300))
def test_garbage(body: bytes) -> None:
    _read_all(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"status": "Success", "voicemails": ' + b'{"a":' * 100_000,
        b'{"status": "Success", "voicemails": [{"extid": "101", "voicemail": '
        + b"[" * 900
        + b"]" * 900
        + b"}]}",
        b'{"status": "Success", "status": "Failed"}',
        b'{"status": "Success", "voicemails": [{"extid": 99999999999999999999999}]}',
        b'{"status": "Success"} and more',
        '{"status": "Success"}'.encode("utf-16"),
        b'{"status": NaN}',
        b"\x00" * 1000,
        b'"' * 100_000,
        b'{"status": "Success", "voicemails": [{"extid": "101", "voicemail": [{"messagefrom": "'
        + b'\\"' * 100_000
        + b'"}]}]}',
    ],
    ids=range(11),
)
def test_known_malicious_replies(body: bytes) -> None:
    _read_all(body)
