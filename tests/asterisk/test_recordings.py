"""Recordings of a real Asterisk: the right one, in the formats that it keeps."""

import asyncio
from collections.abc import Callable

import pytest

from custom_components.pbx_voicemail.pbx import Message, PbxClient, PbxGoneError, PbxUnclearError
from custom_components.pbx_voicemail.pbx.asterisk.errors import RecordingFormatError

from .fixtures import MakeClient, Put, audio_of
from .manager import remove
from .program import Asterisk

RELOAD = "module reload app_voicemail.so"


async def list_messages(client: PbxClient, mailbox: str) -> tuple[Message, ...]:
    return (await client.mailboxes([mailbox]))[mailbox].messages


async def test_each_message_has_its_own(client: PbxClient, mailbox: str, put: Put) -> None:
    put(mailbox, callers=("6001", "6002"))
    put(mailbox, callers=("6003", "6004"), folder="Old")
    put(mailbox, callers=("6005",), folder="Urgent")
    messages = await list_messages(client, mailbox)
    assert len(messages) == 5
    for message in messages:
        assert message.caller
        assert await client.recording(message) == audio_of(message.caller)


async def test_right_ones_while_others_are_deleted(
    asterisk: Asterisk, client: PbxClient, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=[str(6000 + number) for number in range(16)])
    messages = await list_messages(client, mailbox)
    doomed, kept = messages[8:], messages[:8]
    got = 0

    async def delete() -> None:
        other = make_client()
        for message in reversed(doomed):
            await other.delete(message)

    async def listen(deleting: asyncio.Task[None]) -> None:
        nonlocal got
        while not deleting.done():
            for message in kept:
                assert message.caller
                try:
                    audio = await client.recording(message)
                except PbxUnclearError:
                    continue
                assert audio == audio_of(message.caller)
                got += 1

    deleting = asyncio.create_task(delete())
    await listen(deleting)
    await deleting
    assert got
    assert {message.id for message in await list_messages(client, mailbox)} == {
        message.id for message in kept
    }


async def test_message_that_is_gone(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002"))
    newest, oldest = await list_messages(client, mailbox)
    await remove(asterisk, mailbox)
    for do in (client.recording, client.delete, client.mark_read):
        with pytest.raises(PbxGoneError):
            await do(oldest)
    assert await client.recording(newest) == audio_of("6002")


@pytest.mark.parametrize(
    ("formats", "is_expected"),
    [
        ("gsm", lambda audio: len(audio) % 33 == 0 and audio[0] >> 4 == 0xD),
        ("wav49", lambda audio: audio[20:22] == b"\x31\x00"),
        ("wav49|gsm|wav", lambda audio: audio[20:22] == b"\x01\x00"),
    ],
)
async def test_formats(
    asterisk: Asterisk,
    client: PbxClient,
    mailbox: str,
    formats: str,
    is_expected: Callable[[bytes], bool],
) -> None:
    with asterisk.set_up(RELOAD, format=formats):
        asterisk.call(mailbox)
        await asyncio.to_thread(asterisk.wait_for_messages, 1, mailbox)
    (message,) = await list_messages(client, mailbox)
    audio = await client.recording(message)
    assert audio
    assert is_expected(audio)


async def test_format_that_nothing_plays(
    asterisk: Asterisk, client: PbxClient, mailbox: str
) -> None:
    with asterisk.set_up(RELOAD, format="ulaw"):
        asterisk.call(mailbox)
        await asyncio.to_thread(asterisk.wait_for_messages, 1, mailbox)
    (message,) = await list_messages(client, mailbox)
    with pytest.raises(RecordingFormatError):
        await client.recording(message)


@pytest.mark.parametrize(
    "spoiled",
    [b"", b"\xff\xfe\x00garbage", b"[message]\n", b"[message\nx=1\n", b"[other]\na=b\n", b";-- \n"],
    ids=["empty", "bytes", "nothing said", "no section", "another section", "comment"],
)
async def test_broken_description(
    asterisk: Asterisk,
    client: PbxClient,
    make_client: MakeClient,
    mailbox: str,
    put: Put,
    spoiled: bytes,
) -> None:
    put(mailbox, callers=("6001", "6002", "6003"))
    (asterisk.voicemail / "default" / mailbox / "INBOX" / "msg0001.txt").write_bytes(spoiled)
    before = await list_messages(client, mailbox)
    well = [message for message in before if message.caller]
    assert [message.caller for message in well] == ["6003", "6001"]
    assert len(before) <= 3
    for message in well:
        assert message.caller
        assert await client.recording(message) == audio_of(message.caller)

    # What is broken stays one message, with one id.
    for _ in range(4):
        assert await list_messages(client, mailbox) == before
    assert await list_messages(make_client(), mailbox) == before

    await client.delete(well[1])
    assert await list_messages(client, mailbox) == tuple(
        message for message in before if message is not well[1]
    )
