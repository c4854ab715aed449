"""What an automation hears in a real Home Assistant that is stopped, and killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import signal
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import HassProcess
from tests.helpers import leave_message
from tests.simulator import Simulator

from . import expect_messages, free_port, wait_for_automation

FLOW = "/api/config/config_entries/flow"

# Writes down each announcement where a kill does not reach it: in the event's own state.
AUTOMATION = {
    "alias": "Note",
    "mode": "queued",
    "max": 100,
    "triggers": [
        {
            "trigger": "event.received",
            "target": {"entity_id": "event.reception_101_new_message"},
            "options": {"event_type": ["received"]},
        }
    ],
    "actions": [
        {
            "action": "persistent_notification.create",
            "data": {
                "notification_id": "{{ trigger.to_state.attributes.message_id }}",
                "title": "{{ trigger.to_state.attributes.while_away }}",
                "message": "{{ trigger.to_state.attributes.caller }}",
            },
        }
    ],
}

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def _home(config: Path, how_it_ends: signal.Signals) -> AsyncIterator[ApiClient]:
    hass = HassProcess(config, free_port())
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            yield client
            os.kill(hass.pid, how_it_ends)
            await hass.wait()
        finally:
            await hass.stop()


async def add_automation(client: ApiClient) -> None:
    """Add the automation, and wait until it listens."""
    await client.post("/api/config/automation/config/note", **AUTOMATION)
    await wait_for_automation(client)


async def heard(client: ApiClient, *callers: str) -> None:
    """Wait until these, and no others, have been announced since the start."""
    notes: list[dict[str, Any]] = []
    async with asyncio.timeout(40):
        while len(notes) < len(callers):
            await asyncio.sleep(0.2)
            notes = await client.command("persistent_notification/get")
            notes = [note for note in notes if note["title"] in ("True", "False")]
    assert sorted(f"{note['message']} {note['title']}" for note in notes) == sorted(callers)


async def test_each_message_is_announced_once(tmp_path: Path, pbx: Simulator) -> None:
    async with _home(tmp_path, signal.SIGTERM) as client:
        form = await client.post(FLOW, handler="pbx_voicemail")
        await client.post(f"{FLOW}/{form['flow_id']}", host=pbx.address)
        await client.post(f"{FLOW}/{form['flow_id']}", username="api", password=PASSWORD)
        await add_automation(client)
        await leave_message(pbx, "101", "1")
        await expect_messages(client, "4")
        await heard(client, "1 False")

    await leave_message(pbx, "101", "2")
    await asyncio.to_thread(pbx.spool.delete, "101", "msg0001")
    async with _home(tmp_path, signal.SIGKILL) as client:
        await heard(client, "2 True")
        await leave_message(pbx, "101", "3")
        await expect_messages(client, "5")
        await heard(client, "2 True", "3 False")
        await asyncio.sleep(1)

    async with _home(tmp_path, signal.SIGKILL) as client:
        await leave_message(pbx, "101", "4")
        await expect_messages(client, "6")
        await heard(client, "4 False")

    (latest,) = (tmp_path / ".storage").glob("pbx_voicemail.*.latest")
    journal = json.loads(latest.with_suffix("").read_text())
    ids = {*journal["data"]["announced"]["101"].split(), *json.loads(latest.read_text())["data"]}
    # Six, and the one that is gone: Home Assistant was killed before that was saved.
    assert len(ids) == 7
