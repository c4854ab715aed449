"""Getting in and staying in: sign-in, renewal, the guard against a lock-out, and dialects."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import md5
from typing import Any

import aiohttp
from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.pbx_voicemail.pbx import (
    DIALECTS,
    OPENVOX,
    YEASTAR,
    Address,
    Credentials,
    Dialect,
    PbxAuthError,
    PbxClient,
    PbxConnectionError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from tests.conftest import TOKEN
from tests.simulator import Simulator

USER = Credentials.of_user("api", "secret")
WRONG = Credentials.of_user("api", "wrong")
BARE_TOKEN = Credentials(token=TOKEN)

type Connect = Callable[..., PbxClient]


@pytest.fixture
async def connect(pbx: Simulator) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        def connect(
            credentials: Credentials, dialect: Dialect | None = OPENVOX, **settings: Any
        ) -> PbxClient:
            address = Address.parse(pbx.address)
            return PbxClient(session, address, credentials, pbx.zone, dialect=dialect, **settings)

        yield connect


def _called(pbx: Simulator) -> list[str]:
    called = [path.removeprefix("/api/") for path in pbx.requests]
    pbx.requests.clear()
    return called


def test_credentials_keep_no_password_and_show_no_secret() -> None:
    assert USER.password_md5 == md5(b"secret", usedforsecurity=False).hexdigest()
    shown = repr([USER, BARE_TOKEN])
    assert "secret" not in shown
    assert USER.password_md5 not in shown
    assert TOKEN not in shown


async def test_signs_in_once_and_polls_on(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    for _ in range(3):
        assert len(await client.query_mailboxes()) == 3
    await client.query_device_info()
    assert _called(pbx) == [
        "v0.0.1/login",
        *["v0.0.1/voicemail/query"] * 3,
        "v0.0.1/deviceinfo/query",
    ]


async def test_login_is_sent_as_documented(connect: Connect, pbx: Simulator) -> None:
    seen: list[tuple[dict[str, str], Any]] = []

    async def look(request: web.Request) -> None:
        if request.path.endswith("login"):
            seen.append((dict(request.query), await request.json()))

    pbx.intercept = look
    await connect(USER).query_mailboxes()
    body = {"username": "api", "password": USER.password_md5, "port": "8260"}
    assert seen == [({"type": "json"}, body)]


async def test_renews_a_dead_token_once(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.query_mailboxes()
    pbx.revoke_tokens()
    _called(pbx)
    assert len(await client.query_mailboxes()) == 3
    assert _called(pbx) == [
        "v0.0.1/voicemail/query",
        "v0.0.1/login",
        "v0.0.1/voicemail/query",
    ]


async def test_concurrent_renewals_collapse_into_one(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await asyncio.gather(*(client.query_device_info() for _ in range(5)))
    assert pbx.logins == 1
    pbx.revoke_tokens()
    await asyncio.gather(*(client.query_device_info() for _ in range(5)))
    assert pbx.logins == 2


async def test_bare_token_is_never_renewed(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    pbx.revoke_tokens()
    with pytest.raises(PbxAuthError):
        await client.query_mailboxes()
    assert pbx.logins == 0


async def test_wrong_password_is_tried_once(connect: Connect, pbx: Simulator) -> None:
    client = connect(WRONG)
    for _ in range(6):
        with pytest.raises(PbxLoginError) as raised:
            await client.query_mailboxes()
        assert raised.value.errno == "30003"
    assert pbx.logins == 1


async def test_login_refused_for_an_unknown_reason_is_tried_once(
    connect: Connect, pbx: Simulator
) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("login"):
            return web.json_response({"status": "Failed", "errno": "30001"})
        return None

    pbx.intercept = refuse
    client = connect(USER)
    for _ in range(3):
        with pytest.raises(PbxLoginRejectedError) as raised:
            await client.query_mailboxes()
        assert raised.value.kind == "rejected"
    assert pbx.logins == 1


async def test_lock_is_told_apart_and_ends(connect: Connect, pbx: Simulator) -> None:
    now = pbx.clock()
    pbx.clock = lambda: now
    for _ in range(5):
        with pytest.raises(PbxLoginError):
            await connect(WRONG).query_mailboxes()
    client = connect(USER)
    with pytest.raises(PbxLockedError):
        await client.query_mailboxes()
    now += timedelta(minutes=11)
    assert await client.query_mailboxes()


async def test_login_without_a_token_in_the_answer(connect: Connect, pbx: Simulator) -> None:
    async def forget(request: web.Request) -> web.Response | None:
        if request.path.endswith("login"):
            return web.json_response({"status": "Success"})
        return None

    pbx.intercept = forget
    with pytest.raises(PbxReplyError):
        await connect(USER).query_mailboxes()


async def test_new_token_that_is_refused_is_no_matter_of_the_password(
    connect: Connect, pbx: Simulator
) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("query"):
            return web.json_response({"status": "Failed", "errno": "20004"})
        return None

    pbx.intercept = refuse
    with pytest.raises(PbxRejectedError) as raised:
        await connect(USER).query_mailboxes()
    assert type(raised.value) is PbxRejectedError


async def test_unknown_errno_is_worth_one_login_in_ten_minutes(
    freezer: FrozenDateTimeFactory, connect: Connect, pbx: Simulator
) -> None:
    client = connect(USER)
    await client.query_mailboxes()

    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("query"):
            return web.json_response({"status": "Failed", "errno": "30001"})
        return None

    pbx.intercept = refuse
    for logins in (2, 2, 2):
        with pytest.raises(PbxRejectedError):
            await client.query_mailboxes()
        assert pbx.logins == logins
    freezer.tick(timedelta(minutes=10))
    with pytest.raises(PbxRejectedError):
        await client.query_mailboxes()
    assert pbx.logins == 3


@pytest.mark.parametrize("errno", [None, "20018"])
async def test_nothing_there_with_a_dead_token_is_asked_again(
    connect: Connect, pbx: Simulator, errno: str | None
) -> None:
    client = connect(USER)
    await client.query_mailboxes()
    dead = client._access.token

    async def refuse(request: web.Request) -> web.Response | None:
        if request.query.get("token") == dead and "voicemail" in request.path:
            return web.json_response({"status": "Failed"} | ({"errno": errno} if errno else {}))
        return None

    pbx.revoke_tokens()
    pbx.intercept = refuse
    assert len(await client.query_mailboxes()) == 3


async def test_signs_out(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.sign_out()
    await client.query_mailboxes()
    _called(pbx)
    await client.sign_out()
    await client.sign_out()
    assert _called(pbx) == ["v0.0.1/logout"]
    assert len(await client.query_mailboxes()) == 3


async def test_failing_to_sign_out_is_no_harm(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.query_mailboxes()
    await pbx.stop()
    await client.sign_out()


async def test_somebody_elses_token_is_left_alone(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    await client.query_mailboxes()
    await client.sign_out()
    assert len(await client.query_mailboxes()) == 3


@pytest.mark.parametrize("credentials", [USER, BARE_TOKEN], ids=["user", "token"])
@pytest.mark.parametrize("stranger", ["html", "10003", "30001"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.version)
async def test_finds_the_dialect(
    connect: Connect, pbx: Simulator, dialect: Dialect, stranger: str, credentials: Credentials
) -> None:
    pbx.version, pbx.stranger = dialect.version, stranger
    client = connect(credentials, dialect=None)
    assert len(await client.query_mailboxes()) == 3
    assert client.dialect is dialect
    assert pbx.logins == (1 if credentials is USER else 0)

    _called(pbx)
    await client.query_mailboxes()
    assert _called(pbx) == [f"{dialect.version}/voicemail/query"]


@pytest.mark.parametrize("credentials", [USER, BARE_TOKEN], ids=["user", "token"])
@pytest.mark.parametrize("stranger", ["html", "10003"])
async def test_new_firmware_speaks_another_dialect(
    connect: Connect, pbx: Simulator, stranger: str, credentials: Credentials
) -> None:
    pbx.stranger = stranger
    client = connect(credentials)
    before = await client.query_mailboxes()
    pbx.version = YEASTAR.version
    after = await client.query_mailboxes()

    assert client.dialect is YEASTAR
    assert before["101"].unread == 0
    assert after["101"].unread == 3
    assert [m.id for m in after["101"].messages] == [m.id for m in before["101"].messages]


async def test_finding_no_dialect_keeps_the_known_one(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    pbx.version = "v9"
    with pytest.raises(PbxReplyError):
        await client.query_mailboxes()
    pbx.version = OPENVOX.version
    assert await client.query_mailboxes()


@pytest.mark.parametrize(
    ("stranger", "error"), [("html", PbxReplyError), ("10003", PbxUnsupportedError)]
)
async def test_no_dialect_at_all(
    connect: Connect, pbx: Simulator, stranger: str, error: type[Exception]
) -> None:
    pbx.version, pbx.stranger = "v9", stranger
    with pytest.raises(error):
        await connect(USER, dialect=None).query_mailboxes()
    assert pbx.logins == 0


async def test_pbx_that_lets_anybody_in(connect: Connect, pbx: Simulator) -> None:
    async def welcome(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success"})

    pbx.intercept = welcome
    client = connect(BARE_TOKEN, dialect=None)
    assert await client.query_mailboxes() == {}
    assert client.dialect is OPENVOX


async def test_door_that_is_shut_says_nothing_of_the_dialect(
    connect: Connect, pbx: Simulator
) -> None:
    async def forbid(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if "v0.0.1" in request.path else None

    pbx.version = YEASTAR.version
    pbx.intercept = forbid
    client = connect(BARE_TOKEN, dialect=None)
    assert await client.query_mailboxes()
    assert client.dialect is YEASTAR


async def test_unreachable_pbx_and_redirect_are_no_matter_of_the_dialect(
    connect: Connect, pbx: Simulator
) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://127.0.0.1:1/"})

    pbx.intercept = redirect
    with pytest.raises(PbxRedirectError):
        await connect(USER, dialect=None).query_mailboxes()
    await pbx.stop()
    with pytest.raises(PbxConnectionError):
        await connect(USER, dialect=None).query_mailboxes()


async def test_extension_that_is_gone_does_not_cost_the_others(
    connect: Connect, pbx: Simulator
) -> None:
    client = connect(BARE_TOKEN)
    for _ in range(2):
        assert (await client.query_mailboxes(["101", "999"])).keys() == {"101"}
    assert _called(pbx) == ["v0.0.1/voicemail/query"] * 3


async def test_refusal_of_a_choice_is_a_refusal(connect: Connect, pbx: Simulator) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30001"})

    pbx.intercept = refuse
    with pytest.raises(PbxRejectedError):
        await connect(BARE_TOKEN).query_mailboxes(["101"])


async def test_answer_meant_for_another_extension_is_left_out(
    connect: Connect, pbx: Simulator
) -> None:
    async def tell_all(request: web.Request) -> web.Response:
        boxes: list[dict[str, Any]] = [
            {"extid": number, "voicemail": [{}]} for number in ("101", "102")
        ]
        return web.json_response({"status": "Success", "voicemails": boxes})

    pbx.intercept = tell_all
    assert (await connect(BARE_TOKEN).query_mailboxes(["101"])).keys() == {"101"}


async def test_a_day_with_a_reboot_every_forty_minutes(connect: Connect, pbx: Simulator) -> None:
    now = start = pbx.clock()
    pbx.clock = lambda: now
    client = connect(USER)
    reboots = 0
    while now < start + timedelta(hours=24):
        if now - start >= (reboots + 1) * timedelta(minutes=40):
            pbx.revoke_tokens()
            reboots += 1
        assert len(await client.query_mailboxes()) == 3
        now += timedelta(seconds=30)
    assert reboots == 35
    assert pbx.logins == 1 + reboots
