"""What every family's client must do."""

import asyncio

import pytest

from custom_components.pbx_voicemail.pbx import (
    Capability,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxLockedError,
    PbxLoginError,
    PbxReplyError,
)

from .harness import NAME, NOON, Harness, SimulatorHarness, audio_of, is_from, message_of

GARBAGE = {
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>no</html",
    "json": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "binary": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\xff\xfe\x00\x00\r\n\r\n",
    "error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nResponse: Success\r\n",
    "hang up": b"",
}


async def test_messages(pbx: Harness) -> None:
    client = pbx.make_client()
    assert await pbx.look(client) == await pbx.look(client)
    for caller in ("6001", "6002", "6003"):
        await pbx.leave(caller)

    found = await pbx.look(client)
    assert is_from("6003", "6002", "6001")(found)
    assert found.count == len(found.ids) == 3
    assert found.latest == found.messages[0]
    for message in found.messages:
        assert message.caller
        assert message.caller_name == NAME
        assert message.extension == pbx.extension
        assert message.received
        assert (message.received - NOON).total_seconds() == 60 * int(message.caller)
        assert message.duration == int(message.caller) % 100
        assert found.find(message.id) == message


async def test_extensions(pbx: Harness) -> None:
    client = pbx.make_client()
    assert Capability.EXTENSION_LIST in client.capabilities
    extensions = await client.extensions()
    assert extensions
    assert pbx.extension in {one.number for one in extensions}


async def test_info(pbx: Harness) -> None:
    info = await pbx.make_client().info()
    assert info.manufacturer
    assert info.model
    assert info.firmware_version


async def test_probe(pbx: Harness) -> None:
    remembered = await pbx.family.probe(pbx.connection)
    assert pbx.password not in repr(remembered)
    pbx.proxy.answer = GARBAGE["html"]
    with pytest.raises(PbxReplyError):
        await pbx.family.probe(pbx.connection)
    await pbx.proxy.stop()
    with pytest.raises(PbxConnectionError):
        await pbx.family.probe(pbx.connection)


async def test_nothing_new_is_the_same_object(pbx: Harness) -> None:
    client = pbx.make_client()
    await pbx.leave("6001")
    before = await client.mailboxes([pbx.extension])
    assert await client.mailboxes([pbx.extension]) is before


async def test_only_what_was_asked_for(pbx: Harness) -> None:
    client = pbx.make_client()
    await pbx.leave("6001")
    assert await client.mailboxes(["9999"]) == {}
    assert (await client.mailboxes([pbx.extension])).keys() == {pbx.extension}


async def test_ids_are_the_same_for_who_has_the_key(pbx: Harness) -> None:
    await pbx.leave("6001")
    ids = (await pbx.look(pbx.make_client())).ids
    assert (await pbx.look(pbx.make_client())).ids == ids
    assert (await pbx.look(pbx.make_client(id_key=b"another key"))).ids != ids


async def test_twins(pbx: Harness) -> None:
    """Two callers in the same second, by the same number, for as long."""
    client = pbx.make_client()
    await pbx.leave("6001")
    await pbx.leave("6001")
    found = await pbx.look(client)
    assert found.count == len(found.ids) == 2
    async with pbx.polled(client) as poll_until:
        await client.delete(found.messages[0])
        assert (await poll_until(lambda box: box.count == 1)).ids < found.ids


async def test_one_comes_and_another_goes(pbx: Harness) -> None:
    client = pbx.make_client()
    for caller in ("6001", "6002"):
        await pbx.leave(caller)
    before = await pbx.look(client)
    async with pbx.polled(client) as poll_until:
        await pbx.leave("6003")
        await pbx.remove("6001")
        after = await poll_until(is_from("6003", "6002"))
    assert message_of(after, "6002") == message_of(before, "6002")
    assert message_of(after, "6003").id not in before.ids


async def test_heard_by_telephone(pbx: Harness) -> None:
    client = pbx.make_client()
    for caller in ("6001", "6002"):
        await pbx.leave(caller)
    before = await pbx.look(client)
    async with pbx.polled(client) as poll_until:
        await pbx.hear("6001")
        if Capability.READ_STATE in client.capabilities:
            assert before.unread == 2
            after = await poll_until(lambda box: box.unread == 1)
            assert message_of(after, "6001").read is True
        else:
            after = await poll_until(lambda box: box.count == 2)
    assert after.ids == before.ids


async def test_delete_the_right_one(pbx: Harness) -> None:
    """Though file names have moved since the message was listed."""
    client = pbx.make_client()
    callers = ["6001", "6002", "6003", "6004", "6005"]
    for caller in callers:
        await pbx.leave(caller)
    listed = await pbx.look(client)
    async with pbx.polled(client) as poll_until:
        await pbx.remove("6002")
        await client.delete(message_of(listed, "6003"))
        await poll_until(is_from("6005", "6004", "6001"))
        await asyncio.gather(
            client.delete(message_of(listed, "6001")), client.delete(message_of(listed, "6004"))
        )
        await poll_until(is_from("6005"))
    for caller in callers[:-1]:
        with pytest.raises(PbxGoneError):
            await client.delete(message_of(listed, caller))
    assert is_from("6005")(await pbx.look(client))


