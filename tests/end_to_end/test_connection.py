"""Every dialog, as the frontend drives it: over REST, in a real Home Assistant process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import PASSWORD, PASSWORD_MD5, TOKEN
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import HassProcess
from tests.faults import FAULTS, SlowFault, TlsOnly
from tests.simulator import Simulator, Spool

from . import expect_messages, free_port

FLOW = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"
ENTRY = "/api/config/config_entries/entry"

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def _home(config: Path) -> AsyncIterator[ApiClient]:
    hass = HassProcess(config, free_port())
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            yield client
        finally:
            await hass.stop()


async def _entry(client: ApiClient) -> dict[str, Any]:
    (entry,) = await client.get(f"{ENTRY}?domain=pbx_voicemail")
    return dict(entry)


async def _begin(client: ApiClient) -> str:
    form = await client.post(FLOW, handler="pbx_voicemail")
    assert form["step_id"] == "user"
    return f"{FLOW}/{form['flow_id']}"


async def _reauth(client: ApiClient) -> dict[str, Any]:
    (flow,) = [
        flow
        for flow in await client.command("config_entries/flow/progress")
        if flow["handler"] == "pbx_voicemail"
    ]
    assert flow["context"]["source"] == "reauth"
    return dict(await client.get(f"{FLOW}/{flow['flow_id']}"))


async def test_dialogs(tmp_path: Path, pbx: Simulator, recorded: Spool) -> None:
    pbx.zone = UTC
    async with _home(tmp_path) as client:
        await _connect_after_every_error(client, pbx)
        await _connect_the_same_pbx_twice(client, pbx)
        await _give_up_the_token_for_the_api_user(client, pbx)
        entry_id = (await _entry(client))["entry_id"]
        await _reconfigure(client, entry_id, pbx, recorded)
        await _change_options(client, entry_id)
        await _mend_the_time_zone(client, entry_id, pbx)
        diagnostics = await client.get(f"/api/diagnostics/config_entry/{entry_id}")
        text = json.dumps(diagnostics["data"])
        assert not [secret for secret in (TOKEN, PASSWORD_MD5, "127.0.0.1") if secret in text]

        await client.delete(f"{ENTRY}/{entry_id}")
        assert pbx.requests[-1].endswith("logout")


async def _connect_after_every_error(client: ApiClient, pbx: Simulator) -> None:
    flow = await _begin(client)
    for fault in FAULTS:
        if not isinstance(fault, SlowFault | TlsOnly):
            async with fault.inject(pbx):
                form = await client.post(flow, host=pbx.address, token=TOKEN)
                assert form["errors"] == {"base": fault.kind}, fault.name
    form = await client.post(flow, host="two words", token=TOKEN)
    assert form["errors"] == {"host": "invalid_host"}
    form = await client.post(flow, host=f"https://{pbx.address}", token=TOKEN)
    assert form["errors"] == {"base": "ssl_error"}
    created = await client.post(flow, host=pbx.address, token=TOKEN)
    assert created["type"] == "create_entry"
    await expect_messages(client, "3")


async def _connect_the_same_pbx_twice(client: ApiClient, pbx: Simulator) -> None:
    flow = await _begin(client)
    form = await client.post(flow, host=pbx.address)
    assert form["step_id"] == "login"
    form = await client.post(flow, username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    aborted = await client.post(flow, username="api", password=PASSWORD)
    assert aborted["reason"] == "already_configured"


async def _give_up_the_token_for_the_api_user(client: ApiClient, pbx: Simulator) -> None:
    pbx.revoke_tokens()
    await expect_messages(client, "unavailable")
    form = await _reauth(client)
    assert form["step_id"] == "reauth_confirm"
    flow = f"{FLOW}/{form['flow_id']}"
    form = await client.post(flow, token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    form = await client.post(flow, token="")
    assert form["step_id"] == "login"
    form = await client.post(flow, username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    done = await client.post(flow, username="api", password=PASSWORD)
    assert done["reason"] == "reauth_successful"
    await expect_messages(client, "3")


async def _reconfigure(client: ApiClient, entry_id: str, pbx: Simulator, recorded: Spool) -> None:
    async def move(host: str) -> str:
        form = await client.post(FLOW, handler="pbx_voicemail", entry_id=entry_id)
        assert form["step_id"] == "reconfigure"
        done = await client.post(f"{FLOW}/{form['flow_id']}", host=host)
        await expect_messages(client, "3")
        return str(done["reason"])

    async with Simulator(recorded, serial_number="another", version="v1.1.0") as another:
        assert await move(another.address) == "wrong_pbx"
    async with Simulator(recorded, extensions=pbx.extensions, version="v1.1.0") as moved:
        assert await move(moved.address) == "reconfigure_successful"
        assert await move(pbx.address) == "reconfigure_successful"


async def _change_options(client: ApiClient, entry_id: str) -> None:
    form = await client.post(OPTIONS, handler=entry_id)
    flow = f"{OPTIONS}/{form['flow_id']}"
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await client.post(flow, scan_interval=2000)
    await client.post(flow, scan_interval=60, extensions=["101"])
    await _expect_devices(client, {"UC501", "Reception (101)"})
    form = await client.post(OPTIONS, handler=entry_id)
    await client.post(f"{OPTIONS}/{form['flow_id']}", scan_interval=30, extensions=[])
    others = {"Workshop (102)", "Extension 103", "Extension 104"}
    await _expect_devices(client, {"UC501", "Reception (101)", *others})


async def _mend_the_time_zone(client: ApiClient, entry_id: str, pbx: Simulator) -> None:
    pbx.clock_error = timedelta(hours=8)
    await client.post(f"{ENTRY}/{entry_id}/reload")
    issue = {"handler": "pbx_voicemail", "issue_id": f"wrong_time_zone_{entry_id}"}
    form = await client.post("/api/repairs/issues/fix", **issue)
    fix = f"/api/repairs/issues/fix/{form['flow_id']}"
    done = await client.post(fix, time_zone="Asia/Shanghai")
    assert done["type"] == "create_entry"
    await expect_messages(client, "3")


async def test_wrong_password_outlives_a_restart(tmp_path: Path, pbx: Simulator) -> None:
    async with _home(tmp_path) as client:
        flow = await _begin(client)
        await client.post(flow, host=pbx.address)
        await client.post(flow, username="api", password=PASSWORD)
        await expect_messages(client, "3")
    pbx.password = "changed"
    pbx.revoke_tokens()
    logins = pbx.logins
    for _ in range(2):
        async with _home(tmp_path) as client:
            assert (await _entry(client))["state"] == "setup_error"
            assert pbx.logins == logins + 1
            form = await _reauth(client)
    # The last of them gets an answer.
    async with _home(tmp_path) as client:
        form = await _reauth(client)
        assert form["step_id"] == "login"
        flow = f"{FLOW}/{form['flow_id']}"
        done = await client.post(flow, username="api", password="changed")
        assert done["reason"] == "reauth_successful"
        await expect_messages(client, "3")


async def _expect_devices(client: ApiClient, names: set[str]) -> None:
    async with asyncio.timeout(10):
        while await _devices(client) != names:
            await asyncio.sleep(0.1)


async def _devices(client: ApiClient) -> set[str]:
    entry_id = (await _entry(client))["entry_id"]
    devices = await client.command("config/device_registry/list")
    return {device["name"] for device in devices if entry_id in device["config_entries"]}
