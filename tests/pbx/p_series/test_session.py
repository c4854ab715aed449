"""Signing in: one token, few attempts, and nothing left behind."""

import asyncio
from datetime import timedelta
import shutil

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxAuthError,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxLoginError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
    PbxSetupError,
)
from tests.simulator import PSeriesSimulator

from .conftest import MakeClient

BOTH = pytest.mark.parametrize("either", [False, True])


async def test_token_is_replaced_after_25_minutes(
    pbx: PSeriesSimulator, client: PbxClient, freezer: FrozenDateTimeFactory
) -> None:
    await client.extensions()
    token = client.tokens()["access"]
    freezer.tick(timedelta(minutes=24))
    await client.extensions()
    assert client.tokens()["access"] == token
    freezer.tick(timedelta(minutes=2))
    await asyncio.gather(client.extensions(), client.info(), client.mailboxes())
    assert client.tokens()["access"] != token
    assert pbx.requests.count("/openapi/v1.0/refresh_token") == 1
    assert pbx.logins == 1


@BOTH
async def test_refresh_token_that_is_not_accepted(
    pbx: PSeriesSimulator, client: PbxClient, freezer: FrozenDateTimeFactory, either: bool
) -> None:
    """Because it has expired, which is known, or for a reason of the PBX's."""
    await client.extensions()
    if not either:
        pbx.revoke_tokens()
    freezer.tick(timedelta(hours=25 if either else 1))
    await client.extensions()
    assert pbx.logins == 2
    assert pbx.requests.count("/openapi/v1.0/refresh_token") == (not either)


@BOTH
async def test_next_run_goes_on_with_the_token(
    pbx: PSeriesSimulator,
    make_client: MakeClient,
    freezer: FrozenDateTimeFactory,
    either: bool,
) -> None:
    """And a run that gave its token back leaves none."""
    pbx.readings.refresh_kills = either
    first = make_client()
    await first.extensions()
    second = make_client(tokens=dict(first.tokens()))
    await second.extensions()
    assert pbx.logins == pbx.tokens_alive == 1
    freezer.tick(timedelta(minutes=26))
    third = make_client(tokens=dict(second.tokens()))
    await third.extensions()
    assert pbx.logins == 1
    assert pbx.most_tokens <= 2
    await third.close()
    assert not third.tokens()
    assert pbx.tokens_alive == (not either)


@pytest.mark.parametrize("stored", [{}, {"access": "x"}, {"since": "x"}, {"access": "1" * 32}])
async def test_tokens_that_are_none(
    pbx: PSeriesSimulator, make_client: MakeClient, stored: dict[str, str]
) -> None:
    client = make_client(tokens=stored)
    await client.extensions()
    assert pbx.logins == 1


