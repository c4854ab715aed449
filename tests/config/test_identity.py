"""No PBX is added twice or taken for another, and no entity gets another id."""

from collections.abc import AsyncIterator
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.identifiers import device_of

from ..conftest import EXTENSIONS, TOKEN
from ..helpers import get_state
from ..simulator import Simulator, Spool

ADDED = FlowResultType.CREATE_ENTRY


async def _add(hass: HomeAssistant, pbx: Simulator, **answers: Any) -> ConfigFlowResult:
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    answers = {"host": pbx.address, "token": TOKEN, **answers}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
    await hass.async_block_till_done()
    return result


async def _move(hass: HomeAssistant, entry: ConfigEntry, pbx: Simulator) -> str | None:
    """Reconfigure an entry for a PBX, and return how that ended."""
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": "reconfigure", "entry_id": entry.entry_id}
    )
    answers = {"host": pbx.address}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
    await hass.async_block_till_done()
    return result.get("reason")


def _ids(hass: HomeAssistant, entry: ConfigEntry) -> set[tuple[str, ...]]:
    """Return all that Home Assistant knows the entities and devices of an entry by."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return {(entity.entity_id, entity.id, entity.unique_id) for entity in entities} | {
        (device.id, *(name for _, name in device.identifiers)) for device in devices
    }


@pytest.fixture
async def nameless(pbx: Simulator, recorded: Spool) -> AsyncIterator[list[Simulator]]:
    """Run two PBXs that do not tell their serial numbers."""
    pbx.serial_number = ""
    async with Simulator(
        recorded, extensions=EXTENSIONS, token=TOKEN, serial_number="", names=True
    ) as second:
        yield [pbx, second]


async def test_two_without_serial_numbers(hass: HomeAssistant, nameless: list[Simulator]) -> None:
    first, second = nameless
    entries = [(await _add(hass, pbx))["result"] for pbx in nameless]
    assert [entry.unique_id for entry in entries] == [None, None]
    assert len(hass.states.async_entity_ids("binary_sensor")) == 8
    for pbx in nameless:
        assert (await _add(hass, pbx))["reason"] == "already_configured"

    # Neither is moved on top of the other.
    assert await _move(hass, entries[1], first) == "already_configured"
    assert entries[1].data["port"] == second.port

    # The first moves, the second moves to its old address, and a third to the second's.
    ids = [_ids(hass, entry) for entry in entries]
    async with Simulator(first.spool, token=TOKEN, serial_number="") as moved:
        assert await _move(hass, entries[0], moved) == "reconfigure_successful"
        assert await _move(hass, entries[1], first) == "reconfigure_successful"
        third = await _add(hass, second)
        assert third["type"] is ADDED
        for entry, before in zip(entries, ids, strict=True):
            assert before <= _ids(hass, entry)
        assert (await _add(hass, moved))["reason"] == "already_configured"
        await hass.config_entries.async_unload(entries[0].entry_id)


async def test_serial_number_that_is_told_only_after_an_update(
    hass: HomeAssistant, pbx: Simulator, recorded: Spool
) -> None:
    """Ids stay; the serial number is on the device, and keeps the PBX from being added again."""
    pbx.serial_number = ""
    entry = (await _add(hass, pbx))["result"]
    before = _ids(hass, entry)
    pbx.serial_number = "a09805021987"
    # Before Home Assistant has noticed, the address gives it away.
    assert (await _add(hass, pbx))["reason"] == "already_configured"
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()

    assert entry.unique_id is None
    assert _ids(hass, entry) == before
    hub = device_of(hass, entry)
    assert hub
    assert hub.serial_number == "a09805021987"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"

    async with Simulator(recorded, token=TOKEN) as elsewhere:
        assert (await _add(hass, elsewhere))["reason"] == "already_configured"
        assert await _move(hass, entry, elsewhere) == "reconfigure_successful"
        assert before <= _ids(hass, entry)
        await hass.config_entries.async_unload(entry.entry_id)


async def test_another_pbx_without_a_serial_number_yet(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, recorded: Spool
) -> None:
    """An entry without a serial number is not moved to a PBX that has an entry."""
    async with Simulator(recorded, token=TOKEN, serial_number="") as second:
        entry = (await _add(hass, second))["result"]
        before = dict(entry.data)
        assert await _move(hass, entry, pbx) == "already_configured"
        assert entry.data == before
        await hass.config_entries.async_unload(entry.entry_id)


async def test_same_serial_number_at_another_address(
    hass: HomeAssistant, connected: MockConfigEntry, recorded: Spool
) -> None:
    async with Simulator(recorded, token=TOKEN) as elsewhere:
        assert (await _add(hass, elsewhere))["reason"] == "already_configured"


async def test_serial_number_that_is_no_longer_told(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    pbx.serial_number = ""
    assert (await _add(hass, pbx))["reason"] == "already_configured"
    assert await _move(hass, connected, pbx) == "reconfigure_successful"
    assert connected.unique_id == "a09805021987"


async def test_new_pbx_at_the_old_address_of_another(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    pbx.serial_number = "b09805021987"
    assert (await _add(hass, pbx))["type"] is ADDED


async def test_moving_to_where_another_pbx_used_to_be(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, recorded: Spool
) -> None:
    """A serial number says more than an address that is out of date."""
    async with Simulator(recorded, token=TOKEN, serial_number="") as second:
        entry = (await _add(hass, second))["result"]
        second.serial_number = pbx.serial_number
        assert await _move(hass, connected, second) == "reconfigure_successful"
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.config_entries.async_unload(connected.entry_id)


async def test_entry_that_version_1_left_disabled(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """It is not migrated before it is enabled, and counts all the same."""
    pbx.serial_number = ""
    old = {"host": "127.0.0.1", "port": pbx.port, "ssl": False, "verify_ssl": True, "api": "auto"}
    hass.config_entries.async_update_entry(entry, data=old, unique_id=pbx.address, minor_version=1)
    assert (await _add(hass, pbx))["reason"] == "already_configured"
