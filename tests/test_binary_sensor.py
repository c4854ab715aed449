"""The message waiting binary sensor."""

import asyncio

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .helpers import get_state, leave_message, poll
from .simulator import Simulator, Spool

LAMP = "binary_sensor.reception_101_message_waiting"


async def test_on_while_there_are_messages(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    assert get_state(hass, LAMP).state == "on"
    assert get_state(hass, "binary_sensor.extension_104_message_waiting").state == "off"
    for _ in range(3):
        await asyncio.to_thread(pbx.spool.delete, "101", "msg0000")
    await poll(hass)
    assert get_state(hass, LAMP).state == "off"


async def test_on_while_there_are_unread_messages(
    hass: HomeAssistant, recorded: Spool, entry: MockConfigEntry, pbx: Simulator
) -> None:
    pbx.version = "v1.1.0"
    pbx._folders = ("INBOX", "Old")
    await hass.config_entries.async_setup(entry.entry_id)
    assert get_state(hass, LAMP).state == "on"

    for _ in range(3):
        await asyncio.to_thread(recorded.move, "101", "msg0000")
    await poll(hass)
    assert get_state(hass, LAMP).state == "off"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "0"

    await leave_message(pbx, "101")
    await poll(hass)
    assert get_state(hass, LAMP).state == "on"
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "1"
