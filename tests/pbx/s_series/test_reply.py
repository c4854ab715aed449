"""Decoding replies to objects and errors."""

import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxAuthError,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from custom_components.pbx_voicemail.pbx.s_series.reply import decode


@pytest.mark.parametrize(
    "body",
    [b'{"status":"Success"}', b'{"status":"success "}', b'\xef\xbb\xbf {"status":"Success"}\n'],
)
def test_success(body: bytes) -> None:
    assert decode(body)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b'"20004"', PbxAuthError),
        (b"20005", PbxAuthError),
        (b'"20006"', PbxAuthError),
        (b'"20002"', PbxLockedError),
        (b'"30003"', PbxRejectedError),
        (b'"never seen"', PbxRejectedError),
        (b"null", PbxRejectedError),
    ],
)
def test_failure(status: bytes, expected: type[PbxError]) -> None:
    with pytest.raises(PbxRejectedError) as raised:
        decode(b'{"status":"Failed","errno":%b}' % status)
    assert type(raised.value) is expected


# Yeastar S-Series API v1.1.0, "Error codes". OpenVox documents none.
DOCUMENTED = {*range(10002, 10034), *range(20000, 20022), 30001, 30003}
SPECIAL = {
    **dict.fromkeys((20004, 20005, 20006), PbxAuthError),
    **dict.fromkeys((10002, 10003), PbxUnsupportedError),
    20002: PbxLockedError,
}


@pytest.mark.parametrize("status", ["Failed", "Failure", "failed"])
def test_every_documented_errno(status: str) -> None:
    for errno in DOCUMENTED:
        for value in (f'"{errno}"', errno):
            with pytest.raises(PbxRejectedError) as raised:
                decode(f'{{"status":"{status}","errno":{value}}}'.encode())
            assert raised.value.errno == str(errno)
            assert type(raised.value) is SPECIAL.get(errno, PbxRejectedError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b"[]",
        b"null",
        b'"Success"',
        b"{}",
        b'{"status":""}',
        b'{"status":"Success"',
        b'{"status":"Success"} trailing',
    ],
)
def test_other_replies(body: bytes) -> None:
    with pytest.raises(PbxReplyError):
        decode(body)


@pytest.mark.parametrize(
    "errno", ['"1\\n2026-11-26 ERROR"', '"zero"', '"\\u202e"', '"12345678901"']
)
def test_errno_that_is_not_a_number(errno: str) -> None:
    with pytest.raises(PbxRejectedError) as raised:
        decode(f'{{"status":"Failed","errno":{errno}}}'.encode())
    assert raised.value.errno == "?"


def test_error_does_not_contain_the_reply() -> None:
    with pytest.raises(PbxReplyError) as raised:
        decode(b'{"messagefrom":"6000"')
    assert "6000" not in repr([raised.value, raised.value.__cause__])
    assert not hasattr(raised.value.__cause__, "doc")
    assert not hasattr(raised.value.__context__, "doc")
