"""Recordings and transcripts are deleted with their messages, and no earlier."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.engines import SttEngine, add_engine
from tests.helpers import call_action, get_message_from, poll
from tests.simulator import Simulator


@pytest.fixture
async def transcribed(hass: HomeAssistant, connected: MockConfigEntry) -> dict[str, Any]:
    """Create a transcript and a recording of a message."""
    await add_engine(hass, SttEngine())
    message = await get_message_from(hass, "7001")
    await call_action(hass, "transcribe_message", message_id=message["message_id"])
    return await get_message_from(hass, "7001")


async def _reply_without_messages(request: web.Request) -> web.Response | None:
    if request.path.endswith("voicemail/query"):
        return web.json_response({"status": "Success"})
    return None


def _recordings(hass: HomeAssistant, entry: MockConfigEntry) -> list[str]:
    folder = Path(hass.config.cache_path("pbx_voicemail", entry.entry_id))
    return [path.stem for path in folder.iterdir()]


async def test_one_reply_without_messages_deletes_nothing(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    transcribed: dict[str, Any],
) -> None:
    pbx.intercept = _reply_without_messages
    await poll(hass)
    assert (await call_action(hass, "get_messages"))["messages"] == []
    pbx.intercept = None
    await poll(hass)
    assert (await get_message_from(hass, "7001"))["transcript"] == transcribed["transcript"]
    pbx.requests.clear()
    await call_action(hass, "transcribe_message", message_id=transcribed["message_id"])
    assert pbx.requests == []


async def test_deleted_with_the_message(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    pbx: Simulator,
    connected: MockConfigEntry,
    transcribed: dict[str, Any],
) -> None:
    """For the last message of a mailbox, this takes two successful polls."""
    assert _recordings(hass, connected) == [transcribed["message_id"]]
    for _ in range(3):
        await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)
    # A failed poll does not count.
    await pbx.stop()
    freezer.tick(120)
    await poll(hass)
    await pbx.start()
    for _ in range(3):
        freezer.tick(120)
        await poll(hass)
    assert _recordings(hass, connected) == []
    assert connected.runtime_data.transcripts.extensions == {}


@pytest.mark.parametrize("at_restart", [False, True])
async def test_time_zone_of_the_pbx_is_changed(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    transcribed: dict[str, Any],
    at_restart: bool,
) -> None:
    """The message has a new id, but keeps its transcript and its recording."""
    if at_restart:
        await hass.config_entries.async_unload(connected.entry_id)
    pbx.zone = await dt_util.async_get_time_zone("Asia/Kathmandu") or dt_util.UTC
    if at_restart:
        await hass.config_entries.async_setup(connected.entry_id)
    await poll(hass)
    message = await get_message_from(hass, "7001")
    assert message["message_id"] != transcribed["message_id"]
    assert message["transcript"] == transcribed["transcript"]
    assert _recordings(hass, connected) == [message["message_id"]]
    pbx.requests.clear()
    await call_action(hass, "transcribe_message", message_id=message["message_id"])
    assert pbx.requests == []
