"""Tells PBXs apart, so that none is added twice or mistaken for another.

A PBX is identified by its serial number or, if it does not report one, by host and port. The
unique id of an entry is the serial number that the PBX reported when it was added, else None.
It never changes, because the ids of entities and devices depend on it. If the PBX reports its
serial number only later, after an update for example, the number is stored in its device only.
"""

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from ..const import DOMAIN
from ..identifiers import device_of, mac_connection
from ..pbx import serial_number_in
from .probe import ProbeResult


@callback
def async_entry_of(hass: HomeAssistant, probe: ProbeResult) -> ConfigEntry | None:
    """Return the existing entry of a PBX, None if it has none."""
    serial_number = probe.info.serial_number
    entries = {
        entry: _serial_number(hass, entry)
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    }
    for entry, known in entries.items():
        if serial_number and known == serial_number:
            return entry
    for entry, known in entries.items():
        if None in (serial_number, known) and _has_address(entry, probe):
            return entry
    return None


def may_be_for(entry: ConfigEntry, probe: ProbeResult) -> bool:
    """Return whether an entry may belong to a PBX. Only two serial numbers can rule it out."""
    return None in (entry.unique_id, probe.info.serial_number) or (
        entry.unique_id == probe.info.serial_number
    )


@callback
def async_entry_of_mac(hass: HomeAssistant, mac_address: str) -> ConfigEntry | None:
    """Return the entry of a PBX with a MAC address, None if none is known to have it.

    The serial number of an OpenVox PBX is its MAC address.
    """
    connection = mac_connection(mac_address)
    for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        hub = device_of(hass, entry)
        if hub and connection in hub.connections:
            return entry
        if mac_connection(entry.unique_id or "") == connection:
            return entry
    return None


@callback
def async_store_mac(hass: HomeAssistant, entry: ConfigEntry, mac_address: str) -> None:
    """Store a MAC address of the PBX in its device, if it is registered."""
    if hub := device_of(hass, entry):
        connections = hub.connections | {mac_connection(mac_address)}
        dr.async_get(hass).async_update_device(hub.id, new_connections=connections)


@callback
def async_accept_serial_number(hass: HomeAssistant, entry: ConfigEntry, probe: ProbeResult) -> None:
    """Store the serial number of the PBX that the user has just confirmed, if it has one."""
    serial_number = probe.info.serial_number
    if serial_number and (hub := device_of(hass, entry)):
        dr.async_get(hass).async_update_device(hub.id, serial_number=serial_number)


def _has_address(entry: ConfigEntry, probe: ProbeResult) -> bool:
    return all(entry.data.get(key) == probe.data[key] for key in (CONF_HOST, CONF_PORT))


def _serial_number(hass: HomeAssistant, entry: ConfigEntry) -> str | None:
    """Return the known serial number of an entry's PBX. The entry may not be migrated yet."""
    if serial_number := serial_number_in(entry.unique_id or ""):
        return serial_number
    hub = device_of(hass, entry)
    return hub.serial_number if hub else None
