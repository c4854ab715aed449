"""Parsing replies: documented ones, and those of real PBXs."""

from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from custom_components.pbx_voicemail.pbx import Extension, Mailbox, Message, PbxReplyError
from custom_components.pbx_voicemail.pbx.s_series import mailboxes
from custom_components.pbx_voicemail.pbx.s_series.device_info import DeviceInfo
from custom_components.pbx_voicemail.pbx.s_series.mailboxes import read_extensions
from custom_components.pbx_voicemail.pbx.s_series.reply import decode
from tests.conftest import FIXTURES

from .replies import read_mailboxes

BERLIN = ZoneInfo("Europe/Berlin")


type Reply = dict[str, Any]


def _mailboxes(*voicemails: Reply) -> dict[str, Mailbox]:
    return read_mailboxes({"status": "Success", "voicemails": [*voicemails]}, UTC)


def _messages(*entries: Reply, extension: Any = "102") -> tuple[Message, ...]:
    (mailbox,) = _mailboxes({"extid": extension, "voicemail": list(entries)}).values()
    return mailbox.messages


def _entry(**changes: Any) -> Reply:
    return {
        "voicemailfile": "msg0000.wav",
        "messagefrom": "6000",
        "voicemaildate": "2020-04-07 10:56:40",
        "voicemaillength": "4",
        **changes,
    }


def test_documented_reply() -> None:
    body = (FIXTURES / "voicemail_query.json").read_bytes()

    mailboxes = read_mailboxes(decode(body), BERLIN)

    assert list(mailboxes) == ["102"]
    mailbox = mailboxes["102"]
    assert [(m.caller, m.received, m.duration) for m in mailbox.messages] == [
        ("7001", datetime(2020, 4, 7, 9, 0, 8, tzinfo=UTC), 2),
        ("7001", datetime(2020, 4, 7, 8, 57, 31, tzinfo=UTC), 3),
        ("6000", datetime(2020, 4, 7, 8, 56, 40, tzinfo=UTC), 4),
    ]
    assert mailbox.latest == mailbox.messages[0]
    assert {m.extension for m in mailbox.messages} == {"102"}
    assert {m.read for m in mailbox.messages} == {None}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"voicemails": None},
        {"voicemails": ""},
        {"voicemails": []},
        {"voicemails": {}},
        {"voicemails": [{"extid": "101", "voicemail": []}]},
        {"voicemails": [{"extid": "101", "voicemail": None}]},
        {"voicemails": [{"extid": "101", "voicemail": ""}]},
        {"voicemails": [{"extid": "101"}]},
    ],
)
def test_no_messages(reply: Reply) -> None:
    assert read_mailboxes(reply, UTC) == {}


@pytest.mark.parametrize(
    "reply",
    [
        {"voicemails": "none"},
        {"voicemails": 3},
        {"voicemails": ["101"]},
        {"voicemails": [{"extid": "101", "voicemail": "none"}]},
        {"voicemails": [{"extid": "101", "voicemail": [3]}]},
    ],
)
def test_garbage_is_an_error(reply: Reply) -> None:
    with pytest.raises(PbxReplyError):
        read_mailboxes(reply, UTC)


def test_object_instead_of_a_list() -> None:
    reply: Reply = {"voicemails": {"extid": "102", "voicemail": _entry()}}
    assert len(read_mailboxes(reply, UTC)["102"].messages) == 1


def test_numbers_instead_of_strings() -> None:
    (as_text,) = _messages(_entry())
    (as_number,) = _messages(_entry(messagefrom=6000, voicemaillength=4), extension=102)
    assert as_number == as_text


def test_leading_zeros() -> None:
    assert _mailboxes({"extid": "0101", "voicemail": [_entry()]}).keys() == {"0101"}


def test_missing_and_unknown_fields() -> None:
    (message,) = _messages({"colour": "blue"})
    assert message == Message(id=message.id, extension="102")


def test_mailbox_in_two_parts() -> None:
    mailboxes = _mailboxes(
        {"extid": "102", "voicemail": [_entry()]},
        {"extid": "102", "voicemail": [_entry(messagefrom="7001")]},
    )
    assert {m.caller for m in mailboxes["102"].messages} == {"6000", "7001"}


