"""Replies that no Asterisk can be made to give at will, made of those that a real one gave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from urllib.parse import quote_plus

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    Credentials,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxLoginError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxTimeoutError,
    PbxUnclearError,
    family,
)
from custom_components.pbx_voicemail.pbx.asterisk import (
    mailbox_list as mailbox_list_module,
    mailboxes as mailboxes_module,
    summary as summary_module,
)
from custom_components.pbx_voicemail.pbx.asterisk.errors import (
    AsteriskTooOldError,
    MailboxLockedError,
    VoicemailNotLoadedError,
)

from .fake import (
    DENIED,
    EMPTY_SUMMARY,
    EVENTS,
    LIST,
    SUMMARY,
    SUMMARY_WITH_OLD,
    UNKNOWN,
    Fake,
    list_of,
    recorded,
)

FOUR_NEW = list_of({"101": (4, 0)})
NO_MAILBOXES = (
    b"Response: Success\r\nMessage: There are no voicemail users currently defined.\r\n\r\n"
)
SLOW = 0.05
END = b"Event: VoicemailUserEntryComplete\r\nEventList: Complete\r\nListItems: 3\r\n\r\n"


@pytest.fixture
async def fake(socket_enabled: None) -> AsyncIterator[Fake]:
    async with Fake() as fake:
        yield fake


@pytest.fixture
def connection(fake: Fake, session: aiohttp.ClientSession) -> Connection:
    return Connection(
        session=session,
        address=Address("127.0.0.1", fake.port),
        credentials=Credentials(username="homeassistant", secret="a secret"),
    )


@pytest.fixture
def client(connection: Connection) -> PbxClient:
    return family("asterisk").create(connection)


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have locks that time out at once."""
    monkeypatch.setattr(summary_module, "_LOCK_SECONDS", SLOW / 2)


