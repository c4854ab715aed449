"""From version 0.1.0 to this one, and back, in a real Home Assistant that goes on with its files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import shutil
from typing import Any, Final
from zipfile import ZipFile

import pytest

from tests.conftest import FIXTURES, INTEGRATION, PASSWORD
from tests.demo.__main__ import connect
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import HassProcess
from tests.helpers import leave_message
from tests.simulator import Simulator, Spool
from tests.simulator.__main__ import EXTENSIONS

from . import MESSAGES, expect_messages, free_port
from .test_announcements import FLOW, add_automation, heard

OLD: Final = FIXTURES / "pbx_voicemail-0.1.0.zip"
ENTRIES: Final = "/api/config/config_entries/entry?domain=pbx_voicemail"
OPTIONS: Final = "/api/config/config_entries/options/flow"


pytestmark = pytest.mark.skipif(
    "HASS" in os.environ,
    reason="what we store does not depend on the version of Home Assistant: scripts/test runs it",
)


@pytest.fixture
async def pbx(socket_enabled: None, recorded: Spool) -> AsyncIterator[Simulator]:
    """Run a PBX in the time zone of the real Home Assistant."""
    async with Simulator(recorded, extensions=EXTENSIONS, names=True) as simulator:
        yield simulator


@asynccontextmanager
async def _home(config: Path, *, is_old: bool) -> AsyncIterator[ApiClient]:
    """Run Home Assistant with one of the versions."""
    components = config.with_name("components")
    shutil.rmtree(components, ignore_errors=True)
    components.mkdir()
    (components / "parrot").symlink_to(Path(__file__).with_name("parrot"))
    if is_old:
        with ZipFile(OLD) as archive:
            archive.extractall(components / INTEGRATION.name)
    else:
        (components / INTEGRATION.name).symlink_to(INTEGRATION)
    hass = HassProcess(config, free_port(), components, "parrot:\n")
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            yield client
        finally:
            await hass.stop()


async def _set_options(client: ApiClient) -> None:
    """Poll often, and transcribe new messages."""
    (entry,) = await client.get(ENTRIES)
    flow = await client.post(OPTIONS, handler=entry["entry_id"])
    answers = {"scan_interval": 5, "transcript_limit": 20, "transcriber": "stt.parrot"}
    done = await client.post(f"{OPTIONS}/{flow['flow_id']}", **answers)
    assert done["type"] == "create_entry"
    # Returns after the reload that new options cause.
    await client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload")


async def _messages(client: ApiClient) -> dict[str, dict[str, Any]]:
    """Return all messages by their ids."""
    path = "/api/services/pbx_voicemail/get_messages?return_response"
    response = (await client.post(path))["service_response"]
    return {message["message_id"]: message for message in response["messages"]}


def _column(messages: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    return {name: message[key] for name, message in messages.items()}


async def _resources(client: ApiClient) -> dict[str, str]:
    """Return the resources of dashboards: the URLs by their ids."""
    resources = await client.command("lovelace/resources")
    return {resource["id"]: resource["url"] for resource in resources}


def _entry(config: Path) -> dict[str, Any]:
    entries = json.loads((config / ".storage" / "core.config_entries").read_text())
    (entry,) = [entry for entry in entries["data"]["entries"] if entry["domain"] == "pbx_voicemail"]
    return dict(entry)


async def test_upgrade_and_downgrade(tmp_path: Path, pbx: Simulator) -> None:
    config = tmp_path / "config"
    async with _home(config, is_old=True) as client:
        await connect(client, pbx.address)
        await _set_options(client)
        await add_automation(client)
        await leave_message(pbx, "101", "1")
        await heard(client, "1 False")
        await client.command(
            "config/entity_registry/update",
            entity_id="sensor.workshop_102_messages",
            new_entity_id="sensor.workshop",
        )
        before, resources = await _messages(client), await _resources(client)
    assert sorted(_column(before, "transcript").values(), key=str) == ["Call me back.", *7 * [None]]
    old_entry = _entry(config)
    assert (old_entry["version"], old_entry["minor_version"]) == (1, 1)

    await leave_message(pbx, "101", "2")
    async with _home(config, is_old=False) as client:
        # It is announced once, and nothing that had been announced is again.
        await heard(client, "2 True")
        after = await _messages(client)
        assert len(after) == 9
        for key in "media_content_id", "transcript":
            assert _column(before, key).items() <= _column(after, key).items()
        assert (await client.get(MESSAGES))["state"] == "5"
        assert (await client.get("/api/states/sensor.workshop"))["state"] == "2"
        # The resource is the same, and leads to the new card.
        now = await _resources(client)
        assert now.keys() == resources.keys()
        assert sorted(now.values()) != sorted(resources.values())
        assert len(now) == 2
    new_entry = _entry(config)
    assert (new_entry["version"], new_entry["minor_version"]) == (1, 2)
    assert new_entry["options"] == old_entry["options"]
    assert _complaints(config) == []

    await leave_message(pbx, "101", "3")
    async with _home(config, is_old=True) as client:
        # It does not find the credentials, and asks for them.
        (entry,) = await client.get(ENTRIES)
        assert entry["state"] == "setup_error"
        (flow,) = await client.command("config_entries/flow/progress")
        await client.post(f"{FLOW}/{flow['flow_id']}")
        done = await client.post(f"{FLOW}/{flow['flow_id']}", username="api", password=PASSWORD)
        assert done["reason"] == "reauth_successful"
        # It cannot read what was kept for messages: all of them have new ids, and none a transcript.
        await expect_messages(client, "6")
        downgraded = await _messages(client)
        assert len(downgraded) == 10
        assert downgraded.keys().isdisjoint(after)
        assert not any(_column(downgraded, "transcript").values())
        assert (await client.get("/api/states/sensor.workshop"))["state"] == "2"
        await leave_message(pbx, "101", "4")
        await heard(client, "4 False")

    await leave_message(pbx, "101", "5")
    async with _home(config, is_old=False) as client:
        await heard(client, "5 True")
        assert (await _messages(client)).keys() > downgraded.keys()
        assert await client.command("config_entries/flow/progress") == []
    assert _complaints(config) == []


def _complaints(config: Path) -> list[str]:
    """Return the lines of the log that are about the integration."""
    log = (config / "home-assistant.log").read_text()
    lines = [line for line in log.splitlines() if "WARNING" in line or "ERROR" in line]
    untested = "not been tested by Home Assistant"
    return [line for line in lines if "pbx_voicemail" in line and untested not in line]
