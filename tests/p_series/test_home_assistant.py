"""Home Assistant with a P-Series: messages at once, few requests, few tokens, no secrets."""

import asyncio
from datetime import UTC, datetime
import logging
from time import monotonic
from typing import Any

from aiohttp import web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from ..asterisk.home import SOON, Home
from ..conftest import FIXTURES
from ..helpers import call_action, get_message_from, get_state
from ..simulator import PSeriesSimulator
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET

RECORDING = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"


async def leave(
    pbx: PSeriesSimulator, extension: str, caller: str, received: datetime | None = None
) -> None:
    """Leave a message."""
    await asyncio.to_thread(
        pbx.spool.leave,
        extension,
        f'"Ann" <{caller}>',
        received=received or datetime.now(UTC),
        recording=RECORDING,
        duration=4,
    )


async def poll(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Poll, without waiting for the task that listens."""
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()


@pytest.mark.parametrize("as_text", [True, False])
async def test_message_runs_an_automation_at_once(
    hass: HomeAssistant,
    p_series: PSeriesSimulator,
    p_series_connected: MockConfigEntry,
    as_text: bool,
) -> None:
    """The event may come before the message, and one request is enough for it."""
    p_series.readings.event_as_text = as_text
    home = Home(hass, p_series_connected)
    await home.wait_until(lambda: home.is_push_up and p_series.listeners == 1)
    await home.start_automation("102")
    await asyncio.sleep(1.1)
    p_series.queries.clear()
    started = monotonic()
    await leave(p_series, "102", "6001")
    await p_series.report_call("Workshop<102>")
    await home.wait_for_callers("6001")
    took = monotonic() - started
    print(f"from stored to the automation: {1000 * took:.0f} ms")
    assert took < SOON
    assert {query["number"] for query in p_series.queries} == {"102"}
    await p_series.report_call("102", status="ANSWERED")
    await p_series.report_call("102")
    await asyncio.sleep(0.2)
    await leave(p_series, "102", "6002")
    await home.wait_for_callers("6001", "6002")


async def test_push_comes_back(
    hass: HomeAssistant, p_series: PSeriesSimulator, p_series_connected: MockConfigEntry
) -> None:
    """A message that came meanwhile is not missed."""
    home = Home(hass, p_series_connected)
    await home.wait_until(lambda: home.is_push_up and p_series.listeners == 1)
    await home.start_automation("102")
    await leave(p_series, "102", "6001")
    await p_series.drop_sockets()
    await home.wait_for_callers("6001")
    await home.wait_until(lambda: home.is_push_up and p_series.listeners == 1)
    assert p_series.logins == 1


async def test_main_job(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    p_series: PSeriesSimulator,
    p_series_connected: MockConfigEntry,
) -> None:
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "3"
    message = await get_message_from(hass, "7001")
    await call_action(hass, "mark_read", message_id=message["message_id"])
    await poll(hass, p_series_connected)
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "2"
    assert len(p_series.spool.messages("101", "Old")) == 1
    path = f"/api/{DOMAIN}/recording/{p_series_connected.entry_id}/101/{message['message_id']}"
    client = await hass_client()
    response = await client.get(path)
    assert response.status == 200
    assert (await response.read()).startswith(b"RIFF")
    assert p_series.copies == 1
    await call_action(hass, "delete_message", message_id=message["message_id"])
    await poll(hass, p_series_connected)
    assert get_state(hass, "sensor.reception_101_messages").state == "2"
    assert len(p_series.spool.messages("101")) == 2


async def test_blocked(
    hass: HomeAssistant, p_series: PSeriesSimulator, p_series_connected: MockConfigEntry
) -> None:
    """The issue says where to lift it; a reload tries at once."""
    p_series.blocked.add("127.0.0.1")
    await poll(hass, p_series_connected)
    assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
    issue_id = f"blocked_{p_series_connected.entry_id}"
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    sent = len(p_series.requests)
    for _ in range(3):
        await poll(hass, p_series_connected)
    assert len(p_series.requests) == sent
    p_series.blocked.clear()
    await hass.config_entries.async_reload(p_series_connected.entry_id)
    assert p_series_connected.state is ConfigEntryState.LOADED
    assert not ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


async def test_nothing_private_is_published(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    p_series: PSeriesSimulator,
    p_series_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor logged, not even for debugging; the number of requests is published."""
    caplog.set_level(logging.DEBUG)
    assert await hass.config_entries.async_setup(p_series_entry.entry_id)
    await hass.async_block_till_done()
    secrets = [CLIENT_ID, CLIENT_SECRET]

    async def note(request: web.Request) -> web.Response | None:
        if token := request.query.get("access_token"):
            secrets.append(token)
        return web.Response(status=500) if "vm/query" in request.path else None

    p_series.intercept = note
    await poll(hass, p_series_entry)
    p_series.intercept = None
    await poll(hass, p_series_entry)
    secrets.append(p_series_entry.data["tokens"]["refresh"])
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    client = await hass_client()
    url = f"/api/diagnostics/config_entry/{p_series_entry.entry_id}"
    data: dict[str, Any] = (await (await client.get(url)).json())["data"]
    assert data["pbx"]["family"] == "p_series"
    assert data["pbx"]["requests_of_last_poll"] == 1
    published = f"{data}"
    callers = ("6000", "7001", "Ann Müller", "@example.com", "15550100", "127.0.0.1")
    for private in (*secrets, *callers):
        assert private not in published
    for secret in secrets:
        assert secret not in caplog.text
    await hass.config_entries.async_unload(p_series_entry.entry_id)