@pytest.fixture(autouse=True)
def retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at every poll for mailboxes that could not be read."""
    monkeypatch.setattr(mailboxes_module, "_FIRST_RETRY", 0)


@pytest.fixture
async def known(client: PbxClient, fake: Fake) -> PbxClient:
    """Know four new messages in mailbox 101."""
    fake.replies["VoicemailUsersList"] = FOUR_NEW
    fake.replies["VoicemailBoxSummary"] = SUMMARY
    await client.mailboxes(["101"])
    fake.actions.clear()
    return client


async def test_recorded_messages(known: PbxClient) -> None:
    mailbox = (await known.mailboxes(["101"]))["101"]
    assert [(message.caller, message.caller_name) for message in mailbox.messages] == [
        ("Unknown", None),
        ("anonymous", None),
        ("+4930123456", 'Bob "X" <script>alert(1)</script>'),
        ("6000", "Ann Müller"),
    ]
    assert {message.duration for message in mailbox.messages} == {5}


async def test_version_that_lists_no_messages(client: PbxClient, fake: Fake) -> None:
    fake.server = "Asterisk/18.19.0"
    fake.replies["VoicemailBoxSummary"] = UNKNOWN
    for do in (client.info, client.mailboxes):
        with pytest.raises(AsteriskTooOldError):
            await do()


@pytest.mark.parametrize(
    ("server", "error"),
    [
        ("Asterisk/16.30.1", AsteriskTooOldError),
        ("Asterisk/19.8.1", AsteriskTooOldError),
        ("Asterisk/20.4.0", AsteriskTooOldError),
        ("Asterisk/20.5.0", VoicemailNotLoadedError),
        ("Asterisk/certified-20.7-cert3", VoicemailNotLoadedError),
        ("Asterisk/18.20.0", VoicemailNotLoadedError),
        ("Asterisk/GIT-master-1234", VoicemailNotLoadedError),
        ("Asterisk", VoicemailNotLoadedError),
        ("nginx", VoicemailNotLoadedError),
    ],
)
async def test_action_that_is_unknown(
    client: PbxClient, fake: Fake, server: str, error: type[PbxError]
) -> None:
    fake.server = server
    fake.replies["VoicemailUsersList"] = UNKNOWN
    with pytest.raises(error):
        await client.info()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>Not found</html>",
        b'{"status":"Success"}',
        b"\xff" * 1000,
        b"Response: Success\r\n\r\n",
        LIST[:-20],
        LIST.replace(END, b""),
        LIST.replace(END, END.replace(b"3", b"4")),
        LIST.replace(END, END.replace(b"3", b"x")),
        LIST.replace(END, END.replace(b"Complete\r\nL", b"Cancelled\r\nL")),
        b"Response: Success\r\nEventList: start\r\n\r\n" + END.replace(b"3", b"0"),
        LIST.replace(b"NewMessageCount: 0", b"NewMessageCount: -1"),
        LIST.replace(b"OldMessageCount: 0", b"OldMessageCount: " + b"9" * 5000),
        LIST.replace(b"\r\nOldMessageCount: 0", b""),
    ],
)
async def test_list_that_is_none(known: PbxClient, fake: Fake, reply: bytes) -> None:
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = reply
    with pytest.raises(PbxReplyError):
        await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = FOUR_NEW
    assert await known.mailboxes(["101"]) is before


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        SUMMARY[:-30],
        SUMMARY.replace(b"ListItems: 4", b"ListItems: 3"),
        b"Response: Success\r\n\r\n",
    ],
)
async def test_summary_that_is_none(known: PbxClient, fake: Fake, reply: bytes) -> None:
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = list_of({"101": (0, 0)})
    fake.replies["VoicemailBoxSummary"] = reply
    assert await known.mailboxes(["101"]) == {}
    assert {*map(type, known.unreadable.values())} == {PbxReplyError}
    fake.replies["VoicemailUsersList"] = FOUR_NEW
    fake.replies["VoicemailBoxSummary"] = SUMMARY
    assert (await known.mailboxes(["101"]))["101"] is before["101"]


async def test_too_many_mailboxes(client: PbxClient, fake: Fake) -> None:
    block = LIST.split(b"\r\n\r\n")[1]
    blocks = [block.replace(b"101", str(number).encode()) for number in range(2001)]
    end = END.replace(b"3", b"2001")
    fake.replies["VoicemailUsersList"] = b"\r\n\r\n".join(
        (b"Response: Success\r\nEventList: start", *blocks, end)
    )
    with pytest.raises(PbxReplyError):
        await client.mailboxes()


async def test_too_many_messages(client: PbxClient, fake: Fake) -> None:
    start, block, *_ = SUMMARY.split(b"\r\n\r\n")
    blocks = [block.replace(b"ID: 179", b"ID: %d" % number) for number in range(10_001)]
    end = b"Event: VoicemailBoxDetailComplete\r\nEventList: Complete\r\nListItems: 10001\r\n\r\n"
    fake.replies["VoicemailBoxSummary"] = b"\r\n\r\n".join((start, *blocks, end))
    assert await client.mailboxes() == {}
    assert {*map(type, client.unreadable.values())} == {PbxReplyError}


async def test_names_of_which_nothing_can_be_made(client: PbxClient, fake: Fake) -> None:
    fake.replies["VoicemailUsersList"] = LIST.replace(b"VoiceMailbox: 101", b"VoiceMailbox: ../1")
    assert [one.number for one in await client.extensions() or ()] == ["102", "0103"]
    assert client.describe()["unusable_mailboxes"] == 1


async def test_no_mailboxes_for_a_moment(
    known: PbxClient, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_list_module, "_EMPTY_PAUSE", 0)
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = [NO_MAILBOXES, NO_MAILBOXES, FOUR_NEW]
    assert await known.mailboxes(["101"]) is before

    fake.replies["VoicemailUsersList"] = NO_MAILBOXES
    assert await known.mailboxes(["101"]) == {}
    fake.actions.clear()
    assert await known.mailboxes(["101"]) == {}
    assert fake.actions == {"VoicemailUsersList": 1}


@pytest.mark.usefixtures("locks")
async def test_first_look_at_a_locked_mailbox(client: PbxClient, fake: Fake) -> None:
    fake.replies["VoicemailUsersList"] = list_of({"101": (4, 1)})
    fake.replies["VoicemailBoxSummary"] = SUMMARY
    fake.seconds["VoicemailBoxSummary"] = SLOW
    for error in (PbxTimeoutError, PbxTimeoutError, MailboxLockedError):
        assert await client.mailboxes(["101"]) == {}
        assert isinstance(client.unreadable["101"], error)
    assert client.unreadable["101"].placeholders == {"extension": "101"}
    assert client.describe()["unreadable_mailboxes"] == {"mailbox_locked": 1}

    fake.replies["VoicemailUsersList"] = FOUR_NEW
    assert (await client.mailboxes(["101"]))["101"].count == 4
    assert not client.unreadable


@pytest.mark.usefixtures("locks")
async def test_locked_mailbox_is_not_asked_for_at_every_poll(
    client: PbxClient, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for the lock takes Asterisk seconds, in which nothing else is announced."""
    monkeypatch.setattr(mailboxes_module, "_FIRST_RETRY", 30)
    fake.replies["VoicemailBoxSummary"] = SUMMARY
    fake.seconds["VoicemailBoxSummary"] = SLOW
    # When nothing is known of it, and when something is.
    for counts in ((4, 1), (4, 2)):
        fake.replies["VoicemailUsersList"] = list_of({"101": counts})
        await client.mailboxes(["101"])
        asked = fake.actions["VoicemailBoxSummary"]
        await client.mailboxes(["101"])
        assert client.is_catching_up
        assert fake.actions["VoicemailBoxSummary"] == asked

        fake.replies["VoicemailUsersList"] = FOUR_NEW
        assert (await client.mailboxes(["101"]))["101"].count == 4
        assert not client.is_catching_up


