"""Dashboards: a whole one, created by clicks alone, and one with several cards."""

from pathlib import Path

from playwright.async_api import Browser, expect
import pytest

from tests.conftest import TOKEN
from tests.demo.__main__ import connect, create_dashboard
from tests.simulator import Simulator, Spool

from .visit import open_visit, run_hass

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_dashboard_from_the_dialog(
    tmp_path: Path, browser: Browser, uc501: Simulator
) -> None:
    """It has the inbox, a section for each extension, and their history."""
    async with (
        run_hass(tmp_path) as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        await connect(client, uc501.address)
        await visit.open("/config/lovelace/dashboards")
        page = visit.page
        await page.get_by_role("button", name="Add dashboard").click()
        offer = page.get_by_role("button", name="Voicemail", exact=True)
        await offer.scroll_into_view_if_needed()
        await visit.screenshot("add-dashboard")
        await offer.click()
        await page.get_by_role("textbox", name="Title").fill("Messages")
        await page.get_by_role("button", name="Create", exact=True).click()
        # The dialog goes back in the history of the page when it closes.
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.get_by_role("link", name="Messages").click()
        await expect(visit.card.get_by_role("listitem").first).to_be_visible()
        headings = page.locator("hui-heading-card")
        await expect(headings).to_have_text(
            ["Extension 104", "Gate (103)", "Reception (101)", "Workshop (102)", "History"]
        )
        await expect(page.locator("hui-history-graph-card")).to_be_attached()
        await expect(page.locator("hui-error-card")).to_have_count(0)
        await visit.screenshot("dashboard")


async def test_outage_of_another_pbx(
    tmp_path: Path, browser: Browser, uc501: Simulator, mailboxes: Spool
) -> None:
    """A card for one PBX tells its number of messages while another one cannot be set up."""
    async with (
        run_hass(tmp_path / "home") as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        await connect(client, uc501.address)
        flows = "/api/config/config_entries/flow"
        async with Simulator(mailboxes, token=TOKEN, serial_number="another") as other:
            flow = await client.post(flows, handler="pbx_voicemail")
            added = await client.post(f"{flows}/{flow['flow_id']}", host=other.address, token=TOKEN)
        entry = added["result"]
        await client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload")
        hubs = [
            device["id"]
            for device in await client.command("config/device_registry/list")
            if device["model"] == "UC501" and entry["entry_id"] not in device["config_entries"]
        ]
        await client.command("lovelace/dashboards/create", url_path="one-pbx", title="One PBX")
        card = {"type": "custom:pbx-voicemail-card", "devices": hubs}
        await client.command(
            "lovelace/config/save", url_path="one-pbx", config={"views": [{"cards": [card]}]}
        )
        await visit.open("/one-pbx")
        await expect(visit.card.locator(".count")).to_have_text("Messages: 7")
        await expect(visit.card.get_by_text("unavailable")).to_have_count(0)


async def test_two_cards(tmp_path: Path, browser: Browser, uc501: Simulator) -> None:
    """Each has its own open row, and only offers to undo what was deleted in it."""
    async with (
        run_hass(tmp_path) as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        await connect(client, uc501.address)
        await create_dashboard(client)
        devices = {
            device["name"]: device["id"]
            for device in await client.command("config/device_registry/list")
        }
        cards = [
            {"type": "custom:pbx-voicemail-card", "title": name, "devices": [devices[name]]}
            for name in ("Reception (101)", "Workshop (102)")
        ]
        views = [{"type": "sections", "sections": [{"cards": [card]} for card in cards]}]
        await client.command(
            "lovelace/config/save", url_path="demo-voicemail", config={"views": views}
        )
        await visit.open("/demo-voicemail/0")
        reception, workshop = visit.card.nth(0), visit.card.nth(1)
        await expect(reception.get_by_role("listitem")).to_have_count(3)
        await expect(workshop.get_by_role("listitem")).to_have_count(2)
        await visit.row("Bob").locator(".opener").click()
        await visit.row("7001").get_by_role("button", name="Play").click()
        for caller in "Bob", "7001":
            await expect(visit.row(caller).get_by_role("slider")).to_be_visible()
        await reception.get_by_role("button", name="More options").click()
        await reception.get_by_role("button", name="Select messages").click()
        await reception.get_by_role("button", name="Select all").click()
        await reception.locator(".selection").get_by_role("button", name="Delete").click()
        await expect(reception.get_by_role("button", name="Undo")).to_be_visible()
        assert await workshop.get_by_role("button", name="Undo").count() == 0
        await expect(reception.get_by_role("listitem")).to_have_count(0, timeout=20_000)
        await expect(workshop.get_by_role("listitem")).to_have_count(2)
