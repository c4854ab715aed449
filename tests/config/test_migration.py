"""Entries of version 1 go on, and nobody has to name, place or automate anything anew."""

from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    label_registry as lr,
)
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx.s_series.login import Refusals

from ..conftest import PASSWORD_MD5, TOKEN
from ..helpers import get_state
from ..simulator import Simulator

OF_EXTENSION = {
    "messages": "sensor",
    "latest_caller": "sensor",
    "latest_message": "sensor",
    "latest_duration": "sensor",
    "message_waiting": "binary_sensor",
    "new_message": "event",
}
OF_HUB = {"messages": "sensor", "mailboxes_with_messages": "sensor"}


def _entry(hass: HomeAssistant, unique_id: str, address: str, **data: Any) -> MockConfigEntry:
    """Have an entry as version 1 stored it."""
    host, _, port = address.rpartition(":")
    entry = MockConfigEntry(
        domain=DOMAIN,
        version=1,
        minor_version=1,
        title="Office",
        unique_id=unique_id,
        data={
            "host": host.strip("[]"),
            "port": int(port),
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "dialect": "v0.0.1",
            **(data or {"token": TOKEN}),
        },
    )
    entry.add_to_hass(hass)
    return entry


def _register(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Register devices and entities as version 1 did, and use them as people do."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    hub = devices.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, str(entry.unique_id))}, name="UC501"
    )
    extension = devices.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, f"{entry.unique_id}_101")},
        name="Reception (101)",
        via_device_id=hub.id,
    )
    area = ar.async_get(hass).async_create("Front desk")
    label = lr.async_get(hass).async_create("Phones")
    devices.async_update_device(
        extension.id, name_by_user="Desk", area_id=area.id, labels={label.label_id}
    )
    keys = {key: (domain, hub) for key, domain in OF_HUB.items()} | {
        f"101_{key}": (domain, extension) for key, domain in OF_EXTENSION.items()
    }
    for key, (domain, device) in keys.items():
        entity = entities.async_get_or_create(
            domain,
            DOMAIN,
            f"{entry.unique_id}_{key}",
            config_entry=entry,
            device_id=device.id,
            suggested_object_id=f"my_{key}",
        )
        entities.async_update_entity(entity.entity_id, name=f"My {key}", labels={label.label_id})


