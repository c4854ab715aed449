"""Reminders of a message until it is heard."""

import asyncio
from datetime import timedelta

from homeassistant.core import CoreState, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service

from .house import House

LAMP = "binary_sensor.lamp"
INTERVAL = {"minutes": 10}


async def _use(house: House) -> None:
    reminder = [{"action": "test.remind"}]
    await house.use("remind", lamp=LAMP, interval=INTERVAL, times=3, reminder=reminder)


async def _ten_minutes(house: House, reminded: list[ServiceCall]) -> int:
    """Let the time between two reminders pass, and return how many there have been."""
    async_fire_time_changed(house.hass, dt_util.utcnow() + timedelta(minutes=10, seconds=1))
    await house.settle()
    return len(reminded)


async def test_remind(house: House) -> None:
    hass = house.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, "off")
    await _use(house)
    hass.states.async_set(LAMP, "on")
    await hass.async_block_till_done()
    assert reminded == []
    assert [await _ten_minutes(house, reminded) for _ in range(5)] == [1, 2, 3, 3, 3]

    hass.states.async_set(LAMP, "off")
    hass.states.async_set(LAMP, "on")
    assert await _ten_minutes(house, reminded) == 4
    hass.states.async_set(LAMP, "off")
    assert await _ten_minutes(house, reminded) == 4
    await house.leave_off()


async def test_heard_and_the_next_one_left(house: House) -> None:
    """The next message is reminded of after a while, like the first one."""
    hass = house.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, "off")
    await _use(house)
    hass.states.async_set(LAMP, "on")
    assert await _ten_minutes(house, reminded) == 1
    hass.states.async_set(LAMP, "off")
    hass.states.async_set(LAMP, "on")
    await house.settle()
    assert len(reminded) == 1
    assert await _ten_minutes(house, reminded) == 2
    await house.leave_off()


async def test_reminder_that_fails(house: House) -> None:
    hass = house.hass
    reminded = async_mock_service(
        hass, "test", "remind", raise_exception=HomeAssistantError("No phone is there")
    )
    hass.states.async_set(LAMP, "off")
    await _use(house)
    hass.states.async_set(LAMP, "on")
    assert [await _ten_minutes(house, reminded) for _ in range(4)] == [1, 2, 3, 3]
    await house.leave_off()


@pytest.mark.parametrize(("state", "count"), [("on", 1), ("off", 0)])
async def test_restart(house: House, state: str, count: int) -> None:
    """What waits since before a restart is reminded of, too."""
    hass = house.hass
    reminded = async_mock_service(hass, "test", "remind")
    hass.states.async_set(LAMP, state)
    hass.set_state(CoreState.not_running)
    await _use(house)
    start = asyncio.create_task(hass.async_start())
    await house.settle()
    assert reminded == []
    assert await _ten_minutes(house, reminded) == count
    await house.leave_off()
    await start