@pytest.mark.parametrize(
    ("caller", "number", "name"),
    [
        ("7001", "7001", None),
        ("", None, None),
        ("anonymous", "anonymous", None),
        ('"Ann Müller" <6000>', "6000", "Ann Müller"),
        ("Ann Müller <6000>", "6000", "Ann Müller"),
        ('"张伟" <13800138000>', "13800138000", "张伟"),
        (
            r'"Bob \"X\" <script>alert(1)</script>" <+4930123456>',
            "+4930123456",
            'Bob "X" <script>alert(1)</script>',
        ),
        (r'"back\\slash" <1>', "1", r"back\slash"),
        ('"" <6000>', "6000", None),
        ('"Ann" <>', None, "Ann"),
        ("<6000>", "6000", None),
        ('"Ann <6000>', "6000", "Ann"),
        ('"Ann "Lee" <6000>', "6000", "Ann"),
        ('"Ann\\" <6000>', "6000", "Ann"),
        ("Jean\u00a0Dupont <6000>", "6000", "Jean Dupont"),
        ("山田\u3000太郎 <6000>", "6000", "山田 太郎"),
        ("Ann\t\n Lee <6000>", "6000", "Ann Lee"),
        ("\u2028\u00a0 <6000>", "6000", None),
        ("می\u200cخواهم <6000>", "6000", "می\u200cخواهم"),
        ("👩\u200d👩\u200d👧 <6000>", "6000", "👩\u200d👩\u200d👧"),
        ("\u200d\u200c <6000>", "6000", None),
        ("A\u200b\ufeff\u2066n <6000>", "6000", "An"),
        ('"6000" <6000>', "6000", None),
        ('"+49 (30) 123-456" <+4930123456>', "+4930123456", None),
        ('"6001" <6000>', "6000", "6001"),
        ("a < b > c", "a < b > c", None),
        ("\u202e6000\x00\n", "6000", None),
        ("x" * 300, "x" * 255, None),
    ],
)
def test_callers(caller: str, number: str | None, name: str | None) -> None:
    (message,) = _messages(_entry(messagefrom=caller))
    assert (message.caller, message.caller_name) == (number, name)


