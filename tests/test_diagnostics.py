"""Diagnostics, and that neither they nor logs and states contain secrets."""

from datetime import timedelta
import logging
from threading import Thread, current_thread
from typing import Any

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.helpers.json import json_dumps
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import PASSWORD, PASSWORD_MD5, TOKEN
from .faults import FAULTS
from .helpers import poll, serve_many_messages
from .simulator import Simulator

CALLERS = ("6000", "7001", "8001", "13800138000", "+4930123456", "anonymous")
NAMES = ("Ann Müller", "张伟", "Bob", "alert", "Gate")
SECRETS = (TOKEN, PASSWORD_MD5, f'"{PASSWORD}"')


async def _diagnostics(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> dict[str, Any]:
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    client = await hass_client()
    response = await client.get(f"/api/diagnostics/config_entry/{entry.entry_id}")
    assert response.status == 200
    data: dict[str, Any] = (await response.json())["data"]
    return data


async def test_diagnostics(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    snapshot: SnapshotAssertion,
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30003"})

    async def refuse_oddly(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "6000 called"})

    for pbx.intercept in (refuse, refuse_oddly, None):
        await poll(hass)
    data = await _diagnostics(hass, hass_client, connected)
    assert all(0 <= poll.pop("seconds") < 30 for poll in data["last_polls"])
    assert data == snapshot


@pytest.mark.usefixtures("announced_at_once")
async def test_thousands_of_messages(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    unpacked_in: list[Thread],
) -> None:
    serve_many_messages(pbx, 2000)
    await poll(hass)
    unpacked_in.clear()
    data = await _diagnostics(hass, hass_client, connected)
    assert data["counts"]["messages"] == [2000]
    assert unpacked_in
    assert current_thread() not in unpacked_in


@pytest.mark.parametrize("with_user", [True, False])
async def test_no_secret_is_published(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    with_user: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    if with_user:
        login = {"username": "api", "secret": PASSWORD_MD5}
        hass.config_entries.async_update_entry(entry, data={**entry.data, "credentials": login})
    pbx.clock_error = timedelta(minutes=37)
    await hass.config_entries.async_setup(entry.entry_id)
    for fault in FAULTS:
        if fault.is_temporary:
            async with fault.inject(pbx):
                await poll(hass)
            await poll(hass)
    issues = str([i for (domain, _), i in ir.async_get(hass).issues.items() if domain == DOMAIN])
    assert "wrong_clock" in issues
    diagnostics = json_dumps(await _diagnostics(hass, hass_client, entry))
    log = "\n".join(
        f"{record.getMessage()} {record.exc_text or ''}"
        for record in caplog.records
        if record.name.startswith(("custom_components", "homeassistant.config_entries"))
    )
    devices = str(dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id))
    entities = str(er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id))

    for canary in SECRETS:
        assert canary not in caplog.text
    for place in (diagnostics, issues, devices, entities):
        for canary in SECRETS:
            assert canary not in place
    for place in (diagnostics, issues, log):
        for canary in (*CALLERS, *NAMES):
            assert canary not in place
    for place in (diagnostics, issues):
        assert "127.0.0.1" not in place
    # Log levels that a user may have enabled for a report, except debug.
    lines = [
        record.getMessage()
        for record in caplog.records
        # On a busy machine, it logs slow tasks.
        if record.levelno > logging.DEBUG and record.name != "asyncio"
    ]
    ours = [text for text in lines if "pbx_voicemail" in text]
    assert ours
    assert not [text for text in ours if "127.0.0.1" in text]


async def test_diagnostics_of_an_entry_that_is_not_loaded(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    pbx: Simulator,
    entry: MockConfigEntry,
) -> None:
    await pbx.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    diagnostics = await _diagnostics(hass, hass_client, entry)
    assert diagnostics["state"] == "setup_retry"
    # The oldest supported Home Assistant does not have the reason.
    assert diagnostics["reason"] in ("cannot_connect", None)
    assert "127.0.0.1" not in str(diagnostics)
    assert TOKEN not in str(diagnostics)
