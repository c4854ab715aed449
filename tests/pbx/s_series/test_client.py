"""The client with a simulated PBX over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import partial
import gzip
import json
from threading import current_thread
from time import sleep
import traceback
from typing import Any

import aiohttp
from aiohttp import web
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    Credentials,
    Extension,
    Message,
    PbxAuthError,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxInfo,
    PbxReplyError,
    PbxTimeoutError,
    PbxTlsError,
    http as transport_module,
    limited_socket,
)
from custom_components.pbx_voicemail.pbx.s_series import (
    client as client_module,
    mailboxes as mailboxes_module,
)
from custom_components.pbx_voicemail.pbx.s_series.changes import read_reply
from custom_components.pbx_voicemail.pbx.s_series.client import SSeriesClient
from tests.conftest import TOKEN
from tests.faults import FAULTS, Fault
from tests.helpers import leave_message
from tests.simulator import Simulator


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, socket_factory=limited_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield session


def _client(session: aiohttp.ClientSession, address: Address, zone: tzinfo) -> PbxClient:
    return SSeriesClient(
        Connection(
            session=session,
            address=address,
            credentials=Credentials(token=TOKEN),
            time_zone=zone,
            remembered={"api": "v0.0.1"},
        )
    )


@pytest.fixture
def client(session: aiohttp.ClientSession, pbx: Simulator) -> PbxClient:
    return _client(session, Address("127.0.0.1", pbx.port), pbx.zone)


async def test_all_mailboxes_in_one_request(client: PbxClient, pbx: Simulator) -> None:
    mailboxes = await client.mailboxes()

    assert {number: len(box.messages) for number, box in mailboxes.items()} == {
        "101": 3,
        "102": 2,
        "103": 2,
    }
    assert pbx.requests == ["/api/v0.0.1/voicemail/query"]


async def test_some_mailboxes_in_one_request(client: PbxClient, pbx: Simulator) -> None:
    assert (await client.mailboxes(["101", "104"])).keys() == {"101"}
    assert pbx.requests == ["/api/v0.0.1/voicemail/query"]


async def test_latest_message(client: PbxClient) -> None:
    latest = (await client.mailboxes())["102"].latest
    assert latest is not None
    assert latest.caller == "anonymous"
    assert latest.received == datetime(2026, 11, 23, 14, 51, 5, tzinfo=UTC)
    assert latest.duration == 3


async def test_unchanged_reply_is_not_parsed(
    client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await client.mailboxes()
    monkeypatch.setattr(client_module, "read_reply", None)
    assert await client.mailboxes() is before


async def test_changed_reply_keeps_unchanged_mailboxes(client: PbxClient, pbx: Simulator) -> None:
    before = await client.mailboxes()
    await asyncio.to_thread(pbx.spool.delete, "102", "msg0000")
    after = await client.mailboxes()

    assert after["101"] is before["101"]
    assert after["102"].messages == before["102"].messages[:1]


async def test_large_reply_is_parsed_in_a_thread(
    client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "OFF_LOOP_BYTES", 1)
    threads = []

    def record(*args: Any) -> Any:
        threads.append(current_thread())
        return read_reply(*args)

    monkeypatch.setattr(client_module, "read_reply", record)
    assert len(await client.mailboxes()) == 3
    assert threads
    assert current_thread() not in threads


async def test_time_zone_that_changes_while_a_reply_is_parsed(
    client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next poll reads all dates again, though the reply is the same."""
    loop, zone = asyncio.get_running_loop(), timezone(timedelta(hours=5))

    def read_slowly(*args: Any) -> Any:
        parsed = read_reply(*args)
        loop.call_soon_threadsafe(client.set_time_zone, zone)
        sleep(0.05)
        return parsed

    monkeypatch.setattr(client_module, "OFF_LOOP_BYTES", 0)
    with monkeypatch.context() as patch:
        patch.setattr(client_module, "read_reply", read_slowly)
        before = (await client.mailboxes())["101"].latest
    after = (await client.mailboxes())["101"].latest
    assert before
    assert before.received
    assert after
    assert after.received == before.received.astimezone(pbx.zone).replace(tzinfo=zone)


