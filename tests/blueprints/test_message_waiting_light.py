"""A light that shows whether messages wait."""

import asyncio

from homeassistant.core import ServiceCall
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from tests.living import leave, poll
from tests.simulator import Simulator

from .house import LAMP, House

LIGHT = "light.desk"


@pytest.fixture
def switched_on(house: House) -> list[ServiceCall]:
    """How often the light was switched on."""
    return async_mock_service(house.hass, "light", "turn_on")


@pytest.fixture
def switched_off(house: House) -> list[ServiceCall]:
    """How often it was switched off."""
    return async_mock_service(house.hass, "light", "turn_off")


async def test_message_waiting_light(
    house: House, pbx: Simulator, switched_on: list[ServiceCall], switched_off: list[ServiceCall]
) -> None:
    await house.use("message_waiting_light", lamps=[LAMP], light=LIGHT)
    await leave(pbx, "104")
    await poll(house.hass)
    assert [call.data["rgb_color"] for call in switched_on] == [[255, 0, 0]]
    assert switched_off == []
    await asyncio.to_thread(pbx.spool.delete, "104", "msg0000")
    await poll(house.hass)
    assert len(switched_on) == len(switched_off) == 1


async def test_one_of_two_pbxs_is_away(house: House, switched_off: list[ServiceCall]) -> None:
    """Its messages may be waiting still."""
    lamps = ["binary_sensor.a", "binary_sensor.b"]
    states = house.hass.states
    states.async_set("binary_sensor.a", "on")
    states.async_set("binary_sensor.b", "unavailable")
    await house.use("message_waiting_light", lamps=lamps, light=LIGHT)
    states.async_set("binary_sensor.a", "off")
    await house.hass.async_block_till_done()
    assert switched_off == []
    states.async_set("binary_sensor.b", "off")
    await house.hass.async_block_till_done()
    assert len(switched_off) == 1


async def test_extension_that_is_gone(house: House, switched_off: list[ServiceCall]) -> None:
    lamps = ["binary_sensor.a", "binary_sensor.gone"]
    house.hass.states.async_set("binary_sensor.a", "on")
    await house.use("message_waiting_light", lamps=lamps, light=LIGHT)
    house.hass.states.async_set("binary_sensor.a", "off")
    await house.hass.async_block_till_done()
    assert len(switched_off) == 1


async def test_light_that_had_no_power(
    house: House, switched_on: list[ServiceCall], switched_off: list[ServiceCall]
) -> None:
    states = house.hass.states
    states.async_set(LIGHT, "unavailable")
    states.async_set("binary_sensor.a", "on")
    await house.use("message_waiting_light", lamps=["binary_sensor.a"], light=LIGHT)
    states.async_set(LIGHT, "off")
    await house.hass.async_block_till_done()
    assert len(switched_on) == 1
    states.async_set(LIGHT, "on")
    await house.hass.async_block_till_done()
    assert len(switched_on) == 1
    assert switched_off == []
