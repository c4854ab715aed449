"""Messages are read once somebody has listened to them, wherever that was."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError, Unauthorized
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from .engines import SttEngine, add_engine
from .helpers import call_action, get_message_from, get_state, leave_message, poll
from .simulator import Simulator
from .simulator.spool import INBOX, OLD
from .test_websocket_api import Card

UNREAD = "sensor.reception_101_unread_messages"
WAITING = "binary_sensor.reception_101_message_waiting"
MARK_ALL = "button.reception_101_mark_all_as_read"


async def _path(hass: HomeAssistant, entry: MockConfigEntry, caller: str = "7001") -> str:
    message = await get_message_from(hass, caller)
    return (
        f"/api/pbx_voicemail/recording/{entry.entry_id}"
        f"/{message['extension']}/{message['message_id']}"
    )


def _unread(hass: HomeAssistant) -> tuple[str, str, str]:
    hub = get_state(hass, "sensor.uc501_unread_messages")
    return get_state(hass, UNREAD).state, get_state(hass, WAITING).state, hub.state


async def _restart(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()


async def test_pbx_that_does_not_say_what_was_heard(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    assert _unread(hass) == ("3", "on", "7")
    client = await hass_client()
    assert (await client.get(await _path(hass, connected))).status == 200
    await hass.async_block_till_done(wait_background_tasks=True)
    assert _unread(hass) == ("2", "on", "6")
    assert (await get_message_from(hass, "7001"))["read"] is True

    await hass.services.async_call("button", "press", {"entity_id": MARK_ALL}, blocking=True)
    assert _unread(hass) == ("0", "off", "4")
    for _ in range(2):
        await poll(hass)
        assert _unread(hass) == ("0", "off", "4")
        await _restart(hass, connected)
        assert _unread(hass) == ("0", "off", "4")

    await leave_message(pbx, "101")
    await poll(hass)
    assert _unread(hass) == ("1", "on", "5")


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1000-1999"}])
async def test_listening_marks_a_message_once(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    headers: dict[str, str],
) -> None:
    client, path = await hass_client(), await _path(hass, connected)
    for _ in range(2):
        await (await client.get(path, headers=headers)).read()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert get_state(hass, UNREAD).state == "2"


async def test_what_is_not_listening(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    await add_engine(hass, SttEngine())
    client, path = await hass_client(), await _path(hass, connected)
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    assert (await client.head(path)).status == 200
    assert (await client.get(path, headers={"Range": "bytes=0-1"})).status == 206
    assert (await client.get(f"{path}0")).status == 404
    await call_action(hass, "transcribe_message", message_id=message_id)
    media = hass.config.media_dirs["local"]
    hass.config.allowlist_external_dirs.add(media)
    await call_action(
        hass, "save_recording", message_id=message_id, filename=f"{media}/message.wav"
    )
    await poll(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert _unread(hass) == ("3", "on", "7")


async def test_action(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]

    async def unread_callers() -> set[str]:
        answer = await call_action(hass, "get_messages", extension="101", unread=True)
        return {message["caller"] for message in answer["messages"]}

    everybody = await unread_callers()
    await call_action(hass, "mark_read", message_id=message_id)
    assert await unread_callers() == everybody - {"7001"}
    await call_action(hass, "mark_read", message_id=message_id, read=False)
    assert await unread_callers() == everybody
    await call_action(hass, "mark_read", extension="101", all=True)
    assert await unread_callers() == set()
    assert (await get_message_from(hass, "7001"))["read"] is True
    await call_action(hass, "mark_read", extension="101", all=True, read=False)
    assert await unread_callers() == everybody
    assert _unread(hass) == ("3", "on", "7")


async def test_action_needs_control(
    hass: HomeAssistant, connected: MockConfigEntry, restricted: MockUser
) -> None:
    """The user may hear 101, and control 102."""
    for data in (
        {"message_id": (await get_message_from(hass, "7001"))["message_id"]},
        {"extension": "101", "all": True},
        {"extension": "103", "all": True},
    ):
        with pytest.raises(Unauthorized):
            await call_action(hass, "mark_read", user=restricted, **data)
    await call_action(hass, "mark_read", user=restricted, extension="102", all=True)
    assert get_state(hass, "sensor.workshop_102_unread_messages").state == "0"
    assert _unread(hass) == ("3", "on", "5")


async def test_pbx_that_says_what_was_heard(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    pbx.version, pbx._folders = "v1.1.0", (INBOX, OLD)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, UNREAD).state == "3"

    await asyncio.to_thread(pbx.spool.move, "101", "msg0000")
    await poll(hass)
    assert get_state(hass, UNREAD).state == "2"
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    with pytest.raises(ServiceValidationError, match="unread"):
        await call_action(hass, "mark_read", message_id=message_id, read=False)

    await call_action(hass, "mark_read", extension="101", all=True)
    assert get_state(hass, UNREAD).state == "0"
    with pytest.raises(ServiceValidationError, match="unread"):
        await call_action(hass, "mark_read", extension="101", all=True, read=False)
    assert get_state(hass, UNREAD).state == "0"


async def test_deleted_message_takes_its_mark_along(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "mark_read", message_id=message_id)
    await hass.async_block_till_done()
    key = f"pbx_voicemail.{connected.entry_id}.read_marks"
    assert hass_storage[key]["data"] == {"marks": {"101": message_id}}
    await call_action(hass, "delete_message", message_id=message_id)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(connected.entry_id)
    assert hass_storage[key]["data"] == {"marks": {}}
    await hass.config_entries.async_remove(connected.entry_id)
    assert key not in hass_storage


async def test_open_card_follows(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    card = Card(await hass_ws_client())
    await card.subscribe()
    message = await get_message_from(hass, "7001")
    assert card.messages[message["media_content_id"]]["read"] is False
    await call_action(hass, "mark_read", message_id=message["message_id"])
    event = await card.receive()
    assert [one["message_id"] for one in event["messages"]] == [message["message_id"]]
    assert card.messages[message["media_content_id"]]["read"] is True