def _known(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dict[str, Any]]:
    """Return all that people and automations know devices and entities by."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    of_devices = "name_by_user", "area_id", "labels", "via_device_id", "created_at"
    of_entities = "entity_id", "name", "labels", "device_id", "disabled_by", "created_at"
    return {
        known.id: {key: getattr(known, key) for key in keys}
        for keys, registered in ((of_devices, devices), (of_entities, entities))
        for known in registered
    }


@pytest.mark.parametrize(
    ("serial_number", "kept"),
    [("a09805021987", True), ("", False), ("SN_98:05", False), ("SN.98-05", True)],
)
async def test_everything_stays(
    hass: HomeAssistant, pbx: Simulator, serial_number: str, kept: bool
) -> None:
    pbx.serial_number = serial_number
    entry = _entry(hass, serial_number or pbx.address, pbx.address)
    _register(hass, entry)
    before = _known(hass, entry)
    assert len(before) == 10

    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()

    assert entry.state is ConfigEntryState.LOADED
    assert (entry.version, entry.minor_version) == (1, 2)
    assert entry.unique_id == (serial_number if kept else None)
    after = _known(hass, entry)
    assert {name: after[name] for name in before} == before
    # No entity has got a twin.
    assert get_state(hass, "sensor.my_101_messages").state == "3"
    assert get_state(hass, "sensor.my_messages").state == "7"
    registered = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    base = serial_number if kept else entry.entry_id
    assert all(entity.unique_id.startswith(f"{base}_") for entity in registered)
    added = {"mark_all_read", "unread_messages"}
    assert len(registered) == 4 * (len(OF_EXTENSION) + len(added)) + len(OF_HUB) + 1

    # Once is enough.
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert _known(hass, entry) == after


@pytest.mark.parametrize("address", ["[2001:db8::1]:9011", "pbx.example:9011", "192.0.2.1:80"])
async def test_addresses(hass: HomeAssistant, socket_enabled: None, address: str) -> None:
    """Whether the PBX answers or not."""
    entry = _entry(hass, address, address)
    _register(hass, entry)
    before = _known(hass, entry)
    assert await entry.async_migrate(hass)
    assert entry.unique_id is None
    assert _known(hass, entry) == before
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {name for device in devices for name in device.identifiers} == {
        (DOMAIN, entry.entry_id),
        (DOMAIN, f"{entry.entry_id}_101"),
    }


async def test_migration_that_was_interrupted(hass: HomeAssistant, socket_enabled: None) -> None:
    """Home Assistant wrote its registries, and not the entries any more."""
    entry = _entry(hass, "SN_98", "192.0.2.1:9011")
    _register(hass, entry)
    before = _known(hass, entry)
    data = entry.data
    await entry.async_migrate(hass)
    hass.config_entries.async_update_entry(entry, data=data, unique_id="SN_98", minor_version=1)
    assert await entry.async_migrate(hass)
    assert _known(hass, entry) == before
    assert entry.unique_id is None


async def test_other_entries_are_left_alone(hass: HomeAssistant, socket_enabled: None) -> None:
    """That of a PBX whose serial number begins like the other's, and what others registered."""
    first = _entry(hass, "SN_9", "192.0.2.1:9011")
    second = _entry(hass, "SN_9_8", "192.0.2.2:9011")
    devices, entities = dr.async_get(hass), er.async_get(hass)
    for entry in (first, second):
        devices.async_get_or_create(
            config_entry_id=entry.entry_id,
            identifiers={(DOMAIN, str(entry.unique_id)), ("other", "SN_9_7")},
        )
        entities.async_get_or_create("sensor", DOMAIN, f"{entry.unique_id}_a", config_entry=entry)
    await first.async_migrate(hass)
    (device,) = dr.async_entries_for_config_entry(devices, first.entry_id)
    assert device.identifiers == {(DOMAIN, first.entry_id), ("other", "SN_9_7")}
    (device,) = dr.async_entries_for_config_entry(devices, second.entry_id)
    assert device.identifiers == {(DOMAIN, "SN_9_8"), ("other", "SN_9_7")}
    (entity,) = er.async_entries_for_config_entry(entities, second.entry_id)
    assert entity.unique_id == "SN_9_8_a"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"token": TOKEN}, {"credentials": {"token": TOKEN}}),
        (
            {
                "username": "api",
                "password_md5": PASSWORD_MD5,
                "fingerprint": "ab" * 32,
                "old_tls": True,
                "refusals": {"count": 2, "latest": 1795000000.25},
                "refused": True,
            },
            {
                "credentials": {"username": "api", "secret": PASSWORD_MD5},
                "fingerprint": "ab" * 32,
                "old_tls": True,
                "remembered": {"api": "v0.0.1", "refusals": "2@1795000000"},
                "refused": True,
            },
        ),
    ],
)
async def test_data(
    hass: HomeAssistant, socket_enabled: None, old: dict[str, Any], new: dict[str, Any]
) -> None:
    entry = _entry(hass, "SN98", "192.0.2.1:9011", **old)
    assert await entry.async_migrate(hass)
    assert entry.data == {
        "host": "192.0.2.1",
        "port": 9011,
        "ssl": False,
        "verify_ssl": True,
        "api": "auto",
        "family": "s_series",
        "remembered": {"api": "v0.0.1"},
        **new,
    }


def test_refusals_are_understood() -> None:
    assert Refusals.parse("2@1795000000") == Refusals(2, 1795000000)
    assert str(Refusals(2, 1795000000.75)) == "2@1795000000"


async def test_refusals_still_count(hass: HomeAssistant, pbx: Simulator) -> None:
    """A password that was refused is not tried again after an update of the integration."""
    login = {"username": "api", "password_md5": PASSWORD_MD5}
    entry = _entry(hass, pbx.serial_number, pbx.address, **login, refused=True)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert pbx.logins == 0


@pytest.mark.parametrize(("version", "minor", "works"), [(2, 1, False), (1, 3, True)])
async def test_versions_of_the_future(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    version: int,
    minor: int,
    works: bool,
) -> None:
    """A later minor version can be read; another major one cannot."""
    hass.config_entries.async_update_entry(entry, version=version, minor_version=minor)
    assert await hass.config_entries.async_setup(entry.entry_id) is works
    expected = ConfigEntryState.LOADED if works else ConfigEntryState.MIGRATION_ERROR
    assert entry.state is expected
    assert (entry.version, entry.minor_version) == (version, minor)
