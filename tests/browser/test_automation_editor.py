"""Create automations in the automation editor, by clicks alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Browser, Locator, expect
import pytest

from tests.demo.__main__ import connect
from tests.demo.api_client import ApiClient
from tests.end_to_end import wait_for_automation
from tests.helpers import leave_message
from tests.simulator import Simulator

from .visit import Visit, open_visit, run_hass

TRIGGER = "Voicemail message received"
CONDITION = "Voicemail message is waiting"
COUNTER = """
counter:
  runs:
    name: Runs
"""
SCREEN = {"width": 1280, "height": 900}

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Editor:
    """The automation editor, with a count of the clicks."""

    def __init__(self, visit: Visit) -> None:
        self._page = visit.page
        self.clicks = 0

    async def _click(self, target: Locator) -> None:
        self.clicks += 1
        await target.click()

    async def press(self, button: str, within: str = "ha-automation-editor") -> None:
        """Click a button of the editor, or of a dialog."""
        part = self._page.locator(within)
        await self._click(part.get_by_role("button", name=button, exact=True))

    async def choose(self, target: str) -> None:
        """Click an area, a device or a group of those in the list of targets."""
        await self._click(self._page.get_by_role("treeitem", name=target, exact=True))

    async def take(self, offered: str) -> None:
        """Click a trigger, condition or action that is offered for the target."""
        await self._click(self._page.get_by_text(offered).first)

    async def wait_until_saved(self) -> None:
        """Wait until there is nothing left to save. The button then leaves the screen."""
        editor = self._page.locator("ha-automation-editor")
        save = editor.get_by_role("button", name="Save", exact=True)
        await expect(save).not_to_be_in_viewport()


async def _wait_for_runs(client: ApiClient, runs: int) -> None:
    async with asyncio.timeout(20):
        while await _runs(client) < runs:
            await asyncio.sleep(0.1)
    assert await _runs(client) == runs


async def _runs(client: ApiClient) -> int:
    return int((await client.get("/api/states/counter.runs"))["state"])


async def _leave(client: ApiClient, pbx: Simulator, extension: str, messages: int = 1) -> None:
    """Leave messages, and wait until the latest one is announced."""
    now = datetime.now(UTC)
    callers = [f"{now.timestamp():.6f}-{number}" for number in range(messages)]
    for number, caller in enumerate(callers):
        await leave_message(pbx, extension, caller, received=now + timedelta(seconds=number))
    await client.post(
        "/api/services/homeassistant/update_entity", entity_id="sensor.uc501_messages"
    )
    async with asyncio.timeout(20):
        while callers[-1] not in [
            state["attributes"].get("caller")
            for state in await client.get("/api/states")
            if state["entity_id"].startswith("event.")
        ]:
            await asyncio.sleep(0.1)


async def test_trigger_and_condition_in_five_clicks_each(
    tmp_path: Path, browser: Browser, uc501: Simulator
) -> None:
    """Add them to an automation that has an action. It still works after a restart."""
    async with run_hass(tmp_path / "home", configuration=COUNTER) as (hass, client):
        await connect(client, uc501.address)
        await client.post(
            "/api/config/automation/config/count",
            alias="Count messages",
            triggers=[],
            actions=[{"action": "counter.increment", "target": {"entity_id": "counter.runs"}}],
            mode="queued",
        )
        loaded = await wait_for_automation(client)
        async with open_visit(browser, hass, client, viewport=SCREEN) as visit:
            await visit.open("/config/automation/edit/count")
            editor = Editor(visit)
            await editor.press("Add trigger")
            await editor.choose("Devices")
            await editor.choose("Reception (101)")
            await visit.screenshot("trigger-offered")
            await editor.take(TRIGGER)
            await expect(visit.page.get_by_text("Unknown callers")).to_be_visible()
            await visit.screenshot("trigger")
            await editor.press("Save")
            await editor.wait_until_saved()
            assert editor.clicks == 5
            loaded = await wait_for_automation(client, loaded)
            await _leave(client, uc501, "101", messages=3)
            await _leave(client, uc501, "102")
            await _wait_for_runs(client, 3)

            editor = Editor(visit)
            await editor.press("Add condition")
            await editor.choose("Devices")
            await editor.choose("Extension 104")
            await editor.take(CONDITION)
            await expect(visit.page.get_by_text("For at least")).to_be_visible()
            await visit.screenshot("condition")
            await editor.press("Save")
            await editor.wait_until_saved()
            assert editor.clicks == 5
            await wait_for_automation(client, loaded)
            await _leave(client, uc501, "101")
            assert await _runs(client) == 3
            await _leave(client, uc501, "104")
            await _leave(client, uc501, "101")
            await _wait_for_runs(client, 4)

    async with run_hass(tmp_path / "home", configuration=COUNTER) as (hass, client):
        await _wait_for_runs(client, 4)
        await _leave(client, uc501, "101")
        await _wait_for_runs(client, 5)


async def test_new_automation(tmp_path: Path, browser: Browser, uc501: Simulator) -> None:
    """Create one with an action, for an extension and a counter in the same area."""
    async with run_hass(tmp_path / "home", configuration=COUNTER) as (hass, client):
        await connect(client, uc501.address)
        devices = await client.command("config/device_registry/list")
        (reception,) = [device["id"] for device in devices if device["name"] == "Reception (101)"]
        for registry, item in (
            ("device", {"device_id": reception}),
            ("entity", {"entity_id": "counter.runs"}),
        ):
            await client.command(f"config/{registry}_registry/update", area_id="kitchen", **item)
        async with open_visit(browser, hass, client, viewport=SCREEN) as visit:
            await visit.open("/config/automation/edit/new")
            editor = Editor(visit)
            await editor.press("Add trigger")
            await editor.choose("Kitchen")
            await editor.take(TRIGGER)
            await editor.press("Add action")
            await editor.choose("Kitchen")
            await editor.take("Increment counter")
            await visit.screenshot("automation")
            await editor.press("Save")
            await editor.press("Save", within="ha-dialog-automation-save")
            await editor.wait_until_saved()
            assert editor.clicks == 8
            await visit.screenshot("saved")
            await wait_for_automation(client)
            await _leave(client, uc501, "101")
            await _leave(client, uc501, "102")
            await _wait_for_runs(client, 1)
