"""A browser with the frontend of a real Home Assistant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page
from yarl import URL

from tests.demo.api_client import PASSWORD, USER, ApiClient
from tests.demo.hass_process import REPOSITORY, HassProcess
from tests.end_to_end import free_port

SCREENSHOTS = REPOSITORY / "screenshots"


@dataclass
class Visit:
    """A page in a browser, and a client for the same Home Assistant."""

    page: Page
    client: ApiClient
    url: URL
    errors: list[str]

    @property
    def card(self) -> Locator:
        return self.page.locator("pbx-voicemail-card")

    def row(self, caller: str) -> Locator:
        return self.card.get_by_role("listitem").filter(has_text=caller).first

    async def open(self, path: str = "", user: str = USER) -> None:
        """Open a page, and sign in if necessary."""
        await self.page.goto(f"{self.url}{path}")
        name = self.page.locator("input[name=username]")
        await name.or_(self.page.locator("home-assistant-main")).first.wait_for()
        if await name.is_visible():
            await name.fill(user)
            await self.page.locator("input[name=password]").fill(PASSWORD)
            await self.page.keyboard.press("Enter")
            await self.page.locator("home-assistant-main").wait_for()

    async def barriers(self) -> list[str]:
        """Return what keeps people from using the card, as axe sees it."""
        results = await Axe().run(self.page)
        return [
            f"{violation['id']}: {node['html']}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
            if "pbx-voicemail-card" in str(node["target"])
        ]

    async def screenshot(self, name: str) -> None:
        """Save a screenshot."""
        await asyncio.to_thread(SCREENSHOTS.mkdir, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    async def poll(self) -> None:
        """Poll the PBX now."""
        await self.client.post(
            "/api/services/homeassistant/update_entity", entity_id="sensor.uc501_messages"
        )


async def poll_often(client: ApiClient) -> None:
    """Poll the PBX as often as the options allow, every five seconds."""
    (entry,) = await client.get("/api/config/config_entries/entry?domain=pbx_voicemail")
    options = "/api/config/config_entries/options/flow"
    flow = await client.post(options, handler=entry["entry_id"])
    await client.post(f"{options}/{flow['flow_id']}", scan_interval=5, transcript_limit=20)


@asynccontextmanager
async def open_visit(
    browser: Browser, hass: HassProcess, client: ApiClient, **look: Any
) -> AsyncIterator[Visit]:
    """Open a page in a new browser context. There must be no errors in its console."""
    context = await browser.new_context(**look)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda line: (
            errors.append(line.text)
            if line.type == "error" and "Failed to load resource" not in line.text
            else None
        ),
    )
    try:
        yield Visit(page, client, hass.url, errors)
    except BaseException:
        await page.screenshot(path=SCREENSHOTS / "failed.png")
        raise
    finally:
        await context.close()
    assert errors == [], errors


@asynccontextmanager
async def run_hass(config: Path, **options: Any) -> AsyncIterator[tuple[HassProcess, ApiClient]]:
    """Run a Home Assistant in a folder, which need not exist, and sign in."""
    await asyncio.to_thread(SCREENSHOTS.mkdir, exist_ok=True)
    hass = HassProcess(config, free_port(), **options)
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            yield hass, client
        finally:
            await hass.stop()
