"""The blueprint that sends reminders until messages are heard."""

import asyncio
from datetime import timedelta

from homeassistant.core import CoreState, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.helpers import call_action, leave_message, poll
from tests.simulator import Simulator

from .harness import INDICATOR, MARK_ALL, Harness

LAMP = "binary_sensor.lamp"
INTERVAL = {"minutes": 10}


async def _use(harness: Harness, lamp: str = LAMP) -> None:
    reminder = [{"action": "test.remind"}]
    await harness.use_blueprint("remind", lamp=lamp, interval=INTERVAL, times=3, reminder=reminder)


async def _ten_minutes(harness: Harness, reminded: list[ServiceCall]) -> int:
    """Pass the time between two reminders, and return the number of reminders so far."""
    async_fire_time_changed(harness.hass, dt_util.utcnow() + timedelta(minutes=10, seconds=1))
    await harness.run_pending()
    return len(reminded)


async def test_remind(harness: Harness) -> None:
    hass = harness.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, "off")
    await _use(harness)
    hass.states.async_set(LAMP, "on")
    await hass.async_block_till_done()
    assert reminded == []
    assert [await _ten_minutes(harness, reminded) for _ in range(5)] == [1, 2, 3, 3, 3]

    hass.states.async_set(LAMP, "off")
    hass.states.async_set(LAMP, "on")
    assert await _ten_minutes(harness, reminded) == 4
    hass.states.async_set(LAMP, "off")
    assert await _ten_minutes(harness, reminded) == 4
    await harness.turn_off()


async def test_pbx_that_does_not_say_what_was_heard(
    harness: Harness, pbx: Simulator, hass_client: ClientSessionGenerator
) -> None:
    """The reminders stop when all messages have been played or marked as read."""
    hass = harness.hass
    reminded = async_mock_service(hass, "test", "remind")
    await _use(harness, INDICATOR)
    for caller in "1", "2":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    first, second = (await call_action(hass, "get_messages", extension="104"))["messages"]
    assert await _ten_minutes(harness, reminded) == 1
    client = await hass_client()
    await harness.hear(client, first)
    assert await _ten_minutes(harness, reminded) == 2
    await harness.hear(client, second)
    assert [await _ten_minutes(harness, reminded) for _ in range(2)] == [2, 2]

    await leave_message(pbx, "104", "3")
    await poll(hass)
    assert await _ten_minutes(harness, reminded) == 3
    await hass.services.async_call("button", "press", {"entity_id": MARK_ALL}, blocking=True)
    await harness.run_pending()
    assert [await _ten_minutes(harness, reminded) for _ in range(2)] == [3, 3]
    await harness.turn_off()


async def test_new_message_after_the_first_was_heard(harness: Harness) -> None:
    """There are reminders for the new message, as for the first one."""
    hass = harness.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, "off")
    await _use(harness)
    hass.states.async_set(LAMP, "on")
    assert await _ten_minutes(harness, reminded) == 1
    hass.states.async_set(LAMP, "off")
    hass.states.async_set(LAMP, "on")
    await harness.run_pending()
    assert len(reminded) == 1
    assert await _ten_minutes(harness, reminded) == 2
    await harness.turn_off()


async def test_reminder_fails(harness: Harness) -> None:
    hass = harness.hass
    reminded = async_mock_service(
        hass, "test", "remind", raise_exception=HomeAssistantError("No phone is there")
    )
    hass.states.async_set(LAMP, "off")
    await _use(harness)
    hass.states.async_set(LAMP, "on")
    assert [await _ten_minutes(harness, reminded) for _ in range(4)] == [1, 2, 3, 3]
    await harness.turn_off()


@pytest.mark.parametrize(("state", "count"), [("on", 1), ("off", 0)])
async def test_restart(harness: Harness, state: str, count: int) -> None:
    """There are reminders for messages from before a restart."""
    hass = harness.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, state)
    hass.set_state(CoreState.not_running)
    await _use(harness)
    start = asyncio.create_task(hass.async_start())
    await harness.run_pending()
    assert reminded == []
    assert await _ten_minutes(harness, reminded) == count
    await harness.turn_off()
    await start