async def test_device_info(client: PbxClient) -> None:
    assert await client.info() == PbxInfo(
        "OpenVox",
        "UC501",
        "a09805021987",
        "3.1",
        "4.1.1",
        web_page=client.address.url.with_port(None),
        mac_address="a09805021987",
    )


async def test_extensions(client: PbxClient) -> None:
    assert await client.extensions() == (
        Extension("101", "Reception"),
        Extension("102", "Workshop"),
        Extension("103"),
        Extension("104"),
    )


async def _fail(request: web.Request, errno: str | None, path: str) -> web.Response | None:
    if not request.path.endswith(path):
        return None
    return web.json_response({"status": "Failed"} | ({"errno": errno} if errno else {}))


@pytest.mark.parametrize("errno", [None, "20018"])
async def test_refusal_without_messages(
    client: PbxClient, pbx: Simulator, errno: str | None
) -> None:
    pbx.intercept = partial(_fail, errno=errno, path="voicemail/query")
    assert await client.mailboxes() == {}

    pbx.intercept = None
    assert len(await client.mailboxes()) == 3


@pytest.mark.parametrize("errno", [None, "20018"])
async def test_same_refusal_with_an_invalid_token(
    client: PbxClient, pbx: Simulator, errno: str | None
) -> None:
    await client.mailboxes()
    pbx.intercept = partial(_fail, errno=errno, path="voicemail/query")
    pbx.revoke_tokens()
    with pytest.raises(PbxAuthError):
        await client.mailboxes()


