"""A real Asterisk that is killed, restarted, stopped, or locked, and loses no message by it."""

import asyncio
import os
import signal
from time import monotonic

import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxLoginError,
    PbxNotReadyError,
    PbxSetupError,
    PbxTimeoutError,
)

from .fixtures import MakeClient, Put, audio_of
from .manager import remove
from .program import Asterisk


async def test_killed_and_started_again_and_again(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    """Polling all the time: there is an error, or all messages."""
    put(mailbox, callers=("6001", "6002"))
    before = (await client.mailboxes([mailbox]))[mailbox]
    errors: list[PbxError] = []
    done = asyncio.Event()

    async def poll() -> None:
        while not done.is_set():
            try:
                found = await client.mailboxes([mailbox])
            except PbxError as err:
                errors.append(err)
            else:
                assert found[mailbox].ids >= before.ids
            await asyncio.sleep(0)

    poller = asyncio.create_task(poll())
    for _ in range(3):
        await asyncio.to_thread(asterisk.kill)
        await asyncio.to_thread(asterisk.start)
        await asyncio.sleep(0.2)
    put(mailbox, callers=("6003",), folder="Urgent")
    done.set()
    await poller

    assert errors
    assert not [err for err in errors if isinstance(err, PbxLoginError | PbxSetupError)]
    assert {type(err) for err in errors} <= {PbxConnectionError, PbxNotReadyError}
    found = (await client.mailboxes([mailbox]))[mailbox]
    assert found.ids > before.ids
    assert found.count == 3


async def test_session_that_is_forgotten_between_two_calls(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001", "6002"))
    newest, oldest = (await client.mailboxes([mailbox]))[mailbox].messages
    for do in (
        lambda: client.recording(newest),
        lambda: client.mark_read(newest),
        lambda: client.delete(oldest),
        client.extensions,
    ):
        await asyncio.to_thread(asterisk.kill)
        await asyncio.to_thread(asterisk.start)
        await do()
    assert (await client.mailboxes([mailbox]))[mailbox].ids == {newest.id}


async def test_download_that_asterisk_does_not_survive(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    downloads = [asyncio.create_task(client.recording(message)) for _ in range(20)]
    await asyncio.sleep(0.05)
    asterisk.kill()
    results = await asyncio.gather(*downloads, return_exceptions=True)
    await asyncio.to_thread(asterisk.start)
    for result in results:
        assert result == audio_of("6000") or isinstance(result, PbxConnectionError)
    assert await client.recording(message) == audio_of("6000")


async def test_asterisk_that_hangs(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    before = await client.mailboxes([mailbox])
    os.kill(asterisk.process_id, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.mailboxes([mailbox])
    finally:
        os.kill(asterisk.process_id, signal.SIGCONT)
    assert await client.mailboxes([mailbox]) is before


async def test_locked_folder_hides_no_message(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    """Asterisk leaves out what it cannot lock, and calls the list complete."""
    put(mailbox, callers=("6001", "6002"))
    put(mailbox, callers=("6003",), folder="Old")
    put(mailbox, callers=("6004",), folder="Work")
    before = (await client.mailboxes([mailbox]))[mailbox]
    assert before.count == 4

    put(mailbox, callers=("6005",))
    lock = asterisk.voicemail / "default" / mailbox / "Old" / ".lock"
    lock.touch()
    started = monotonic()
    during = (await client.mailboxes([mailbox]))[mailbox]
    assert monotonic() - started > 3
    assert during.ids > before.ids
    assert during.count == 5

    lock.unlink()
    after = (await client.mailboxes([mailbox]))[mailbox]
    assert after is during


async def test_recording_in_a_locked_folder_is_not_gone(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    (message,) = (await client.mailboxes([mailbox]))[mailbox].messages
    lock = asterisk.voicemail / "default" / mailbox / "INBOX" / ".lock"
    lock.touch()
    try:
        with pytest.raises(PbxTimeoutError):
            await client.recording(message)
    finally:
        lock.unlink()
    assert await client.recording(message) == audio_of("6000")


async def test_two_clients_of_one_user(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    put(mailbox)
    first, second = make_client(), make_client()
    for client in (first, second, first, second):
        assert (await client.mailboxes([mailbox]))[mailbox].count == 1
    await first.close()
    assert (await second.mailboxes([mailbox]))[mailbox].count == 1
    assert second.describe()["logins"] == 1
    assert (await first.mailboxes([mailbox]))[mailbox].count == 1


async def test_client_that_is_killed_leaves_nothing_behind(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str, put: Put
) -> None:
    """Another one with the same key knows the same messages."""
    put(mailbox)
    before = await make_client().mailboxes([mailbox])
    await remove(asterisk, mailbox)
    put(mailbox, callers=("6001", "6002"))
    after = await make_client().mailboxes([mailbox])
    assert not after[mailbox].ids & before[mailbox].ids