async def test_the_right_recording(pbx: Harness) -> None:
    client = pbx.make_client()
    for caller in ("6001", "6002", "6003"):
        await pbx.leave(caller)
    listed = await pbx.look(client)
    await pbx.remove("6001")
    for caller in ("6002", "6003"):
        assert await client.recording(message_of(listed, caller)) == audio_of(caller)
    with pytest.raises(PbxGoneError):
        await client.recording(message_of(listed, "6001"))


async def test_mark_read(pbx: Harness) -> None:
    client = pbx.make_client()
    await pbx.leave("6001")
    await pbx.leave("6002")
    found = await pbx.look(client)
    if Capability.MARK_READ not in client.capabilities:
        with pytest.raises(NotImplementedError):
            await client.mark_read(found.messages[0])
        return
    async with pbx.polled(client) as poll_until:
        await client.mark_read(message_of(found, "6001"))
        after = await poll_until(lambda box: box.unread == 1)
        assert message_of(after, "6001").read is True
        await client.mark_read(message_of(found, "6001"))
        await pbx.remove("6001")
        with pytest.raises(PbxGoneError):
            await client.mark_read(message_of(found, "6001"))


async def test_no_push_where_there_is_none(pbx: Harness) -> None:
    client = pbx.make_client()
    if Capability.PUSH not in client.capabilities:
        with pytest.raises(NotImplementedError):
            await client.listen(lambda: None)


async def test_refused_login_is_not_tried_again(pbx: Harness) -> None:
    client = pbx.make_client(password="wrong")
    with pytest.raises(PbxLoginError):
        await client.mailboxes()
    connections = pbx.proxy.connections
    for do in (client.mailboxes, client.info, client.extensions):
        with pytest.raises(PbxLoginError):
            await do()
    assert pbx.proxy.connections == connections


async def test_lock_out(pbx: Harness) -> None:
    if not isinstance(pbx, SimulatorHarness):
        pytest.skip("nobody is locked out by this family")
    for _ in range(5):
        with pytest.raises(PbxError):
            await pbx.make_client(password="wrong").mailboxes()
    with pytest.raises(PbxLockedError) as raised:
        await pbx.make_client().mailboxes()
    assert (raised.value.retry_after is None) == pbx.locks_out_for_good


async def test_session_that_is_gone(pbx: Harness) -> None:
    client = pbx.make_client()
    for caller in ("6001", "6002"):
        await pbx.leave(caller)
    before = await client.mailboxes([pbx.extension])
    await pbx.forget_sessions()
    assert await client.mailboxes([pbx.extension]) is before
    await pbx.forget_sessions()
    message = message_of(before[pbx.extension], "6002")
    assert await client.recording(message) == audio_of("6002")
    await client.close()
    await client.delete(message)
    assert is_from("6001")(await pbx.look(client))


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_garbage(pbx: Harness, answer: bytes) -> None:
    """It is an error, never a mailbox without messages, and it passes."""
    client = pbx.make_client()
    await pbx.leave("6001")
    before = await client.mailboxes([pbx.extension])
    message = before[pbx.extension].messages[0]

    pbx.proxy.answer = answer
    for do in (
        lambda: client.mailboxes([pbx.extension]),
        lambda: client.recording(message),
        lambda: client.delete(message),
        pbx.make_client().mailboxes,
    ):
        with pytest.raises((PbxReplyError, PbxConnectionError)):
            await do()
    pbx.proxy.answer = None
    assert await client.mailboxes([pbx.extension]) is before
    assert await client.recording(message) == audio_of("6001")


async def test_outage(pbx: Harness) -> None:
    client = pbx.make_client()
    await pbx.leave("6001")
    before = await client.mailboxes([pbx.extension])

    await pbx.proxy.stop()
    for one in (client, pbx.make_client()):
        with pytest.raises(PbxConnectionError):
            await one.mailboxes([pbx.extension])
    await pbx.proxy.start()
    assert await client.mailboxes([pbx.extension]) is before

    pbx.proxy.is_silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.mailboxes([pbx.extension])
    pbx.proxy.is_silent = False
    assert await client.mailboxes([pbx.extension]) is before


async def test_nothing_private_is_published(pbx: Harness) -> None:
    client = pbx.make_client()
    await pbx.leave("6001")
    await client.mailboxes([pbx.extension])
    await client.info()
    for published in (client, client.describe(), client.remember()):
        for private in (pbx.password, pbx.family.stored_secret(pbx.password), "6001", "127.0.0.1"):
            assert private not in repr(published)