async def test_only_what_changed_is_read(
    client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await client.mailboxes()
    read: list[str] = []

    def record(extension: str, *arguments: Any) -> tuple[Message, ...]:
        read.append(extension)
        return really(extension, *arguments)

    really = mailboxes_module._read_messages
    monkeypatch.setattr(mailboxes_module, "_read_messages", record)
    await leave_message(pbx, "102")
    after = await client.mailboxes()
    assert read == ["102"]
    assert after["101"] is before["101"]
    assert after["103"] is before["103"]


@pytest.mark.parametrize("way", ["with a length", "in chunks", "compressed"])
async def test_reply_that_starts_like_the_last(client: PbxClient, pbx: Simulator, way: str) -> None:
    """Replies are compared with the last one while they are received."""
    told = ""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        match way:
            case "with a length":
                response.content_length = len(told)
            case "in chunks":
                response.enable_chunked_encoding()
            case "compressed":
                body = gzip.compress(told.encode())
                return web.Response(body=body, headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        for begin in range(0, len(told), 50):
            await response.write(told[begin : begin + 50].encode())
            await asyncio.sleep(0)
        return response

    def reply(*dates: str) -> str:
        voicemail = [{"voicemaildate": f"2026-11-23 {date}"} for date in dates]
        return json.dumps(
            {"status": "Success", "voicemails": [{"extid": "1", "voicemail": voicemail}]}
        )

    pbx.intercept = respond
    for dates in (["10:00:00"], ["10:00:00", "11:00:00"], ["10:00:00"], ["10:00:01"], []):
        told = reply(*dates)
        mailboxes = await client.mailboxes()
        assert sum(mailbox.count for mailbox in mailboxes.values()) == len(dates)
        told += "  "
        again = await client.mailboxes()
        assert all(again[number] is mailbox for number, mailbox in mailboxes.items())
        assert await client.mailboxes() is again
    told = told[:40]
    with pytest.raises(PbxReplyError):
        await client.mailboxes()
    told = ""
    with pytest.raises(PbxReplyError):
        await client.mailboxes()


@pytest.mark.parametrize("late", [("10:00", "10:00"), ("10:00", "13:00")])
async def test_polls_that_overlap(client: PbxClient, pbx: Simulator, late: tuple[str, str]) -> None:
    """A reply is compared with the one before its request, which may not be the last any more."""
    is_asked, has_overtaken = asyncio.Event(), asyncio.Event()
    replies = enumerate([("10:00", "10:00"), late, ("12:00", "10:00")])

    async def respond(request: web.Request) -> web.Response:
        index, times = next(replies)
        if index == 1:
            is_asked.set()
            await has_overtaken.wait()
        mailboxes = [
            {"extid": number, "voicemail": [{"voicemaildate": f"2026-11-23 {time}:00"}]}
            for number, time in zip("12", times, strict=True)
        ]
        return web.json_response({"status": "Success", "voicemails": mailboxes})

    async def poll() -> tuple[str, ...]:
        latest = [mailbox.latest for mailbox in (await client.mailboxes()).values()]
        dates = [message.received for message in latest if message and message.received]
        return tuple(f"{date.astimezone(pbx.zone):%H:%M}" for date in dates)

    pbx.intercept = respond
    await poll()
    late_poll = asyncio.create_task(poll())
    await is_asked.wait()
    assert await poll() == ("12:00", "10:00")
    has_overtaken.set()
    assert await late_poll == late


async def test_polling_keeps_the_token_valid(client: PbxClient, pbx: Simulator) -> None:
    now = datetime.now(UTC)
    pbx.clock = lambda: now
    for _ in range(3):
        await client.mailboxes()
        now += timedelta(minutes=29)

    now += timedelta(minutes=2)
    with pytest.raises(PbxAuthError):
        await client.mailboxes()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_faults(client: PbxClient, pbx: Simulator, fault: Fault) -> None:
    before = await client.mailboxes()
    async with fault.inject(pbx):
        with pytest.raises(PbxError) as raised:
            await client.mailboxes()
    assert raised.value.kind == fault.kind
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
    assert await client.mailboxes() is before


async def test_unknown_host(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    monkeypatch.setattr(aiohttp.AsyncResolver, "resolve", resolve)
    with pytest.raises(PbxConnectionError):
        await _client(session, Address("pbx.invalid", 9011), UTC).mailboxes()


async def test_tls_on_a_plain_port(session: aiohttp.ClientSession, pbx: Simulator) -> None:
    address = Address("127.0.0.1", pbx.port, tls=True)
    with pytest.raises(PbxTlsError):
        await _client(session, address, UTC).mailboxes()


async def test_timeout(client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    hung_up = asyncio.Event()

    async def wait(request: web.Request) -> None:
        await hung_up.wait()

    monkeypatch.setattr(transport_module, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    pbx.intercept = wait
    with pytest.raises(PbxTimeoutError):
        await client.mailboxes()
    hung_up.set()


async def test_too_large(
    client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_LIST_BYTES", 100)
    with pytest.raises(PbxReplyError):
        await client.mailboxes()


async def test_five_thousand_messages(client: PbxClient, pbx: Simulator) -> None:
    entry = {"messagefrom": "7001", "voicemaildate": "2020-04-07 10:57:31", "voicemaillength": "3"}

    async def respond(request: web.Request) -> web.Response:
        mailbox = {"extid": "101", "voicemail": [entry] * 5000}
        return web.json_response({"status": "Success", "voicemails": [mailbox]})

    pbx.intercept = respond
    assert len((await client.mailboxes())["101"].messages) == 5000


async def test_no_redirects_and_no_cookies(client: PbxClient, pbx: Simulator) -> None:
    cookies = []

    async def set_cookie(request: web.Request) -> None:
        cookies.append(dict(request.cookies))
        raise web.HTTPFound(f"http://{pbx.address}/elsewhere", headers={"Set-Cookie": "a=b"})

    pbx.intercept = set_cookie
    for _ in range(2):
        with pytest.raises(PbxError):
            await client.mailboxes()
    assert cookies == [{}, {}]
    assert "/elsewhere" not in pbx.requests


async def test_repr_does_not_contain_the_token(client: PbxClient) -> None:
    assert TOKEN not in repr([client, client.address, await client.mailboxes()])
