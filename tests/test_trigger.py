"""Automations with the trigger `message_received`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, Event, HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    config_validation as cv,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.helpers.trigger import async_validate_trigger_config
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.typing import WebSocketGenerator
import voluptuous as vol

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import INTEGRATION
from .helpers import call_action, get_state, leave_message, poll
from .simulator import Simulator

TRIGGER = f"{DOMAIN}.message_received"
RECEPTION = "event.reception_101_new_message"
START = datetime(2026, 11, 24, tzinfo=UTC)


class Runs:
    """The runs of an automation."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The message of each run."""
        return [event.data["message"] for event in self._events]

    @property
    def callers(self) -> list[str | None]:
        """The number of the caller of each message."""
        return [message["caller"] for message in self.messages]


async def create_automation(
    hass: HomeAssistant, target: dict[str, Any], options: dict[str, Any] | None = None
) -> Runs:
    """Create an automation, and record its runs."""
    trigger = {"trigger": TRIGGER, "target": target, "options": options or {}}
    action = {"event": "ran", "event_data": {"message": "{{ trigger.message }}"}}
    automation = {"triggers": [trigger], "actions": [action], "mode": "queued", "max": 100}
    runs = Runs(async_capture_events(hass, "ran"))
    assert await async_setup_component(hass, "automation", {"automation": [automation]})
    await hass.async_block_till_done()
    return runs


async def validate(hass: HomeAssistant, trigger: dict[str, Any]) -> dict[str, Any]:
    """Return a trigger with its defaults."""
    (validated,) = await async_validate_trigger_config(hass, cv.TRIGGER_SCHEMA([trigger]))
    return validated


def device_of(hass: HomeAssistant, entity_id: str) -> str:
    """Return the id of the device that an entity belongs to."""
    entity = er.async_get(hass).async_get(entity_id)
    assert entity
    assert entity.device_id
    return entity.device_id


