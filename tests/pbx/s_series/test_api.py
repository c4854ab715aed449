"""Signing in, renewing tokens, avoiding lock-outs, and finding the version of the API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import md5
from itertools import cycle
from time import time
from typing import Any, Self

import aiohttp
from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    Credentials,
    PbxAuthError,
    PbxConnectionError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxNotReadyError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from custom_components.pbx_voicemail.pbx.s_series.client import SSeriesClient
from custom_components.pbx_voicemail.pbx.s_series.login import Refusals, stored_secret
from custom_components.pbx_voicemail.pbx.s_series.versions import (
    API_VERSIONS,
    OPENVOX,
    YEASTAR,
    ApiVersion,
)
from tests.conftest import TOKEN
from tests.simulator import Simulator
from tests.simulator.server import refuse

USER = Credentials(username="api", secret=stored_secret("secret"))
WRONG = Credentials(username="api", secret=stored_secret("wrong"))
BARE_TOKEN = Credentials(token=TOKEN)

type Connect = Callable[..., SSeriesClient]


@pytest.fixture
async def connect(pbx: Simulator) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        def connect(
            credentials: Credentials,
            version: ApiVersion | None = OPENVOX,
            refusals: Refusals | str = "",
            **settings: Any,
        ) -> SSeriesClient:
            remembered = {"api": version.name if version else "", "refusals": str(refusals)}
            return SSeriesClient(
                Connection(
                    session=session,
                    address=Address("127.0.0.1", pbx.port),
                    credentials=credentials,
                    time_zone=pbx.zone,
                    remembered=remembered,
                    **settings,
                )
            )

        yield connect


def _requested(pbx: Simulator) -> list[str]:
    called = [path.removeprefix("/api/") for path in pbx.requests]
    pbx.requests.clear()
    return called


def test_credentials_do_not_contain_the_password() -> None:
    assert USER.secret == md5(b"secret", usedforsecurity=False).hexdigest()
    shown = repr([USER, BARE_TOKEN])
    assert "secret" not in shown
    assert USER.secret not in shown
    assert TOKEN not in shown


async def test_signs_in_once_and_polls_on(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    for _ in range(3):
        assert len(await client.mailboxes()) == 3
    await client.info()
    assert _requested(pbx) == [
        "v0.0.1/login",
        *["v0.0.1/voicemail/query"] * 3,
        "v0.0.1/deviceinfo/query",
    ]


async def test_login_is_sent_as_documented(connect: Connect, pbx: Simulator) -> None:
    seen: list[tuple[dict[str, str], Any]] = []

    async def check(request: web.Request) -> None:
        if request.path.endswith("login"):
            seen.append((dict(request.query), await request.json()))

    pbx.intercept = check
    await connect(USER).mailboxes()
    body = {"username": "api", "password": USER.secret, "port": "8260"}
    assert seen == [({"type": "json"}, body)]


async def test_renews_an_invalid_token_once(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.mailboxes()
    pbx.revoke_tokens()
    _requested(pbx)
    assert len(await client.mailboxes()) == 3
    assert _requested(pbx) == [
        "v0.0.1/voicemail/query",
        "v0.0.1/login",
        "v0.0.1/voicemail/query",
    ]


async def test_concurrent_renewals(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await asyncio.gather(*(client.info() for _ in range(5)))
    assert pbx.logins == 1
    pbx.revoke_tokens()
    await asyncio.gather(*(client.info() for _ in range(5)))
    assert pbx.logins == 2


async def test_bare_token_is_never_renewed(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    pbx.revoke_tokens()
    with pytest.raises(PbxAuthError):
        await client.mailboxes()
    assert pbx.logins == 0


async def test_wrong_password_is_tried_once(connect: Connect, pbx: Simulator) -> None:
    client = connect(WRONG)
    for _ in range(6):
        with pytest.raises(PbxLoginError) as raised:
            await client.mailboxes()
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
            await client.mailboxes()
        assert raised.value.kind == "rejected"
    assert pbx.logins == 1


async def test_lock_out(connect: Connect, pbx: Simulator) -> None:
    now = pbx.clock()
    pbx.clock = lambda: now
    for _ in range(5):
        with pytest.raises(PbxLoginError):
            await connect(WRONG).mailboxes()
    client = connect(USER)
    with pytest.raises(PbxLockedError):
        await client.mailboxes()
    now += timedelta(minutes=11)
    assert await client.mailboxes()


async def test_login_reply_without_a_token(connect: Connect, pbx: Simulator) -> None:
    async def drop_token(request: web.Request) -> web.Response | None:
        if request.path.endswith("login"):
            return web.json_response({"status": "Success"})
        return None

    pbx.intercept = drop_token
    with pytest.raises(PbxReplyError):
        await connect(USER).mailboxes()


async def test_refused_new_token_does_not_blame_the_password(
    connect: Connect, pbx: Simulator
) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("query"):
            return web.json_response({"status": "Failed", "errno": "20004"})
        return None

    pbx.intercept = refuse
    with pytest.raises(PbxRejectedError) as raised:
        await connect(USER).mailboxes()
    assert type(raised.value) is PbxRejectedError


async def test_unknown_errno_leads_to_one_login_in_ten_minutes(
    freezer: FrozenDateTimeFactory, connect: Connect, pbx: Simulator
) -> None:
    client = connect(USER)
    await client.mailboxes()

    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("query"):
            return web.json_response({"status": "Failed", "errno": "30001"})
        return None

    pbx.intercept = refuse
    for logins in (2, 2, 2):
        with pytest.raises(PbxRejectedError):
            await client.mailboxes()
        assert pbx.logins == logins
    freezer.tick(timedelta(minutes=10))
    with pytest.raises(PbxRejectedError):
        await client.mailboxes()
    assert pbx.logins == 3


@pytest.mark.parametrize("errno", [None, "20018"])
async def test_no_messages_with_an_invalid_token(
    connect: Connect, pbx: Simulator, errno: str | None
) -> None:
    client = connect(USER)
    await client.mailboxes()
    dead = client._api.token

    async def refuse(request: web.Request) -> web.Response | None:
        if request.query.get("token") == dead and "voicemail" in request.path:
            return web.json_response({"status": "Failed"} | ({"errno": errno} if errno else {}))
        return None

    pbx.revoke_tokens()
    pbx.intercept = refuse
    assert len(await client.mailboxes()) == 3


async def test_signs_out(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.close()
    await client.mailboxes()
    _requested(pbx)
    await client.close()
    await client.close()
    assert _requested(pbx) == ["v0.0.1/logout"]
    assert len(await client.mailboxes()) == 3


async def test_sign_out_fails(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER)
    await client.mailboxes()
    await pbx.stop()
    await client.close()


async def test_bare_token_is_not_signed_out(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    await client.mailboxes()
    await client.close()
    assert len(await client.mailboxes()) == 3


@pytest.mark.parametrize("credentials", [USER, BARE_TOKEN], ids=["user", "token"])
@pytest.mark.parametrize("other_version_reply", ["html", "10003", "30001"])
@pytest.mark.parametrize("version", API_VERSIONS, ids=lambda version: version.name)
async def test_finds_the_version(
    connect: Connect,
    pbx: Simulator,
    version: ApiVersion,
    other_version_reply: str,
    credentials: Credentials,
) -> None:
    pbx.version, pbx.other_version_reply = version.name, other_version_reply
    client = connect(credentials, version=None)
    assert len(await client.mailboxes()) == 3
    assert client._api.version is version
    assert pbx.logins == (1 if credentials is USER else 0)

    _requested(pbx)
    await client.mailboxes()
    assert _requested(pbx) == [f"{version.name}/voicemail/query"]


@pytest.mark.parametrize("credentials", [USER, BARE_TOKEN], ids=["user", "token"])
@pytest.mark.parametrize("other_version_reply", ["html", "10003"])
async def test_new_firmware_with_another_version(
    connect: Connect, pbx: Simulator, other_version_reply: str, credentials: Credentials
) -> None:
    pbx.other_version_reply = other_version_reply
    client = connect(credentials)
    before = await client.mailboxes()
    pbx.version = YEASTAR.name
    after = await client.mailboxes()

    assert client._api.version is YEASTAR
    assert before["101"].unread == 0
    assert after["101"].unread == 3
    assert [m.id for m in after["101"].messages] == [m.id for m in before["101"].messages]


async def test_finding_no_version_keeps_the_known_one(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    pbx.version = "v9"
    with pytest.raises(PbxReplyError):
        await client.mailboxes()
    pbx.version = OPENVOX.name
    assert await client.mailboxes()


@pytest.mark.parametrize(
    ("other_version_reply", "error"), [("html", PbxReplyError), ("10003", PbxUnsupportedError)]
)
async def test_no_version_at_all(
    connect: Connect, pbx: Simulator, other_version_reply: str, error: type[Exception]
) -> None:
    pbx.version, pbx.other_version_reply = "v9", other_version_reply
    with pytest.raises(error):
        await connect(USER, version=None).mailboxes()
    assert pbx.logins == 0


async def test_pbx_without_authentication(connect: Connect, pbx: Simulator) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success"})

    pbx.intercept = respond
    client = connect(BARE_TOKEN, version=None)
    assert await client.mailboxes() == {}
    assert client._api.version is OPENVOX


async def test_lock_out_does_not_determine_the_version(connect: Connect, pbx: Simulator) -> None:
    async def forbid(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if "v0.0.1" in request.path else None

    pbx.version = YEASTAR.name
    pbx.intercept = forbid
    client = connect(BARE_TOKEN, version=None)
    assert await client.mailboxes()
    assert client._api.version is YEASTAR


async def test_connection_errors_do_not_determine_the_version(
    connect: Connect, pbx: Simulator
) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://127.0.0.1:1/"})

    pbx.intercept = redirect
    with pytest.raises(PbxRedirectError):
        await connect(USER, version=None).mailboxes()
    await pbx.stop()
    with pytest.raises(PbxConnectionError):
        await connect(USER, version=None).mailboxes()


async def test_missing_extension_does_not_affect_others(connect: Connect, pbx: Simulator) -> None:
    client = connect(BARE_TOKEN)
    for _ in range(2):
        assert (await client.mailboxes(["101", "999"])).keys() == {"101"}
    assert _requested(pbx) == ["v0.0.1/voicemail/query"] * 3


async def test_refused_filter(connect: Connect, pbx: Simulator) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30001"})

    pbx.intercept = refuse
    with pytest.raises(PbxRejectedError):
        await connect(BARE_TOKEN).mailboxes(["101"])


async def test_reply_for_another_extension_is_ignored(connect: Connect, pbx: Simulator) -> None:
    async def respond_with_all(request: web.Request) -> web.Response:
        boxes: list[dict[str, Any]] = [
            {"extid": number, "voicemail": [{}]} for number in ("101", "102")
        ]
        return web.json_response({"status": "Success", "voicemails": boxes})

    pbx.intercept = respond_with_all
    assert (await connect(BARE_TOKEN).mailboxes(["101"])).keys() == {"101"}


REFUSALS = pytest.mark.parametrize(
    "refusals",
    [["20010"], ["30001"], ["30003"], [""], [403], [401], ["99999"], ["20010", "30001", "", 403]],
    ids=str,
)


class _Reboot:
    """Makes a PBX refuse all requests for a while, and then all tokens."""

    def __init__(self, pbx: Simulator, refusals: list[str | int]) -> None:
        self.logins = 0
        self._pbx = pbx
        self._refusals = cycle(refusals)

    async def __aenter__(self) -> Self:
        self._pbx.intercept = self._refuse
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pbx.intercept = None
        self._pbx.revoke_tokens()

    async def _refuse(self, request: web.Request) -> web.Response:
        self.logins += request.path.endswith("/login")
        return refuse(next(self._refusals))


@REFUSALS
@pytest.mark.parametrize("seconds", [12, 60, 200])
async def test_reboot(
    freezer: FrozenDateTimeFactory,
    connect: Connect,
    pbx: Simulator,
    refusals: list[str | int],
    seconds: int,
) -> None:
    """A password that has worked is used again, and works once the PBX has started."""
    client = connect(USER, has_worked=True)
    await client.mailboxes()
    async with _Reboot(pbx, refusals) as reboot:
        passed = 0.0
        while passed < seconds:
            with pytest.raises(PbxNotReadyError) as raised:
                await client.mailboxes()
            pause = raised.value.retry_after or 0
            assert 10 <= pause <= 30
            passed += pause
            freezer.tick(pause)
    assert reboot.logins < 3
    assert len(await client.mailboxes()) == 3
    assert "refusals" not in client.remember()


async def test_endless_reboot(
    freezer: FrozenDateTimeFactory, connect: Connect, pbx: Simulator
) -> None:
    """After three refused logins there are no more attempts, until the user acts."""
    client = connect(USER, has_worked=True)
    async with _Reboot(pbx, ["30003"]) as reboot:
        for _ in range(100):
            with pytest.raises(PbxRejectedError):
                await client.mailboxes()
            freezer.tick(30)
        with pytest.raises(PbxLoginError):
            await client.mailboxes()
    assert reboot.logins == 3
    with pytest.raises(PbxLoginError):
        await client.mailboxes()
    assert pbx.logins == 3


async def test_reboot_over_several_starts(
    freezer: FrozenDateTimeFactory, connect: Connect, pbx: Simulator
) -> None:
    refusals = ""
    async with _Reboot(pbx, ["30001"]) as reboot:
        for _ in range(8):
            client = connect(USER, has_worked=True, refusals=refusals)
            with pytest.raises(PbxNotReadyError):
                await client.mailboxes()
            refusals = client.remember()["refusals"]
            freezer.tick(10)
    assert reboot.logins == 2
    assert await connect(USER, has_worked=True, refusals=refusals).mailboxes()


async def test_clock_set_back_does_not_delay_logins(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER, has_worked=True, refusals=Refusals(1, time() + 1_000_000))
    async with _Reboot(pbx, ["30001"]) as reboot:
        with pytest.raises(PbxNotReadyError):
            await client.mailboxes()
    assert reboot.logins == 1


@pytest.mark.parametrize("errno", ["20003", "30003"])
async def test_changed_password(connect: Connect, pbx: Simulator, errno: str) -> None:
    """Other requests succeed, so the refusal is due to the password."""
    client = connect(USER, has_worked=True)
    await client.mailboxes()

    async def refuse_login(request: web.Request) -> web.Response | None:
        return refuse(errno) if request.path.endswith("/login") else None

    pbx.revoke_tokens()
    pbx.intercept = refuse_login
    for _ in range(5):
        with pytest.raises(PbxLoginError):
            await client.mailboxes()
    assert pbx.logins == 2


async def test_wrong_password_is_final(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER, has_worked=True)
    async with _Reboot(pbx, ["20003"]) as reboot:
        for _ in range(5):
            with pytest.raises(PbxLoginError):
                await client.mailboxes()
    assert reboot.logins == 1


async def test_lock_out_during_a_reboot(connect: Connect, pbx: Simulator) -> None:
    client = connect(USER, has_worked=True, refusals=Refusals(1, time()))
    async with _Reboot(pbx, ["20002"]) as reboot:
        with pytest.raises(PbxLockedError):
            await client.mailboxes()
    assert reboot.logins == 0


@pytest.mark.parametrize("credentials", [USER, BARE_TOKEN], ids=["user", "token"])
async def test_yeastar_that_accepts_any_version(
    connect: Connect, pbx: Simulator, credentials: Credentials
) -> None:
    pbx.version, pbx.quirks.accepts_any_version = YEASTAR.name, True
    client = connect(credentials, version=None)
    mailboxes = await client.mailboxes()
    assert client._api.version is YEASTAR
    assert mailboxes["101"].unread == 3
    _requested(pbx)
    await client.mailboxes()
    assert _requested(pbx) == ["v1.1.0/voicemail/query"]


async def test_chosen_version(connect: Connect, pbx: Simulator) -> None:
    pbx.version, pbx.quirks.accepts_any_version = YEASTAR.name, True
    client = connect(BARE_TOKEN, version=None, api=OPENVOX.name)
    await client.mailboxes()
    assert client._api.version is OPENVOX


async def test_read_state_in_openvox_version(connect: Connect, pbx: Simulator) -> None:
    async def respond(request: web.Request) -> web.Response | None:
        if "v0.0.1" not in request.path:
            return None
        box = {"extid": "101", "voicemail": [{"voicemailstatus": "unread"}]}
        return web.json_response({"status": "Success", "voicemails": [box]})

    pbx.intercept = respond
    client = connect(BARE_TOKEN)
    for _ in range(2):
        assert (await client.mailboxes()).keys() == {"101"}
        assert client._api.version is OPENVOX


async def test_tokens_that_expire_at_once(connect: Connect, pbx: Simulator) -> None:
    """A PBX that replies "nothing there" to each token, and refuses it in the next request."""

    async def drop_token(request: web.Request) -> web.Response | None:
        if request.path.endswith("voicemail/query"):
            pbx.revoke_tokens()
            return refuse("20018")
        return None

    client = connect(USER)
    pbx.intercept = drop_token
    with pytest.raises(PbxRejectedError):
        await client.mailboxes()
    assert pbx.logins <= 4


async def test_a_day_with_a_reboot_every_forty_minutes(connect: Connect, pbx: Simulator) -> None:
    now = start = pbx.clock()
    pbx.clock = lambda: now
    client = connect(USER)
    reboots = 0
    while now < start + timedelta(hours=24):
        if now - start >= (reboots + 1) * timedelta(minutes=40):
            pbx.revoke_tokens()
            reboots += 1
        assert len(await client.mailboxes()) == 3
        now += timedelta(minutes=2)
    assert reboots == 35
    assert pbx.logins == 1 + reboots