async def test_reply_that_hides_what_is_in_a_mailbox(known: PbxClient, fake: Fake) -> None:
    """Only this mailbox is unreadable, which is not the same as empty."""
    fake.replies["VoicemailUsersList"] = list_of({"101": (5, 0), "102": (4, 0)})
    fake.replies["VoicemailBoxSummary"] = [
        SUMMARY.replace(b"ListItems: 4", b"ListItems: 5"),
        SUMMARY,
    ]
    found = await known.mailboxes(["101", "102"])
    assert found.keys() == {"102"}
    assert known.unreadable.keys() == {"101"}

    found = await known.mailboxes(["101", "102"])
    assert found.keys() == {"101", "102"}
    assert not known.unreadable


async def test_mailboxes_that_take_longer_than_a_poll_may(
    client: PbxClient, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with messages come first, and the others are not empty meanwhile."""
    monkeypatch.setattr(mailboxes_module, "_LONGEST_POLL", SLOW)
    monkeypatch.setattr(mailboxes_module, "_AT_ONCE", 1)
    fake.replies["VoicemailUsersList"] = list_of({"0103": (4, 0)})
    fake.replies["VoicemailBoxSummary"] = [SUMMARY, EMPTY_SUMMARY]
    fake.seconds["VoicemailBoxSummary"] = SLOW
    assert (await client.mailboxes()).keys() == {"0103"}
    assert client.unreadable.keys() == {"101", "102"}
    assert client.is_catching_up

    await client.mailboxes()
    await client.mailboxes()
    assert not client.unreadable
    assert not client.is_catching_up
    assert fake.actions["VoicemailBoxSummary"] == 3


async def test_set_up_with_an_unreadable_mailbox(client: PbxClient, fake: Fake) -> None:
    fake.replies["VoicemailBoxSummary"] = b"Response: Success\r\nEventList: start\r\n\r\n"
    assert (await client.info()).model == "Asterisk"


@pytest.mark.usefixtures("locks")
async def test_locked_mailbox_keeps_its_messages(known: PbxClient, fake: Fake) -> None:
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = list_of({"101": (5, 0)})
    fake.replies["VoicemailBoxSummary"] = EMPTY_SUMMARY
    fake.seconds["VoicemailBoxSummary"] = SLOW
    for _ in range(5):
        assert await known.mailboxes(["101"]) is before
    assert not known.unreadable
    assert {*map(type, known.setup_errors)} == {MailboxLockedError}
    (message, *_) = before["101"].messages
    for do in (known.recording, known.delete, known.mark_read):
        with pytest.raises(PbxTimeoutError):
            await do(message)


@pytest.mark.usefixtures("locks")
async def test_slow_storage_is_believed_where_counts_agree(known: PbxClient, fake: Fake) -> None:
    fake.seconds["VoicemailBoxSummary"] = SLOW
    fake.replies["VoicemailUsersList"] = list_of({"101": (2, 1)})
    fake.replies["VoicemailBoxSummary"] = SUMMARY_WITH_OLD
    found = (await known.mailboxes(["101"]))["101"]
    assert (found.count, found.unread) == (3, 2)
    assert fake.actions["VoicemailBoxSummary"] == 1


async def test_message_that_is_just_being_moved(known: PbxClient, fake: Fake) -> None:
    """It is in none of the folders as they are walked, or in two."""
    before = (await known.mailboxes(["101"]))["101"]
    fake.replies["VoicemailUsersList"] = list_of({"101": (3, 1)})
    first, *blocks = SUMMARY.split(b"Event: VoicemailBoxDetail")
    missing = b"Event: VoicemailBoxDetail".join((first, *blocks[1:])).replace(b"4\r\n", b"3\r\n")
    moved = SUMMARY.replace(b"Folder: INBOX", b"Folder: Old", 1)
    fake.replies["VoicemailBoxSummary"] = [missing, moved]
    found = (await known.mailboxes(["101"]))["101"]
    assert (found.ids, found.unread) == (before.ids, 3)


async def test_counts_that_never_agree(known: PbxClient, fake: Fake) -> None:
    """Asterisk counts a message whose description it cannot read."""
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = list_of({"101": (5, 0)})
    asked = []
    for _ in range(6):
        fake.actions.clear()
        assert await known.mailboxes(["101"]) is before
        asked.append(fake.actions["VoicemailBoxSummary"])
    assert asked[-1] == 0
    assert sum(asked) <= 6


async def test_mailbox_that_goes_between_list_and_summary(known: PbxClient, fake: Fake) -> None:
    before = await known.mailboxes(["101"])
    fake.replies["VoicemailUsersList"] = list_of({"101": (5, 0)})
    fake.replies["VoicemailBoxSummary"] = recorded("VoicemailBoxSummary-unknown")
    assert await known.mailboxes(["101"]) is before
    (message, *_) = before["101"].messages
    with pytest.raises(PbxGoneError):
        await known.delete(message)
    fake.replies["VoicemailUsersList"] = LIST.replace(b"VoiceMailbox: 101", b"VoiceMailbox: 105")
    assert await known.mailboxes(["101"]) == {}


async def test_change_that_asterisk_does_not_make(known: PbxClient, fake: Fake) -> None:
    (message, *_) = (await known.mailboxes(["101"]))["101"].messages
    fake.replies["VoicemailRemove"] = recorded("VoicemailRemove-failed")
    fake.replies["VoicemailMove"] = recorded("VoicemailMove-failed")
    for do in (known.delete, known.mark_read):
        with pytest.raises(PbxRejectedError):
            await do(message)
    fake.replies["VoicemailRemove"] = [
        recorded("VoicemailRemove-failed"),
        recorded("VoicemailRemove"),
    ]
    await known.delete(message)


async def test_delete_while_the_message_is_being_moved(known: PbxClient, fake: Fake) -> None:
    (message, *_) = (await known.mailboxes(["101"]))["101"].messages
    start, *blocks, end = SUMMARY.split(b"\r\n\r\nEvent: ")
    copy = blocks[-1].replace(b"Folder: INBOX", b"Folder: Old")
    twice = b"\r\n\r\nEvent: ".join((start, *blocks, copy, end.replace(b"4", b"5")))
    fake.replies["VoicemailBoxSummary"] = [twice, EMPTY_SUMMARY]
    fake.replies["VoicemailRemove"] = [
        recorded("VoicemailRemove-failed"),
        recorded("VoicemailRemove"),
    ]
    await known.delete(message)
    assert fake.actions["VoicemailRemove"] == 2


async def test_recording_that_is_always_another_ones(known: PbxClient, fake: Fake) -> None:
    (message, *_) = (await known.mailboxes(["101"]))["101"].messages
    for number in range(10):
        path = f"private/voicemail/default/101/INBOX/msg{number:04}"
        fake.files |= {f"{path}.txt": b"msg_id=1-1\n", f"{path}.wav": b"RIFF"}
    with pytest.raises(PbxUnclearError):
        await known.recording(message)


async def test_right_that_is_missing_costs_one_login(client: PbxClient, fake: Fake) -> None:
    fake.replies["VoicemailUsersList"] = DENIED
    with pytest.raises(PbxError):
        await client.mailboxes()
    assert fake.actions["Login"] == 1

    fake.replies["VoicemailUsersList"] = [LIST, DENIED, LIST]
    await client.extensions()
    fake.actions.clear()
    await client.extensions()
    assert fake.actions["Login"] == 1


@pytest.mark.parametrize(
    ("action", "reply", "error"),
    [
        ("Challenge", b"Response: Success\r\n\r\n", PbxReplyError),
        (
            "Challenge",
            b"Response: Error\r\nMessage: Must specify AuthType\r\n\r\n",
            PbxRejectedError,
        ),
        ("Login", recorded("login-refused"), PbxLoginError),
        ("Login", b"Response: Error\r\nMessage: What?\r\n\r\n", PbxRejectedError),
        ("Login", b"<html>", PbxReplyError),
        (
            "VoicemailUsersList",
            b"Response: Error\r\nMessage: Asterisk is shutting down\r\n\r\n",
            PbxConnectionError,
        ),
        ("VoicemailUsersList", b"Response: Error\r\nMessage: What?\r\n\r\n", PbxRejectedError),
    ],
)
async def test_answers_to_a_login_and_after(
    client: PbxClient, fake: Fake, action: str, reply: bytes, error: type[PbxError]
) -> None:
    right = fake.replies[action]
    fake.replies[action] = reply
    with pytest.raises(error) as raised:
        await client.info()
    assert isinstance(raised.value, PbxLoginError) is (error is PbxLoginError)
    fake.replies[action] = right
    if error is not PbxLoginError:
        await client.info()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, PbxReplyError),
        (401, PbxReplyError),
        (302, PbxRedirectError),
        # It says so while it shuts down.
        (503, PbxConnectionError),
    ],
)
async def test_status(client: PbxClient, fake: Fake, status: int, error: type[PbxError]) -> None:
    fake.status = status
    with pytest.raises(error):
        await client.info()


async def test_not_an_asterisk(connection: Connection, fake: Fake) -> None:
    fake.server, fake.status = "nginx", 404
    with pytest.raises(PbxReplyError):
        await family("asterisk").probe(connection)
    fake.status, fake.replies["Ping"] = 200, b"Response: Success\r\nPing: Pong\r\n\r\n"
    with pytest.raises(PbxReplyError):
        await family("asterisk").probe(connection)


async def test_events_that_come_all_the_time(client: PbxClient, fake: Fake) -> None:
    """Without a filter, a busy Asterisk answers at once."""
    changes: list[float] = []
    listener = asyncio.create_task(client.listen(lambda: changes.append(monotonic())))
    await asyncio.sleep(1.2)
    assert len(changes) == 1
    assert fake.actions["WaitEvent"] <= 4
    fake.replies["WaitEvent"] = [EVENTS, recorded("login-refused")]
    with pytest.raises(PbxReplyError):
        await listener
    assert len(changes) == 2


async def test_event_queue_that_is_too_full(client: PbxClient, fake: Fake) -> None:
    fake.replies["WaitEvent"] = EVENTS * 3000
    with pytest.raises(PbxReplyError):
        await client.listen(lambda: None)


async def test_callbacks_may_raise(client: PbxClient, fake: Fake) -> None:
    def fail() -> None:
        raise RuntimeError("not our business")

    callback: Callable[[], None] = fail
    with pytest.raises(RuntimeError):
        await client.listen(callback)


async def test_secret_is_not_sent(client: PbxClient, fake: Fake) -> None:
    await client.info()
    assert "homeassistant" in fake.sent
    assert quote_plus("a secret") not in fake.sent