async def test_runs_once_for_each_message_of_a_burst(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    runs = await create_automation(hass, {"entity_id": RECEPTION})
    callers = [str(number) for number in range(20)]
    for number, caller in enumerate(callers):
        await leave_message(pbx, "101", caller, received=START + timedelta(seconds=number))
    await poll(hass)
    assert runs.callers == callers
    for _ in range(2):
        await poll(hass)
    assert len(runs.callers) == 20


async def test_message_in_the_variables(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    runs = await create_automation(hass, {"entity_id": RECEPTION})
    await leave_message(pbx, "101")
    await poll(hass)
    latest = get_state(hass, "sensor.reception_101_messages").attributes["latest_message_id"]
    assert runs.messages == [
        {
            "message_id": latest,
            "extension": "101",
            "caller": "6000",
            "caller_name": "Ann",
            "caller_formatted": "6000",
            "caller_e164": None,
            "caller_known": False,
            "received": "2026-11-24T09:30:00+00:00",
            "duration": 4,
            "read": False,
            "urgent": False,
            "media_content_id": f"media-source://{DOMAIN}/{connected.entry_id}/101/{latest}",
            "transcript": None,
            "while_away": False,
        }
    ]


async def test_runs_on_nothing_but_messages(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Not on outages, reloads, or changes of other attributes."""
    runs = await create_automation(hass, {"entity_id": RECEPTION})
    await leave_message(pbx, "101", "1")
    await poll(hass)
    assert runs.callers == ["1"]

    await pbx.stop()
    await poll(hass)
    assert get_state(hass, RECEPTION).state == "unavailable"
    await pbx.start()
    await poll(hass)
    await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    er.async_get(hass).async_update_entity(RECEPTION, name="Messages for reception")
    await hass.async_block_till_done()
    assert get_state(hass, RECEPTION).attributes["caller"] == "1"
    assert runs.callers == ["1"]

    await pbx.stop()
    await poll(hass)
    await leave_message(pbx, "101", "2")
    await pbx.start()
    await poll(hass)
    assert runs.callers == ["1", "2"]


async def test_messages_left_while_home_assistant_was_down(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "101", "1")
    await poll(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    await leave_message(pbx, "101", "2")
    hass.set_state(CoreState.starting)
    await hass.config_entries.async_setup(connected.entry_id)
    runs = await create_automation(hass, {"entity_id": RECEPTION})
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert runs.callers == ["2"]
    assert runs.messages[0]["while_away"] is True


@pytest.mark.parametrize("kind", ["entity_id", "device_id", "area_id", "floor_id", "label_id"])
async def test_targets(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, kind: str
) -> None:
    """Other extensions, and event entities of other integrations, do not trigger."""
    floor = fr.async_get(hass).async_create("Ground floor")
    area = ar.async_get(hass).async_create("Entrance", floor_id=floor.floor_id)
    label = lr.async_get(hass).async_create("Front desk")
    device = device_of(hass, RECEPTION)
    dr.async_get(hass).async_update_device(device, area_id=area.id, labels={label.label_id})
    doorbell = er.async_get(hass).async_get_or_create(
        "event", "demo", "doorbell", translation_key="new_message"
    )
    er.async_get(hass).async_update_entity(
        doorbell.entity_id, area_id=area.id, labels={label.label_id}
    )
    target = {
        "entity_id": [RECEPTION, doorbell.entity_id],
        "device_id": device,
        "area_id": area.id,
        "floor_id": floor.floor_id,
        "label_id": label.label_id,
    }
    runs = await create_automation(hass, {kind: target[kind]})
    for moment in ("2026-11-24T10:00:00+00:00", "2026-11-24T11:00:00+00:00"):
        hass.states.async_set(doorbell.entity_id, moment, {"event_type": "received"})
    await leave_message(pbx, "101", "1")
    await leave_message(pbx, "102", "2")
    await poll(hass)
    assert runs.callers == ["1"]


async def test_extension_that_appears_later(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """The first message of a new extension triggers."""
    runs = await create_automation(hass, {"entity_id": "event.extension_0105_new_message"})
    await leave_message(pbx, "0105", "1")
    await poll(hass)
    assert runs.callers == ["1"]


@pytest.mark.parametrize(
    ("options", "callers"),
    [
        ({}, ["6000", "+49 30 901820", None]),
        ({"callers": "any"}, ["6000", "+49 30 901820", None]),
        # The name is the caller's own.
        ({"callers": "known"}, []),
        ({"callers": "unknown"}, ["6000", "+49 30 901820", None]),
        ({"name_or_number": ""}, ["6000", "+49 30 901820", None]),
        ({"name_or_number": " "}, ["6000", "+49 30 901820", None]),
        ({"name_or_number": "ann m"}, ["6000"]),
        ({"name_or_number": "MU\u0308LLER"}, ["6000"]),
        ({"name_or_number": "6000"}, ["6000"]),
        ({"name_or_number": "0309018"}, []),
        ({"name_or_number": "(30) 90-18"}, ["+49 30 901820"]),
        ({"name_or_number": "+4930"}, ["+49 30 901820"]),
        ({"name_or_number": "Bob"}, []),
        ({"name_or_number": "()"}, []),
        ({"name_or_number": "Ann", "callers": "known"}, []),
        ({"urgent_only": False}, ["6000", "+49 30 901820", None]),
        ({"urgent_only": True}, []),
    ],
)
async def test_options(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    options: dict[str, Any],
    callers: list[str | None],
) -> None:
    runs = await create_automation(hass, {"entity_id": RECEPTION}, options)
    for number, caller in enumerate(('"Ann Müller" <6000>', "<+49 30 901820>", "")):
        await leave_message(pbx, "101", caller, received=START + timedelta(seconds=number))
    await poll(hass)
    assert runs.callers == callers


async def test_known_callers(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Contacts and extensions are known, whatever the PBX calls them."""
    vcard = "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nTEL:+49 30 901820\nEND:VCARD\n"
    await call_action(hass, "import_phone_book", vcard=vcard)
    known = await create_automation(hass, {"entity_id": RECEPTION}, {"callers": "known"})
    for caller in ('"Bank" <4930901821>', '"Somebody" <+49 30 901820>', '"Bob" <102>', "103"):
        await leave_message(pbx, "101", caller)
    await poll(hass)
    assert sorted(filter(None, known.callers)) == ["+49 30 901820", "102", "103"]


async def test_urgent_messages(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    """The simulated PBX has no urgent messages, so the test sets the states."""
    runs = await create_automation(hass, {"entity_id": RECEPTION}, {"urgent_only": True})
    for minute, urgent in enumerate((True, False, None)):
        attributes = {"caller": str(minute), "urgent": urgent}
        hass.states.async_set(RECEPTION, f"2026-11-24T09:0{minute}:00.000+00:00", attributes)
    await hass.async_block_till_done()
    assert runs.callers == ["0"]


@pytest.mark.parametrize(
    "config",
    [
        {"options": {}},
        {"target": {"entity_id": RECEPTION}, "options": {"callers": "friends"}},
        {"target": {"entity_id": RECEPTION}, "options": {"urgent_only": "perhaps"}},
        {"target": {"entity_id": RECEPTION}, "options": {"extension": "101"}},
    ],
)
async def test_configuration_that_is_refused(
    hass: HomeAssistant, connected: MockConfigEntry, config: dict[str, Any]
) -> None:
    with pytest.raises(vol.Invalid):
        await validate(hass, {"trigger": TRIGGER, **config})


async def test_what_the_editor_fills_in(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    """The fields and defaults in triggers.yaml are those of the code."""
    description = load_yaml_dict(str(INTEGRATION / "triggers.yaml"))["message_received"]
    base = {"trigger": TRIGGER, "target": {"entity_id": RECEPTION}}
    config = await validate(hass, base)
    defaults = {name: field.get("default", "") for name, field in description["fields"].items()}
    assert config["options"] == defaults
    for choice in description["fields"]["callers"]["selector"]["select"]["options"]:
        await validate(hass, {**base, "options": {"callers": choice}})


async def test_offered_for_extensions_alone(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    assert await async_setup_component(hass, "automation", {})
    client = await hass_ws_client()
    offered = {}
    for entity_id in (RECEPTION, "sensor.uc501_messages"):
        target = {"device_id": [device_of(hass, entity_id)]}
        await client.send_json_auto_id({"type": "get_triggers_for_target", "target": target})
        offered[entity_id] = TRIGGER in (await client.receive_json())["result"]
    assert offered == {RECEPTION: True, "sensor.uc501_messages": False}