async def test_token_is_kept_if_it_could_not_be_given_back(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    await client.extensions()
    await pbx.stop()
    await client.close()
    await pbx.start()
    await client.extensions()
    assert pbx.logins == 1
    await client.close()
    assert not pbx.tokens_alive


async def test_clock_that_was_set_back(
    pbx: PSeriesSimulator, client: PbxClient, freezer: FrozenDateTimeFactory
) -> None:
    await client.extensions()
    freezer.tick(timedelta(days=-1))
    await client.extensions()
    assert pbx.logins == 2


@BOTH
async def test_refused_secret_is_sent_once(
    pbx: PSeriesSimulator, make_client: MakeClient, either: bool
) -> None:
    pbx.readings.bad_login_errcode = 40002 if either else -1
    client = make_client("wrong", has_worked=True)
    for _ in range(3):
        with pytest.raises(PbxLoginError) as raised:
            await client.mailboxes()
        assert raised.value.kind == "client_refused"
    assert pbx.logins == 1


async def test_only_two_answers_of_a_busy_pbx_are_believed(
    pbx: PSeriesSimulator, make_client: MakeClient
) -> None:
    """Whether they count as failed attempts is not known."""
    pbx.readings.bad_login_errcode = -2
    client = make_client("wrong", has_worked=True)
    for _ in range(2):
        with pytest.raises(PbxNotReadyError):
            await client.mailboxes()
    for _ in range(3):
        with pytest.raises(PbxLoginError):
            await client.mailboxes()
    assert pbx.logins == 3


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_login_refused_by_http(pbx: PSeriesSimulator, client: PbxClient, status: int) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    pbx.intercept = refuse
    for _ in range(3):
        with pytest.raises(PbxLoginError):
            await client.mailboxes()
    assert len(pbx.requests) == 1


@BOTH
async def test_full_pbx_is_left_alone_for_minutes(
    pbx: PSeriesSimulator, client: PbxClient, freezer: FrozenDateTimeFactory, either: bool
) -> None:
    pbx.readings.limit_errcode = 60002 if either else -1
    pbx.max_tokens = 0
    for _ in range(3):
        with pytest.raises(PbxNotReadyError) as raised:
            await client.mailboxes()
        assert raised.value.kind == "token_limit"
        assert raised.value.retry_after
    assert pbx.logins == 1
    pbx.max_tokens = 8
    freezer.tick(timedelta(minutes=6))
    assert await client.mailboxes()
    assert pbx.logins == 2


async def test_blocked(
    pbx: PSeriesSimulator, make_client: MakeClient, freezer: FrozenDateTimeFactory
) -> None:
    """Nothing is sent for ten minutes, unless a person begins anew."""
    client = make_client()
    await client.extensions()
    pbx.blocked.add("127.0.0.1")
    for _ in range(3):
        with pytest.raises(PbxLockedError) as raised:
            await client.mailboxes()
        assert raised.value.retry_after is None
        assert raised.value.kind == "blocked"
    sent = len(pbx.requests)
    pbx.blocked.clear()
    with pytest.raises(PbxLockedError):
        await client.info()
    assert len(pbx.requests) == sent
    assert await make_client().mailboxes()
    freezer.tick(timedelta(minutes=11))
    assert await client.mailboxes()


async def test_blocked_with_a_new_token(pbx: PSeriesSimulator, client: PbxClient) -> None:
    await client.extensions()
    errcodes = [10004, 70004]

    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("token"):
            return None
        return web.json_response({"errcode": errcodes.pop(0), "errmsg": "FAILURE"})

    pbx.intercept = refuse
    for _ in range(3):
        with pytest.raises(PbxLockedError):
            await client.mailboxes()
    assert not errcodes


@BOTH
async def test_forgotten_token(pbx: PSeriesSimulator, client: PbxClient, either: bool) -> None:
    pbx.readings.token_failures_count = either
    for _ in range(10):
        pbx.revoke_tokens()
        assert await client.mailboxes()
    assert not pbx.blocked
    assert pbx.logins == 10


async def test_forgotten_token_of_several_requests(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    """They share the next one, also if one of them hears of it late."""
    await client.extensions()
    pbx.revoke_tokens()

    async def delay(request: web.Request) -> None:
        while request.path.endswith("vm/query") and pbx.logins < 2:
            await asyncio.sleep(0.01)

    pbx.intercept = delay
    await asyncio.gather(client.info(), client.extensions(), client.mailboxes())
    assert pbx.logins == 2
    assert pbx.tokens_alive == 1


async def test_token_that_is_never_accepted(pbx: PSeriesSimulator, client: PbxClient) -> None:
    """It is not the secret's fault, and there are only eight."""

    async def expire(request: web.Request) -> web.Response | None:
        if request.path.endswith("token"):
            return None
        return web.json_response({"errcode": 10004, "errmsg": "TOKEN EXPIRED"})

    pbx.intercept = expire
    for _ in range(10):
        with pytest.raises(PbxRejectedError) as raised:
            await client.extensions()
        assert not isinstance(raised.value, PbxAuthError)
    assert pbx.logins == 2


async def test_access_denied_costs_one_token_in_ten_minutes(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    async def deny(request: web.Request) -> web.Response | None:
        if request.path.endswith("token"):
            return None
        return web.json_response({"errcode": 10005, "errmsg": "ACCESS DENIED"})

    pbx.intercept = deny
    for _ in range(4):
        with pytest.raises(PbxRejectedError):
            await client.mailboxes()
    assert pbx.logins == 2


async def test_every_request_says_who_asks(pbx: PSeriesSimulator, client: PbxClient) -> None:
    agents = []

    async def note(request: web.Request) -> None:
        agents.append(request.headers.get("User-Agent"))

    pbx.intercept = note
    message = (await client.mailboxes())["1001"].messages[0]
    await client.recording(message)
    await client.close()
    assert set(agents) == {"OpenAPI"}


@pytest.mark.parametrize(
    ("reading", "kind"), [("has_api", "api_not_offered"), ("has_voicemail", "firmware_too_old")]
)
async def test_what_the_pbx_lacks(
    pbx: PSeriesSimulator, client: PbxClient, reading: str, kind: str
) -> None:
    await pbx.stop()
    setattr(pbx.readings, reading, False)
    await pbx.start()
    with pytest.raises(PbxSetupError) as raised:
        await client.mailboxes(["1000"])
    assert raised.value.kind == kind


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("looks_work", [False, True])
async def test_answer_to_a_deletion_is_lost(
    pbx: PSeriesSimulator, client: PbxClient, is_done: bool, looks_work: bool
) -> None:
    """It is not repeated: the mailbox tells what it did."""
    message = (await client.mailboxes())["1000"].messages[3]
    is_lost = False

    async def lose(request: web.Request) -> web.Response | None:
        nonlocal is_lost
        if is_lost and not looks_work:
            return web.Response(status=502)
        if not request.path.endswith("/vm/delete"):
            return None
        is_lost = True
        if is_done:
            number, found = pbx.find(request.query["id"])
            pbx.spool.delete(number, found.name)
        assert request.transport
        request.transport.abort()
        return web.Response()

    pbx.intercept = lose
    if is_done and looks_work:
        await client.delete(message)
    else:
        with pytest.raises((PbxConnectionError, PbxReplyError)):
            await client.delete(message)
    assert pbx.requests.count("/openapi/v1.0/vm/delete") == 1
    pbx.intercept = None
    assert (await client.mailboxes())["1000"].count == 25 - is_done


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/api/download/a.wav",
        "//example.com/api/download/a.wav",
        "/api/download/../../openapi/v1.0/vm/delete",
        "/api/download/a/../b.wav",
        "/api/download/..",
        "/api/download/a.wav?x=1",
        "/api/download/%2e%2e",
        "/openapi/v1.0/vm/delete",
        "/api/download/",
        "",
        None,
    ],
)
async def test_link_to_elsewhere(
    pbx: PSeriesSimulator, client: PbxClient, link: str | None
) -> None:
    message = (await client.mailboxes())["1001"].messages[0]

    async def answer(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/vm/download"):
            return None
        return web.json_response({"errcode": 0, "download_resource_url": link})

    pbx.intercept = answer
    with pytest.raises(PbxReplyError):
        await client.recording(message)
    assert pbx.requests[-1].endswith("/vm/download")


async def test_same_id_in_two_mailboxes(pbx: PSeriesSimulator, client: PbxClient) -> None:
    """What would be deleted is not known."""
    (original,) = pbx.spool.messages("1001")
    folder = pbx.spool.root / "1002"
    await asyncio.to_thread(shutil.copytree, pbx.spool.root / "1001", folder)
    mailboxes = await client.mailboxes()
    assert mailboxes["1001"].ids.isdisjoint(mailboxes["1002"].ids)
    for number in "1001", "1002":
        with pytest.raises(PbxError) as raised:
            await client.delete(mailboxes[number].messages[0])
        assert raised.value.kind == "message_unclear"
    assert pbx.spool.messages("1001") == [original]
