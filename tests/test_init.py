"""A PBX's life in Home Assistant: set up, unloaded, reloaded, removed."""

import asyncio

from aiohttp import web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from .helpers import get_state, leave_message, poll
from .simulator import Simulator


async def test_devices(connected: MockConfigEntry, device_registry: dr.DeviceRegistry) -> None:
    devices = {
        device.name: device
        for device in dr.async_entries_for_config_entry(device_registry, connected.entry_id)
    }
    assert devices.keys() == {
        "UC501",
        "Reception (101)",
        "Workshop (102)",
        "Extension 103",
        "Extension 104",
    }
    hub = devices.pop("UC501")
    assert hub.manufacturer == "OpenVox"
    assert hub.model == "UC501"
    assert hub.serial_number == "a09805021987"
    assert hub.hw_version == "3.1"
    assert hub.sw_version == "4.1.1"
    # The API's port shows no pages.
    assert hub.configuration_url == "http://127.0.0.1"
    assert {device.via_device_id for device in devices.values()} == {hub.id}


async def test_unload_and_reload_leave_nothing_behind(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    assert await hass.config_entries.async_unload(connected.entry_id)
    assert connected.state is ConfigEntryState.NOT_LOADED

    pbx.requests.clear()
    await poll(hass)
    assert pbx.requests == []

    assert await hass.config_entries.async_setup(connected.entry_id)
    for _ in range(3):
        assert await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    pbx.requests.clear()
    await poll(hass)
    assert pbx.requests == ["/api/v0.0.1/voicemail/query"]


async def test_unload_that_is_refused(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What goes on working keeps its token."""

    async def refuse(*_: object) -> bool:
        return False

    await hass.config_entries.async_setup(entry_with_user.entry_id)
    await hass.async_block_till_done()
    with monkeypatch.context() as patch:
        patch.setattr(hass.config_entries, "async_unload_platforms", refuse)
        assert not await hass.config_entries.async_unload(entry_with_user.entry_id)
    assert not [path for path in pbx.requests if path.endswith("logout")]
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"

    entry_with_user.mock_state(hass, ConfigEntryState.LOADED)
    assert await hass.config_entries.async_unload(entry_with_user.entry_id)
    assert pbx.requests[-1].endswith("logout")


async def test_pbx_without_device_info_and_extension_list(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async def only_voicemail(request: web.Request) -> web.Response | None:
        if "voicemail" in request.path:
            return None
        return web.Response(status=404)

    pbx.intercept = only_voicemail
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    states = {state.name: state.state for state in hass.states.async_all("sensor")}
    assert states["Extension 101 Messages"] == "3"
    assert states["UC501 (127.0.0.1) Messages"] == "7"
    assert "Extension 104 Messages" not in states


async def test_remove_device_by_hand(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    assert await async_setup_component(hass, "config", {})

    async def remove(name: str) -> bool:
        client = await hass_ws_client(hass)
        device = device_registry.async_get_device_by_identifier((DOMAIN, name), connected.entry_id)
        assert device is not None
        await client.send_json_auto_id(
            {
                "type": "config/device_registry/remove_config_entry",
                "config_entry_id": connected.entry_id,
                "device_id": device.id,
            }
        )
        answer = await client.receive_json()
        await hass.async_block_till_done()
        return bool(answer["success"])

    assert not await remove("a09805021987")
    assert not await remove("a09805021987_101")
    assert not await remove("a09805021987_104")

    # A mailbox that is on no list, and empty by now.
    await leave_message(pbx, "105")
    await poll(hass)
    assert not await remove("a09805021987_105")
    await asyncio.to_thread(pbx.spool.delete_mailbox, "105")
    await poll(hass)
    assert await remove("a09805021987_105")
    assert hass.states.get("sensor.extension_105_messages") is None
    assert not entity_registry.async_get("sensor.extension_105_messages")

    await leave_message(pbx, "105")
    await poll(hass)
    assert get_state(hass, "sensor.extension_105_messages").state == "1"

    # An extension that the PBX lost while Home Assistant was not looking.
    del pbx.extensions["104"]
    await hass.config_entries.async_reload(connected.entry_id)
    assert get_state(hass, "sensor.extension_104_messages").state == "unavailable"
    assert await remove("a09805021987_104")
    assert hass.states.get("sensor.extension_104_messages") is None


@pytest.mark.parametrize(("name", "removed"), [("", False), ("_104", True)])
async def test_remove_device_of_a_pbx_that_is_not_connected(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
    hass_ws_client: WebSocketGenerator,
    name: str,
    removed: bool,
) -> None:
    assert await async_setup_component(hass, "config", {})
    await hass.config_entries.async_unload(connected.entry_id)
    identifier = DOMAIN, f"a09805021987{name}"
    device = device_registry.async_get_device_by_identifier(identifier, connected.entry_id)
    assert device
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {
            "type": "config/device_registry/remove_config_entry",
            "config_entry_id": connected.entry_id,
            "device_id": device.id,
        }
    )
    assert (await client.receive_json())["success"] is removed


async def test_web_page_of_a_yeastar(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
) -> None:
    pbx.version = "v1.1.0"
    await hass.config_entries.async_setup(entry.entry_id)
    hub = device_registry.async_get_device_by_identifier((DOMAIN, "a09805021987"), entry.entry_id)
    assert hub
    assert hub.configuration_url == f"http://{pbx.address}"
