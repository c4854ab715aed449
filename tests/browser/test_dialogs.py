"""Dialogs as the frontend sends them, which is not always what they show or suggest."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, expect
import pytest

from tests.simulator import Certificate, Simulator

from .visit import open_visit, run_hass

FLOW = "/api/config/config_entries/flow"

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_reconfigure_without_opening_the_section(
    tmp_path: Path, browser: Browser, uc501: Simulator
) -> None:
    """It keeps the settings in there: a PBX that spoke TLS is not sent anything without it."""
    await uc501.stop()
    uc501.tls = await asyncio.to_thread(Certificate.make().context)
    await uc501.start()
    async with (
        run_hass(tmp_path) as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        flow = f"{FLOW}/{(await client.post(FLOW, handler='pbx_voicemail'))['flow_id']}"
        assert (await client.post(flow, host=uc501.address))["step_id"] == "certificate"
        await client.post(flow)
        done = await client.post(flow, username=uc501.username, password=uc501.password)
        assert done["type"] == "create_entry"
        await uc501.stop()
        uc501.tls = None
        await uc501.start()
        uc501.requests.clear()
        await visit.open("/config/integrations/integration/pbx_voicemail")
        row = visit.page.locator("ha-config-entry-row")
        await row.get_by_role("button", name="Menu").first.click()
        await visit.page.get_by_role("menuitem", name="Reconfigure").click()
        await visit.page.get_by_role("button", name="Submit").click()
        error = visit.page.get_by_text("Failed to establish a TLS connection")
        await expect(error).to_be_visible()
        await visit.screenshot("reconfigure-without-tls")
        assert uc501.requests == []
