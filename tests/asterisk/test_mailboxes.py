"""What the client makes of the mailboxes of a real Asterisk."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from custom_components.pbx_voicemail.pbx import Extension, Mailbox, PbxClient

from .fixtures import MakeClient, Put
from .manager import forward, move, remove
from .program import Asterisk


async def call(asterisk: Asterisk, mailbox: str, *callers: str, context: str = "default") -> None:
    """Have callers call at the same time, and wait until their messages are stored."""
    for caller in callers:
        asterisk.call(mailbox, caller, context=context)
    await asyncio.to_thread(asterisk.wait_for_messages, len(callers), mailbox, context=context)


def ids(mailbox: Mailbox) -> Sequence[str]:
    return [message.id for message in mailbox.messages]


def callers(mailbox: Mailbox) -> Sequence[str | None]:
    return [message.caller for message in mailbox.messages]


async def test_extensions(client: PbxClient) -> None:
    extensions = await client.extensions()
    assert extensions
    assert Extension("1000", "Person 1000") in extensions
    assert Extension("0103", "Front Desk") in extensions
    assert Extension("1000@other", "Other 1000") in extensions
    assert not any("device" in one.number for one in extensions)


async def test_message_that_somebody_leaves(
    asterisk: Asterisk, client: PbxClient, mailbox: str
) -> None:
    assert await client.mailboxes([mailbox]) == {}
    before = datetime.now(UTC) - timedelta(seconds=1)
    await call(asterisk, mailbox, '"Ann Müller" <6000>')

    found = (await client.mailboxes([mailbox]))[mailbox]
    (message,) = found.messages
    assert (message.caller, message.caller_name) == ("6000", "Ann Müller")
    assert (message.read, message.urgent) == (False, False)
    assert message.received
    assert before <= message.received <= datetime.now(UTC)
    assert message.duration == 0
    assert (found.count, found.unread, found.latest) == (1, 1, message)


async def test_two_at_once(asterisk: Asterisk, client: PbxClient, mailbox: str) -> None:
    await call(asterisk, mailbox, "6001", "6002")
    found = (await client.mailboxes([mailbox]))[mailbox]
    assert set(callers(found)) == {"6001", "6002"}
    assert len(set(ids(found))) == 2


async def test_unchanged_mailbox_is_the_same_object(
    client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    before = await client.mailboxes([mailbox, "0103"])
    assert await client.mailboxes([mailbox, "0103"]) is before

    put("0103")
    after = await client.mailboxes([mailbox, "0103"])
    assert after.keys() == {mailbox, "0103"}
    assert after[mailbox] is before[mailbox]


async def test_moves_change_no_id(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002", "6003"))
    before = (await make_client().mailboxes([mailbox]))[mailbox]
    assert callers(before) == ["6003", "6002", "6001"]

    for folder, to_folder, is_read in (
        ("INBOX", "Old", True),
        ("Old", "Work", True),
        ("Work", "Urgent", False),
        ("Urgent", "INBOX", False),
    ):
        await move(asterisk, mailbox, folder, to_folder)
        found = (await make_client().mailboxes([mailbox]))[mailbox]
        assert ids(found) == ids(before)
        assert callers(found) == callers(before)
        assert found.messages[-1].read is is_read
        assert found.messages[-1].urgent is (to_folder == "Urgent")


async def test_one_client_follows_moves_by_their_counts(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002"))
    before = (await client.mailboxes([mailbox]))[mailbox]
    assert before.unread == 2

    for folder, to_folder, unread in (("INBOX", "Old", 1), ("Old", "Family", 1)):
        await move(asterisk, mailbox, folder, to_folder)
        found = (await client.mailboxes([mailbox]))[mailbox]
        assert (ids(found), found.unread) == (ids(before), unread)

    await move(asterisk, mailbox, "Family", "INBOX")
    assert (await client.mailboxes([mailbox]))[mailbox].unread == 2


async def test_removal_renumbers_files_and_changes_no_id(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002", "6003"))
    before = (await client.mailboxes([mailbox]))[mailbox]
    await remove(asterisk, mailbox)

    after = (await client.mailboxes([mailbox]))[mailbox]
    assert callers(after) == ["6003", "6002"]
    assert ids(after) == ids(before)[:2]


async def test_last_message_removed(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    assert mailbox in await client.mailboxes([mailbox])
    await remove(asterisk, mailbox)
    assert await client.mailboxes([mailbox]) == {}


async def test_forwarded_message_is_another_one(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    copy = f"{mailbox}@other"
    before = await client.mailboxes([mailbox, copy])
    await forward(asterisk, mailbox, copy)

    after = await client.mailboxes([mailbox, copy])
    assert after[mailbox] is before[mailbox]
    assert callers(after[copy]) == callers(after[mailbox])
    assert ids(after[copy]) != ids(after[mailbox])

    await remove(asterisk, mailbox)
    assert (await client.mailboxes([mailbox, copy])) == {copy: after[copy]}


async def test_leading_zero_and_other_context(
    asterisk: Asterisk, client: PbxClient, mailbox: str
) -> None:
    asterisk.call("0104", "6000")
    await call(asterisk, mailbox, "6000", context="other")
    await asyncio.to_thread(asterisk.wait_for_messages, 1, "0104")
    elsewhere = f"{mailbox}@other"
    found = await client.mailboxes(["0104", "104", mailbox, elsewhere])
    assert found.keys() == {"0104", elsewhere}
    assert [message.extension for message in found[elsewhere].messages] == [elsewhere]


async def test_plus_and_dot_in_a_mailbox(
    client: PbxClient, make_client: MakeClient, put: Put
) -> None:
    put("+49.301")
    (message,) = (await client.mailboxes(["+49.301"]))["+49.301"].messages
    assert (await client.recording(message)).startswith(b"RIFF")
    await client.mark_read(message)
    assert (await make_client().mailboxes(["+49.301"]))["+49.301"].unread == 0


HOSTILE = {
    '"Bob \\"X\\" <script>alert(1)</script>" <6001>': 'Bob "X" <script>alert(1)</script>',
    '"=[message]" <6002>': "=[message]",
    '"msg_id=1-00000000" <6003>': "msg_id=1-00000000",
    '"{{ states }} ../../etc" <6004>': "{{ states }} ../../etc",
    '"\u202eevil" <6005>': "evil",
    '"Response: Error" <6006>': "Response: Error",
}


async def test_hostile_callers(asterisk: Asterisk, client: PbxClient, mailbox: str) -> None:
    await call(asterisk, mailbox, *HOSTILE, '"' + "W" * 500 + '" <6007>')
    messages = (await client.mailboxes([mailbox]))[mailbox].messages
    assert len(messages) == len(HOSTILE) + 1
    assert {message.caller_name for message in messages} >= set(HOSTILE.values())
    for message in messages:
        assert (await client.recording(message)).startswith(b"RIFF")
        await client.delete(message)
    assert await client.mailboxes([mailbox]) == {}


async def test_callers_who_write_comments_into_descriptions(
    asterisk: Asterisk, client: PbxClient, make_client: MakeClient, mailbox: str
) -> None:
    await call(asterisk, mailbox, "6001", '"Ann;evil" <6002>', '"Ann;--evil" <6003>')
    before = (await client.mailboxes([mailbox]))[mailbox]
    assert before.count == 3
    assert "6001" in callers(before)
    assert ids(before) == ids((await make_client().mailboxes([mailbox]))[mailbox])
    for message in before.messages:
        assert (await client.recording(message)).startswith(b"RIFF")


async def test_deleted_messages_that_asterisk_keeps_are_left_out(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    place = f"{mailbox}@keeping"
    put(place, callers=("6001", "6002"))
    before = (await client.mailboxes([place]))[place]
    await client.delete(before.messages[0])

    after = (await client.mailboxes([place]))[place]
    assert ids(after) == ids(before)[1:]
    assert list((asterisk.voicemail / "keeping" / mailbox / "Deleted").glob("*.txt"))


async def test_mailbox_of_a_hundred(client: PbxClient, mailbox: str, put: Put) -> None:
    numbers = [str(6000 + number) for number in range(100)]
    put(mailbox, callers=numbers)
    found = (await client.mailboxes([mailbox]))[mailbox]
    assert callers(found) == numbers[::-1]
    assert len(set(ids(found))) == 100


async def test_ids_need_the_key(
    client: PbxClient, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    first = (await client.mailboxes([mailbox]))[mailbox]
    assert ids(first) == ids((await make_client().mailboxes([mailbox]))[mailbox])
    other = (await make_client(id_key=b"another").mailboxes([mailbox]))[mailbox]
    assert ids(first) != ids(other)
