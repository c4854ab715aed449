"""Automations with the condition `is_message_waiting`."""

import asyncio
from datetime import timedelta
from typing import Any

from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import area_registry as ar, device_registry as dr, entity_registry as er
from homeassistant.helpers.condition import async_validate_condition_config
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
import voluptuous as vol

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import INTEGRATION
from .helpers import get_state, leave_message, poll
from .simulator import Simulator
from .test_trigger import device_of

CONDITION = f"{DOMAIN}.is_message_waiting"
RECEPTION = "binary_sensor.reception_101_message_waiting"
EMPTY = "binary_sensor.extension_104_message_waiting"


class Automation:
    """An automation that runs on the event `try`, if the condition passes."""

    def __init__(self, hass: HomeAssistant, runs: list[Event]) -> None:
        self._hass = hass
        self._runs = runs

    async def passes(self) -> bool:
        """Return whether it runs now."""
        self._runs.clear()
        self._hass.bus.async_fire("try")
        await self._hass.async_block_till_done()
        return len(self._runs) == 1


async def create_automation(
    hass: HomeAssistant, target: dict[str, Any], **options: Any
) -> Automation:
    """Create an automation with the condition."""
    automation = {
        "triggers": [{"trigger": "event", "event_type": "try"}],
        "conditions": [{"condition": CONDITION, "target": target, "options": options}],
        "actions": [{"event": "ran"}],
    }
    assert await async_setup_component(hass, "automation", {"automation": [automation]})
    await hass.async_block_till_done()
    return Automation(hass, async_capture_events(hass, "ran"))


async def test_while_a_message_waits(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    automation = await create_automation(hass, {"entity_id": EMPTY})
    assert not await automation.passes()
    await leave_message(pbx, "104")
    await poll(hass)
    assert await automation.passes()
    await asyncio.to_thread(pbx.spool.delete, "104", "msg0000")
    await poll(hass)
    assert not await automation.passes()


@pytest.mark.parametrize(("behavior", "passes"), [("any", True), ("all", False)])
async def test_any_or_all(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, behavior: str, passes: bool
) -> None:
    automation = await create_automation(hass, {"entity_id": [RECEPTION, EMPTY]}, behavior=behavior)
    assert await automation.passes() is passes
    await leave_message(pbx, "104")
    await poll(hass)
    assert await automation.passes()


@pytest.mark.parametrize("behavior", ["any", "all"])
async def test_nothing_waits_while_the_pbx_is_unavailable(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, behavior: str
) -> None:
    automation = await create_automation(hass, {"entity_id": RECEPTION}, behavior=behavior)
    assert await automation.passes()
    await pbx.stop()
    await poll(hass)
    assert get_state(hass, RECEPTION).state == "unavailable"
    assert not await automation.passes()


@pytest.mark.parametrize("behavior", ["any", "all"])
@pytest.mark.parametrize(("duration", "passes"), [("00:00:01", True), ("01:00:00", False)])
async def test_for_a_while(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    behavior: str,
    duration: str,
    passes: bool,
) -> None:
    options = {"behavior": behavior, "for": duration}
    automation = await create_automation(hass, {"entity_id": EMPTY}, **options)
    await leave_message(pbx, "104")
    await poll(hass)
    await asyncio.sleep(1.1)
    assert await automation.passes() is passes


async def test_other_sensors_in_the_area_are_left_out(
    hass: HomeAssistant, connected: MockConfigEntry
) -> None:
    area = ar.async_get(hass).async_create("Workshop")
    dr.async_get(hass).async_update_device(device_of(hass, EMPTY), area_id=area.id)
    door = er.async_get(hass).async_get_or_create("binary_sensor", "demo", "door")
    er.async_get(hass).async_update_entity(door.entity_id, area_id=area.id)
    hass.states.async_set(door.entity_id, "on")
    automation = await create_automation(hass, {"area_id": area.id})
    assert not await automation.passes()


@pytest.mark.parametrize(
    "config",
    [
        {"options": {}},
        {"target": {"entity_id": EMPTY}, "options": {"behavior": "some"}},
        {"target": {"entity_id": EMPTY}, "options": {"for": "soon"}},
    ],
)
async def test_configuration_that_is_refused(
    hass: HomeAssistant, connected: MockConfigEntry, config: dict[str, Any]
) -> None:
    with pytest.raises(vol.Invalid):
        await async_validate_condition_config(hass, {"condition": CONDITION, **config})


async def test_what_the_editor_fills_in(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    """The fields and defaults in conditions.yaml are those of the code."""
    fields = load_yaml_dict(str(INTEGRATION / "conditions.yaml"))["is_message_waiting"]["fields"]
    base = {"condition": CONDITION, "target": {"entity_id": EMPTY}}
    options = {name: field["default"] for name, field in fields.items()}
    filled_in = await async_validate_condition_config(hass, {**base, "options": options})
    bare = await async_validate_condition_config(hass, base)
    assert filled_in["options"] == {**bare["options"], "for": timedelta()}


async def test_offered_for_extensions_alone(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    assert await async_setup_component(hass, "automation", {})
    client = await hass_ws_client()
    offered = {}
    for entity_id in (EMPTY, "sensor.uc501_messages"):
        target = {"device_id": [device_of(hass, entity_id)]}
        await client.send_json_auto_id({"type": "get_conditions_for_target", "target": target})
        offered[entity_id] = CONDITION in (await client.receive_json())["result"]
    assert offered == {EMPTY: True, "sensor.uc501_messages": False}
