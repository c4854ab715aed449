"""Deleting messages on a real Asterisk, and marking them as heard."""

import asyncio

import pytest

from custom_components.pbx_voicemail.pbx import Mailbox, PbxClient, PbxGoneError, PbxUnclearError
from custom_components.pbx_voicemail.pbx.asterisk.errors import OldFolderFullError

from .fixtures import MakeClient, Put
from .manager import ids_in, move
from .program import Asterisk


async def look(client: PbxClient, mailbox: str) -> Mailbox:
    return (await client.mailboxes([mailbox])).get(mailbox, Mailbox(mailbox))


def callers(mailbox: Mailbox) -> list[str | None]:
    return [message.caller for message in mailbox.messages]


async def test_delete_hits_the_message_that_was_meant(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002", "6003", "6004"))
    messages = (await look(client, mailbox)).messages
    await move(asterisk, mailbox, "INBOX", "Old", index=2)

    await client.delete(messages[2])
    assert callers(await look(client, mailbox)) == ["6004", "6003", "6001"]
    await client.delete(messages[1])
    assert callers(await look(client, mailbox)) == ["6004", "6001"]


async def test_many_deletes_at_once(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=[str(6000 + number) for number in range(20)])
    messages = (await look(client, mailbox)).messages
    await asyncio.gather(*map(client.delete, messages[::2]))
    assert (await look(client, mailbox)).messages == messages[1::2]


async def test_same_message_deleted_twice_at_once(
    client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002"))
    newest, _ = (await look(client, mailbox)).messages
    results = await asyncio.gather(
        client.delete(newest), client.delete(newest), return_exceptions=True
    )
    assert sorted(map(type, results), key=str) == [type(None), PbxGoneError]
    assert callers(await look(client, mailbox)) == ["6001"]


async def test_marked_message_is_in_old(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002"))
    put(mailbox, callers=("6003",), folder="Urgent")
    before = await look(client, mailbox)
    assert before.unread == 3
    for message in before.messages:
        await client.mark_read(message)

    after = await look(client, mailbox)
    assert (after.count, after.unread, after.ids) == (3, 0, before.ids)
    assert len(await ids_in(asterisk, mailbox, "Old")) == 3


async def test_marking_what_was_heard_changes_nothing(
    client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, folder="Family")
    before = await look(client, mailbox)
    await client.mark_read(before.messages[0])
    assert await look(client, mailbox) is before


async def test_folder_for_old_messages_is_full(client: PbxClient, mailbox: str, put: Put) -> None:
    put(mailbox, callers=[str(6000 + number) for number in range(100)], folder="Old")
    put(mailbox, callers=("7000",))
    before = await look(client, mailbox)
    new = next(message for message in before.messages if message.caller == "7000")
    with pytest.raises(OldFolderFullError) as raised:
        await client.mark_read(new)
    assert raised.value.placeholders == {"extension": mailbox}
    assert (await look(client, mailbox)).unread == 1


async def test_message_that_is_in_two_folders(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    """A power cut can leave a message that was being moved in both folders."""
    put(mailbox)
    inbox = asterisk.voicemail / "default" / mailbox / "INBOX"
    old = inbox.with_name("Old")
    old.mkdir()
    for file in inbox.iterdir():
        (old / file.name).write_bytes(file.read_bytes())

    (message,) = (await look(client, mailbox)).messages
    assert message.read is False
    await client.mark_read(message)
    assert (await look(client, mailbox)).messages[0].read is True
    await client.delete(message)
    assert (await look(client, mailbox)).count == 0
    assert not list(old.glob("msg*")) + list(inbox.glob("msg*"))


async def test_message_that_asterisk_cannot_name(
    asterisk: Asterisk, client: PbxClient, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    """Without a section, Asterisk has nowhere to write an id."""
    put(mailbox)
    description = asterisk.voicemail / "default" / mailbox / "INBOX" / "msg0000.txt"
    description.write_text("[other]\na=b\n")
    (message,) = (await look(client, mailbox)).messages
    assert (await look(make_client(), mailbox)).messages == (message,)
    for do in (client.recording, client.delete, client.mark_read):
        with pytest.raises(PbxUnclearError):
            await do(message)