@pytest.mark.parametrize(
    ("date", "received"),
    [
        ("2020-04-07 10:56:40", datetime(2020, 4, 7, 8, 56, 40, tzinfo=UTC)),
        ("2020-12-07 10:56:40", datetime(2020, 12, 7, 9, 56, 40, tzinfo=UTC)),
        ("2020-04-07T10:56:40+05:00", datetime(2020, 4, 7, 5, 56, 40, tzinfo=UTC)),
        ("2021-02-30 10:00:00", None),
        ("yesterday", None),
        ("", None),
        (1586249800, None),
        ("0001-01-01 00:00:00", None),
        ("9999-12-31 23:59:59.999999", None),
        ("1969-12-31 23:59:59", None),
        ("2101-01-01 00:00:00", None),
        ("1970-01-01 00:00:00", datetime(1969, 12, 31, 23, 0, tzinfo=UTC)),
        ("2100-12-31 23:59:59", datetime(2100, 12, 31, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates(date: object, received: datetime | None) -> None:
    reply: Reply = {"voicemails": [{"extid": "102", "voicemail": [_entry(voicemaildate=date)]}]}
    (message,) = read_mailboxes(reply, BERLIN)["102"].messages
    assert message.received == received


@pytest.mark.parametrize(
    ("length", "duration"),
    [
        ("4", 4),
        (4, 4),
        ("0", 0),
        ("4.6", 5),
        ("", None),
        ("00:04", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("9" * 30, None),
        (True, None),
    ],
)
def test_durations(length: object, duration: int | None) -> None:
    (message,) = _messages(_entry(voicemaillength=length))
    assert message.duration == duration


@pytest.mark.parametrize(("status", "read"), [("read", True), ("Unread", False), ("?", None)])
def test_read_marks(status: str, read: bool | None) -> None:
    (message,) = _messages(_entry(voicemailstatus=status))
    assert message.read is read


def test_order_of_messages() -> None:
    messages = _messages(
        _entry(messagefrom="2", voicemaildate="2020-01-02 00:00:00"),
        _entry(messagefrom="0", voicemaildate="soon"),
        _entry(messagefrom="3", voicemaildate="2020-01-03 00:00:00"),
        _entry(messagefrom="3, too", voicemaildate="2020-01-03 00:00:00"),
        _entry(messagefrom="1", voicemaildate="2020-01-01 00:00:00"),
    )
    assert [m.caller for m in messages] == ["3, too", "3", "2", "1", "0"]


def test_renumbering_keeps_ids() -> None:
    before = _messages(_entry(), _entry(messagefrom="7001", voicemailfile="msg0001.wav"))
    after = _messages(_entry(messagefrom="7001", voicemailfile="msg0000.wav"))
    assert after[0] in before


def test_twins_have_different_ids() -> None:
    twins = _messages(_entry(), _entry(voicemailfile="msg0001.wav"))
    assert len({m.id for m in twins}) == 2
    # When one of them is deleted, the other has an id that existed before.
    assert _messages(_entry())[0] in twins


@pytest.mark.parametrize("field", ["messagefrom", "voicemaildate", "voicemaillength"])
def test_different_messages_have_different_ids(field: str) -> None:
    (one,) = _messages(_entry())
    (other,) = _messages(_entry(**{field: "1"}))
    (elsewhere,) = _messages(_entry(), extension="103")
    assert len({one.id, other.id, elsewhere.id}) == 3


def test_unchanged_mailboxes_are_the_same_objects() -> None:
    def reply(*callers: str) -> Any:
        boxes = [
            {"extid": "101", "voicemail": [_entry(), _entry(messagefrom="7001")]},
            {"extid": "102", "voicemail": [_entry(messagefrom=caller) for caller in callers]},
        ]
        return orjson.loads(orjson.dumps({"voicemails": boxes}))

    before = mailboxes.read_mailboxes(reply("1"), UTC, {})
    after = mailboxes.read_mailboxes(reply("1", "2"), UTC, before)

    assert after["101"].mailbox is before["101"].mailbox
    assert after["102"].mailbox is not before["102"].mailbox


def test_five_thousand_messages_in_one_mailbox() -> None:
    messages = _messages(*(_entry(voicemailfile=f"msg{n:04}.wav") for n in range(5000)))
    assert len({m.id for m in messages}) == 5000


def test_too_many_messages() -> None:
    def mailboxes(number: int, messages: int) -> Reply:
        mailbox = {"voicemail": [_entry()] * messages}
        return {"voicemails": [{"extid": str(extension), **mailbox} for extension in range(number)]}

    for reply in (mailboxes(2001, 1), mailboxes(1, 10_001)):
        with pytest.raises(PbxReplyError, match="too many"):
            read_mailboxes(reply, UTC)
    assert len(read_mailboxes(mailboxes(2000, 1), UTC)) == 2000
    assert read_mailboxes(mailboxes(1, 10_000), UTC)["0"].count == 10_000
    with pytest.raises(PbxReplyError, match="too many"):
        read_extensions({"extlist": [{"extnumber": str(number)} for number in range(2001)]})


@pytest.mark.parametrize("levels", [260, 300, 1000])
def test_nested_message(levels: int) -> None:
    body = b'{"status":"Success","voicemails":[{"extid":"101","voicemail":[{"x":%b%b}]}]}' % (
        b"[" * levels,
        b"]" * levels,
    )
    with pytest.raises(PbxReplyError):
        read_mailboxes(decode(body), UTC)


@pytest.mark.parametrize(
    "number",
    [
        "\u202e101",
        "101\n2026 ERROR",
        "a\0b",
        "1" * 33,
        "..",
        "%2e%2e",
        "a?b#c%d",
        "a/b",
        "<b>",
        " ",
    ],
)
def test_invalid_numbers(number: str) -> None:
    """It would be used in logs, URLs and ids."""
    assert _mailboxes({"extid": number, "voicemail": [_entry()]}) == {}
    assert read_extensions({"extlist": [{"extnumber": number}]}) == ()


@pytest.mark.parametrize("number", ["101", "0101", "*98", "#1", "+49", "a-b_c", "ext٣"])
def test_valid_numbers(number: str) -> None:
    assert _mailboxes({"extid": number, "voicemail": [_entry()]}).keys() == {number}


@pytest.mark.parametrize(
    "text",
    ["a" + " " * 1_000_000 + "a", '"' * 1_000_000, "<" * 1_000_000, "\\" * 1_000_000],
    ids=["spaces", "quotes", "brackets", "backslashes"],
)
def test_parsing_a_megabyte_is_fast(text: str) -> None:
    started = perf_counter()
    (message,) = _messages(
        _entry(messagefrom=text, voicemaildate=text, voicemaillength=text, voicemailstatus=text)
    )
    DeviceInfo.parse(dict.fromkeys(("devicename", "sn", "firmwarever", "systemtime"), text))
    read_extensions({"extlist": [{"extnumber": text, "username": text}]})
    assert perf_counter() - started < 1
    assert message.caller is None or len(message.caller) <= 255


def test_ids_depend_on_the_key() -> None:
    reply: Reply = {"voicemails": [{"extid": "102", "voicemail": [_entry()]}]}
    ids = {read_mailboxes(reply, UTC, key)["102"].messages[0].id for key in (b"", b"1", b"2")}
    assert len(ids) == 3


def test_extension_list() -> None:
    reply: Reply = {
        "extlist": [
            {"extnumber": "100", "username": "100", "type": "pjsip"},
            {"extnumber": 101, "username": "Reception"},
            {"extnumber": "0102", "username": ""},
            {"extnumber": "", "username": "nobody"},
        ]
    }
    assert read_extensions(reply) == (
        Extension("100"),
        Extension("101", "Reception"),
        Extension("0102"),
    )


def test_device_info() -> None:
    info: Reply = {
        "devicename": "UC501",
        "sn": "a09805021987",
        "hardwarever": 3.1,
        "firmwarever": "",
    }
    expected = DeviceInfo("UC501", "a09805021987", "3.1")
    assert DeviceInfo.parse({"status": "Success", "deviceinfo": info}) == expected
    assert DeviceInfo.parse({"status": "Success", **info}) == expected
    assert DeviceInfo.parse({"status": "Success"}) == DeviceInfo()
    linked = {"devicename": "UC501 ![x](http://a.bc/d) <img src=x>`|*_[]", "sn": "SN_101"}
    assert DeviceInfo.parse(linked) == DeviceInfo("UC501 x(http//a.bc/d) img srcx_")
    assert DeviceInfo("UC501").manufacturer is None
    assert DeviceInfo("Yeastar S100").manufacturer == "Yeastar"


@pytest.mark.parametrize(
    ("system_time", "clock"),
    [
        ("2020-05-19 04:06:07", datetime(2020, 5, 19, 4, 6, 7)),
        ("2017-05-24 23:25:20 UTC-8", datetime(2017, 5, 25, 7, 25, 20, tzinfo=UTC)),
        ("2018-03-22 20:26:02 UTC+8", datetime(2018, 3, 22, 12, 26, 2, tzinfo=UTC)),
        ("2018-03-22 20:26:02 UTC+5:30", datetime(2018, 3, 22, 14, 56, 2, tzinfo=UTC)),
        ("2018-03-22 20:26:02 UTC+99", None),
        ("2018-03-22 20:26:02 UTC", datetime(2018, 3, 22, 20, 26, 2)),
        ("2018-02-30 20:26:02", None),
        ("soon", None),
        ("", None),
    ],
)
def test_system_time(system_time: str, clock: datetime | None) -> None:
    shown = DeviceInfo.parse({"deviceinfo": {"systemtime": system_time}}).system_time
    assert shown == clock
    assert shown is None or clock is None or (shown.tzinfo is None) == (clock.tzinfo is None)


def test_daylight_saving_time() -> None:
    def read(date: str) -> datetime | None:
        (message,) = read_mailboxes(
            {"voicemails": [{"extid": "102", "voicemail": [_entry(voicemaildate=date)]}]},
            BERLIN,
        )["102"].messages
        return message.received

    # The first of the two possible times.
    assert read("2026-10-25 02:30:00") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert read("2026-10-25 03:00:00") == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    # A clock that has not been set forward yet.
    assert read("2026-03-29 02:30:00") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert read("2026-03-29 01:59:59") < read("2026-03-29 02:30:00") < read("2026-03-29 03:31:00")  # type: ignore[operator]
