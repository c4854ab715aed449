"""What a P-Series refuses: for whoever asks, or only what was asked for."""

from collections.abc import Awaitable, Callable

from aiohttp import web
import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxClient,
    PbxLockedError,
    PbxLoginError,
    PbxNotReadyError,
)
from custom_components.pbx_voicemail.pbx.p_series import mailboxes
from tests.simulator import PSeriesSimulator


def _refuse(path: str, errcode: int) -> Callable[[web.Request], Awaitable[web.Response | None]]:
    async def refuse(request: web.Request) -> web.Response | None:
        if not request.path.endswith(path):
            return None
        return web.json_response({"errcode": errcode, "errmsg": "FAILURE"})

    return refuse


async def test_login_that_is_refused_in_mid_poll(
    pbx: PSeriesSimulator, client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mailbox is taken for one that does not exist."""
    monkeypatch.setattr(mailboxes, "_GROUP_SIZE", 10)
    await client.mailboxes()

    async def change_secret(request: web.Request) -> None:
        if request.path.endswith("vm/query"):
            pbx.client_secret = "changed"
            if len(pbx.queries) == 2:
                pbx.revoke_tokens()

    pbx.queries.clear()
    pbx.intercept = change_secret
    with pytest.raises(PbxLoginError):
        await client.mailboxes()
    assert not client.unreadable
    assert client.describe()["without_mailbox"] == 1
    assert pbx.logins == 2


async def test_groups_stay_while_their_list_is_refused(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    before = await client.extensions()
    assert before is not None
    assert "6400" in {extension.number for extension in before}
    pbx.intercept = _refuse("vm_group/list", -1)
    assert await client.extensions() == before
    pbx.intercept = _refuse("vm_group/list", 10001)
    after = await client.extensions()
    assert after == before[:-1]


async def test_address_that_is_blocked_in_mid_poll(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    pbx.intercept = _refuse("vm_group/list", 70004)
    with pytest.raises(PbxLockedError):
        await client.extensions()


async def test_pbx_without_a_free_token_says_nothing_about_itself(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    """Its serial number is not taken for missing."""
    pbx.max_tokens = 0
    with pytest.raises(PbxNotReadyError):
        await client.info()
