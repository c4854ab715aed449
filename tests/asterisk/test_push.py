"""A real Asterisk reports changes as they happen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import time

import pytest

from custom_components.pbx_voicemail.pbx import Mailbox, PbxClient, PbxConnectionError

from .fixtures import MakeClient, Put
from .manager import act, move, remove
from .program import Asterisk

SOON = 2.0
"""How many seconds a message may take from being stored to being known."""


@asynccontextmanager
async def listening(client: PbxClient) -> AsyncIterator[asyncio.Event]:
    """Listen for a while, with an event that is set when a mailbox may have changed."""
    changed = asyncio.Event()
    task = asyncio.create_task(client.listen(changed.set))
    await asyncio.wait_for(changed.wait(), SOON)
    changed.clear()
    yield changed
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def poll_until(
    client: PbxClient, changed: asyncio.Event, mailbox: str, is_right: Callable[[Mailbox], bool]
) -> Mailbox:
    """Poll whenever something has changed, and at no other time."""
    while True:
        await asyncio.wait_for(changed.wait(), 20)
        changed.clear()
        found = (await client.mailboxes([mailbox])).get(mailbox, Mailbox(mailbox))
        if is_right(found):
            return found


def stored_at(asterisk: Asterisk, mailbox: str) -> float:
    """Return when the newest message of a mailbox was stored, in Unix time."""
    folder: Path = asterisk.voicemail / "default" / mailbox / "INBOX"
    return max(file.stat().st_ctime for file in folder.glob("msg*.txt"))


async def test_message_is_known_as_soon_as_it_is_stored(
    asterisk: Asterisk, client: PbxClient, mailbox: str
) -> None:
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 1)
        assert time() - stored_at(asterisk, mailbox) < SOON
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 2)
        assert time() - stored_at(asterisk, mailbox) < SOON


async def test_user_who_gets_all_events(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str
) -> None:
    client = make_client("all_events")
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        for caller in ("6001", "6002", "6003"):
            asterisk.call(mailbox, caller)
        await poll_until(client, changed, mailbox, lambda box: box.count == 3)
        assert time() - stored_at(asterisk, mailbox) < SOON


async def test_changes_that_no_count_shows(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001",))
    before = (await client.mailboxes([mailbox]))[mailbox]
    async with listening(client) as changed:
        await remove(asterisk, mailbox)
        put(mailbox, callers=("6002",))
        found = await poll_until(client, changed, mailbox, lambda box: not box.ids & before.ids)
        assert [message.caller for message in found.messages] == ["6002"]

        await move(asterisk, mailbox, "INBOX", "Urgent")
        await poll_until(client, changed, mailbox, lambda box: box.messages[0].urgent)
        await move(asterisk, mailbox, "Urgent", "Work")
        await poll_until(client, changed, mailbox, lambda box: box.unread == 0)
        await remove(asterisk, mailbox, "Work")
        await poll_until(client, changed, mailbox, lambda box: box.count == 0)


async def test_changes_that_no_count_shows_while_nobody_listened(
    asterisk: Asterisk, client: PbxClient, mailbox: str, put: Put
) -> None:
    put(mailbox, callers=("6001",))
    async with listening(client):
        before = (await client.mailboxes([mailbox]))[mailbox]
    await remove(asterisk, mailbox)
    put(mailbox, callers=("6002",))
    async with listening(client):
        found = (await client.mailboxes([mailbox]))[mailbox]
    assert not found.ids & before.ids


async def test_mailbox_that_has_an_alias(
    asterisk: Asterisk, client: PbxClient, mailbox: str, requests: list[str]
) -> None:
    """Events come for both names, and the list has one."""
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 1)
        assert (await client.mailboxes([mailbox])).keys() == {mailbox}
        before = len(requests)
        await client.mailboxes([mailbox])
        assert len(requests) == before + 1


async def test_polls_do_not_wait_for_events(client: PbxClient, mailbox: str) -> None:
    await client.mailboxes([mailbox])
    async with listening(client), asyncio.timeout(SOON):
        for _ in range(10):
            await client.mailboxes([mailbox])
    assert client.describe()["logins"] == 1


async def test_session_that_dies_while_listening(
    asterisk: Asterisk, client: PbxClient, make_client: MakeClient, mailbox: str
) -> None:
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        await client.close()
        await asyncio.wait_for(changed.wait(), 5)
        changed.clear()
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 1)
        assert time() - stored_at(asterisk, mailbox) < SOON
    assert client.describe()["logins"] == 2


async def test_user_who_may_sign_in_only_once(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str
) -> None:
    client = make_client("once")
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 1)


async def test_events_with_pins_are_nothing_to_us(
    asterisk: Asterisk, make_client: MakeClient, mailbox: str
) -> None:
    client = make_client("all_events")
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        await act(asterisk, "UserEvent", UserEvent="PasswordChange", NewPassword="4711")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(changed.wait(), 1)


async def test_listening_ends_when_asterisk_does(
    asterisk: Asterisk, client: PbxClient, mailbox: str
) -> None:
    changed = asyncio.Event()
    listener = asyncio.create_task(client.listen(changed.set))
    await asyncio.wait_for(changed.wait(), SOON)
    asterisk.kill()
    try:
        with pytest.raises(PbxConnectionError):
            await asyncio.wait_for(listener, 5)
    finally:
        await asyncio.to_thread(asterisk.start)
    await client.mailboxes([mailbox])
    async with listening(client) as changed:
        asterisk.call(mailbox)
        await poll_until(client, changed, mailbox, lambda box: box.count == 1)
