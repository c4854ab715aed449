"""Events hurry polls: both shapes of them, silence, and connections that end."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aiohttp import web
import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxRedirectError,
    PbxReplyError,
    PbxTimeoutError,
)
from custom_components.pbx_voicemail.pbx.p_series import events
from tests.simulator import PSeriesSimulator

from .clock import Clock
from .conftest import connected, leave


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("as_text", [True, False])
async def test_only_calls_that_left_a_message_are_noticed(
    pbx: PSeriesSimulator, client: PbxClient, as_text: bool
) -> None:
    pbx.readings.event_as_text = as_text
    before = await client.mailboxes()
    task, changed = await connected(client)
    await client.mailboxes()
    for status in "ANSWERED", "NO ANSWER", "BUSY":
        await pbx.report_call("1001", status=status, caller="VOICEMAIL")
    await asyncio.sleep(0.1)
    assert not changed.is_set()

    leave(pbx, "1001")
    pbx.queries.clear()
    await pbx.report_call("1001")
    await changed.wait()
    after = await client.mailboxes()
    assert after["1001"].count == 2
    assert after["1000"] is before["1000"]
    assert [query["number"] for query in pbx.queries] == ["1001"]
    await _stop(task)


async def test_message_that_came_and_went(pbx: PSeriesSimulator, client: PbxClient) -> None:
    """All mailboxes are then as they were before it came, but the client knows of it."""
    before = (await client.mailboxes())["1001"]
    task, changed = await connected(client)
    await client.mailboxes()
    leave(pbx, "1001")
    await pbx.report_call("1001")
    await changed.wait()
    latest = (await client.mailboxes())["1001"].latest
    assert latest
    assert latest.id not in before.ids
    await client.delete(latest)
    assert (await client.mailboxes())["1001"] == before

    pbx.queries.clear()
    now = await client.mailboxes()
    assert len(pbx.queries) == 1
    assert await client.mailboxes() is now
    await _stop(task)


@pytest.mark.parametrize("called", ["8800", "Queue<8800>", ""])
async def test_call_to_a_number_without_a_mailbox(
    pbx: PSeriesSimulator, client: PbxClient, called: str
) -> None:
    """Whose message it is, only a look at all of them tells."""
    await client.mailboxes()
    task, changed = await connected(client)
    await client.mailboxes()
    leave(pbx, "1002")
    await pbx.report_call(called)
    await changed.wait()
    assert (await client.mailboxes())["1002"].count == 1
    await _stop(task)


async def test_call_during_a_look_at_all_mailboxes(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    """Its message may have come too late, so there is another look, whatever is reported then."""
    await client.mailboxes()
    task, _ = await connected(client)

    async def report_call(request: web.Request) -> None:
        if request.path.endswith("vm/query"):
            await pbx.report_call("8800")
            await asyncio.sleep(0.1)

    pbx.intercept = report_call
    await client.mailboxes()
    pbx.intercept = None
    leave(pbx, "1002")
    await pbx.report_call("1001")
    await asyncio.sleep(0.1)
    assert (await client.mailboxes())["1002"].count == 1
    await _stop(task)


async def test_calls_to_extensions_without_a_mailbox(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    """Their messages are left in another mailbox, or one has been set up."""
    pbx.without_mailbox.add("1004")
    await client.mailboxes()
    task, _ = await connected(client)
    await client.mailboxes()
    leave(pbx, "1001")
    await pbx.report_call("1003")
    await pbx.report_call("1004")
    await asyncio.sleep(0.1)
    assert (await client.mailboxes())["1001"].count == 2

    pbx.without_mailbox.remove("1004")
    leave(pbx, "1004")
    await pbx.report_call("1004")
    await asyncio.sleep(0.1)
    assert (await client.mailboxes())["1004"].count == 1
    pbx.queries.clear()
    await client.mailboxes()
    assert len(pbx.queries) == 1
    await _stop(task)


async def test_event_comes_before_the_message(pbx: PSeriesSimulator, client: PbxClient) -> None:
    """There is a second look soon."""
    await client.mailboxes()
    task, changed = await connected(client)
    await client.mailboxes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "_SECOND_LOOK_SECONDS", 0.2)
        await pbx.report_call("1001")
        await changed.wait()
        changed.clear()
        assert (await client.mailboxes())["1001"].count == 1
        leave(pbx, "1001")
        async with asyncio.timeout(2):
            await changed.wait()
        assert (await client.mailboxes())["1001"].count == 2
    await _stop(task)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "30012",
        "heartbeat response",
        '{"type":30012}',
        '{"type":30012,"msg":null}',
        '{"type":30012,"msg":"VOICEMAIL"}',
        '{"type":30012,"msg":[{"status":"VOICEMAIL"}]}',
        '{"type":30011,"msg":{"status":"VOICEMAIL","call_to":"30012"}}',
    ],
)
async def test_any_other_text(pbx: PSeriesSimulator, client: PbxClient, text: str) -> None:
    task, changed = await connected(client)
    await pbx.send(text)
    await asyncio.sleep(0.05)
    assert not changed.is_set()
    assert not task.done()
    await _stop(task)


async def test_heartbeat(
    pbx: PSeriesSimulator, client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(events, "_SILENCE_SECONDS", 0.3)
    task, _ = await connected(client)
    await asyncio.sleep(0.6)
    assert not task.done()
    assert pbx.heartbeats > 5
    pbx.is_mute = True
    with pytest.raises(PbxTimeoutError):
        await task


@pytest.mark.parametrize("by_poll", [False, True])
async def test_new_token_has_a_new_connection(
    pbx: PSeriesSimulator, client: PbxClient, monkeypatch: pytest.MonkeyPatch, by_poll: bool
) -> None:
    """The PBX may end the one of a token that has expired."""
    clock = Clock(pbx, monkeypatch)
    task, changed = await connected(client)
    listeners = pbx.listeners
    tokens = dict(client.tokens())
    clock.tick(timedelta(minutes=26))
    if by_poll:
        await client.extensions()
    await pbx.send("anything")
    async with asyncio.timeout(2):
        await changed.wait()
    assert pbx.requests.count("/openapi/v1.0/subscribe") == 2
    assert client.tokens()["access"] != tokens["access"]
    await asyncio.sleep(0.05)
    assert pbx.listeners == listeners == 1
    leave(pbx, "1001")
    changed.clear()
    await pbx.report_call("1001")
    async with asyncio.timeout(2):
        await changed.wait()
    await _stop(task)


async def test_connection_that_breaks(pbx: PSeriesSimulator, client: PbxClient) -> None:
    task, _ = await connected(client)
    await pbx.drop_sockets()
    with pytest.raises(PbxConnectionError):
        await task
    task, _ = await connected(client)
    await pbx.stop()
    with pytest.raises(PbxConnectionError):
        await task
    with pytest.raises(PbxConnectionError):
        await client.listen(lambda: None)


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def _redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})


async def _no_socket(request: web.Request) -> web.StreamResponse:
    return web.json_response({"errcode": 10001, "errmsg": "INTERFACE NOT EXISTED"})


async def _refuse(request: web.Request) -> web.StreamResponse:
    return web.Response(status=401)


async def _refuse_topic(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json({"errcode": 40002, "errmsg": "INVALID"})
    await socket.close()
    return socket


async def _send_binary(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_bytes(b"\0")
    await socket.close()
    return socket


async def _send_too_much(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    with suppress(ConnectionError):
        await socket.send_str(" " * 100_000)
    await socket.close()
    return socket


async def _evade(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    with suppress(ConnectionError):
        while True:
            await socket.send_str("")
            await asyncio.sleep(0.02)
    return socket


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_evade, PbxTimeoutError),
        (_hang_up, PbxConnectionError),
        (_redirect, PbxRedirectError),
        (_no_socket, PbxReplyError),
        (_refuse, PbxError),
        (_refuse_topic, PbxError),
        (_send_binary, PbxConnectionError),
        (_send_too_much, PbxConnectionError),
    ],
)
async def test_connection_that_is_not_made(
    pbx: PSeriesSimulator,
    client: PbxClient,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    error: type[PbxError],
) -> None:
    """It ends listening, and uses up no tokens."""
    monkeypatch.setattr(events, "_REPLY_SECONDS", 0.1)
    await client.extensions()

    async def intercept(request: web.Request) -> web.StreamResponse | None:
        return await answer(request) if request.path.endswith("subscribe") else None

    pbx.intercept = intercept
    for _ in range(5):
        with pytest.raises(error) as raised:
            await client.listen(lambda: None)
        assert raised.value.kind != "invalid_auth"
    assert pbx.logins <= 2


async def test_busy_pbx_is_asked_for_everything_all_the_same(
    pbx: PSeriesSimulator, client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deletions are reported by nothing, however many events there are."""
    clock = Clock(pbx, monkeypatch)
    task, changed = await connected(client)
    await client.mailboxes()
    pbx.spool.delete("1022", "msg0000")
    for minutes, count in (0, 12), (6, 11):
        clock.tick(timedelta(minutes=minutes))
        changed.clear()
        await pbx.report_call("1001")
        await changed.wait()
        assert (await client.mailboxes())["1022"].count == count
    await _stop(task)
