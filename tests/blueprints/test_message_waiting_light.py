"""A light that shows whether messages are waiting."""

import asyncio

from homeassistant.core import ServiceCall
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.helpers import call_action, get_state, leave_message, poll
from tests.simulator import Simulator

from .harness import INDICATOR, MARK_ALL, Harness

LIGHT = "light.desk"


@pytest.fixture
def switched_on(harness: Harness) -> list[ServiceCall]:
    """How often the light was turned on."""
    return async_mock_service(harness.hass, "light", "turn_on")


@pytest.fixture
def switched_off(harness: Harness) -> list[ServiceCall]:
    """How often it was turned off."""
    return async_mock_service(harness.hass, "light", "turn_off")


async def test_message_waiting_light(
    harness: Harness,
    pbx: Simulator,
    switched_on: list[ServiceCall],
    switched_off: list[ServiceCall],
) -> None:
    await harness.use_blueprint("message_waiting_light", lamps=[INDICATOR], light=LIGHT)
    await leave_message(pbx, "104")
    await poll(harness.hass)
    assert [call.data["rgb_color"] for call in switched_on] == [[255, 0, 0]]
    assert switched_off == []
    await asyncio.to_thread(pbx.spool.delete, "104", "msg0000")
    await poll(harness.hass)
    assert len(switched_on) == len(switched_off) == 1


async def test_pbx_that_does_not_say_what_was_heard(
    harness: Harness,
    pbx: Simulator,
    hass_client: ClientSessionGenerator,
    switched_on: list[ServiceCall],
    switched_off: list[ServiceCall],
) -> None:
    """The light is turned off when all messages have been played or marked as read."""
    hass = harness.hass
    await harness.use_blueprint("message_waiting_light", lamps=[INDICATOR], light=LIGHT)
    for caller in "1", "2", "3":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    assert len(switched_on) == 1
    first, second, _third = (await call_action(hass, "get_messages", extension="104"))["messages"]
    await harness.hear(await hass_client(), first)
    await call_action(hass, "mark_read", message_id=second["message_id"])
    await poll(hass)
    assert (len(switched_on), len(switched_off)) == (1, 0)
    await hass.services.async_call("button", "press", {"entity_id": MARK_ALL}, blocking=True)
    await hass.async_block_till_done()
    assert (len(switched_on), len(switched_off)) == (1, 1)
    assert get_state(hass, "sensor.extension_104_messages").state == "3"

    await call_action(hass, "mark_read", message_id=first["message_id"], read=False)
    await hass.async_block_till_done()
    assert (len(switched_on), len(switched_off)) == (2, 1)
    await harness.hear(await hass_client(), first)
    assert (len(switched_on), len(switched_off)) == (2, 2)


async def test_one_of_two_pbxs_is_unavailable(
    harness: Harness, switched_off: list[ServiceCall]
) -> None:
    """Its messages may still be waiting."""
    lamps = ["binary_sensor.a", "binary_sensor.b"]
    states = harness.hass.states
    states.async_set("binary_sensor.a", "on")
    states.async_set("binary_sensor.b", "unavailable")
    await harness.use_blueprint("message_waiting_light", lamps=lamps, light=LIGHT)
    states.async_set("binary_sensor.a", "off")
    await harness.hass.async_block_till_done()
    assert switched_off == []
    states.async_set("binary_sensor.b", "off")
    await harness.hass.async_block_till_done()
    assert len(switched_off) == 1


async def test_missing_extension(harness: Harness, switched_off: list[ServiceCall]) -> None:
    lamps = ["binary_sensor.a", "binary_sensor.gone"]
    harness.hass.states.async_set("binary_sensor.a", "on")
    await harness.use_blueprint("message_waiting_light", lamps=lamps, light=LIGHT)
    harness.hass.states.async_set("binary_sensor.a", "off")
    await harness.hass.async_block_till_done()
    assert len(switched_off) == 1


async def test_unavailable_light(
    harness: Harness, switched_on: list[ServiceCall], switched_off: list[ServiceCall]
) -> None:
    states = harness.hass.states
    states.async_set(LIGHT, "unavailable")
    states.async_set("binary_sensor.a", "on")
    await harness.use_blueprint("message_waiting_light", lamps=["binary_sensor.a"], light=LIGHT)
    states.async_set(LIGHT, "off")
    await harness.hass.async_block_till_done()
    assert len(switched_on) == 1
    states.async_set(LIGHT, "on")
    await harness.hass.async_block_till_done()
    assert len(switched_on) == 1
    assert switched_off == []
