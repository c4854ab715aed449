"""Unique ids of entities, and identifiers of devices.

They start with the serial number of the PBX or, if it has none, with the entry id. The extension
follows after `_`, which neither of them contains.
"""

from collections.abc import Iterable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import EntityDescription

from .const import DOMAIN


def unique_id(entry: ConfigEntry, *parts: str) -> str:
    """Return the unique id of the PBX or, with parts such as an extension, of a part of it."""
    return "_".join((entry.unique_id or entry.entry_id, *parts))


def device_identifier(entry: ConfigEntry, *extension: str) -> tuple[str, str]:
    """Return the identifier of the device of the PBX, or of an extension."""
    return DOMAIN, unique_id(entry, *extension)


def device_of(hass: HomeAssistant, entry: ConfigEntry, *extension: str) -> dr.DeviceEntry | None:
    """Return the device of the PBX, or of an extension, None if it is not registered."""
    return dr.async_get(hass).async_get_device_by_identifier(
        device_identifier(entry, *extension), entry.entry_id
    )


def mac_connection(mac_address: str) -> tuple[str, str]:
    """Return the connection of a device with a MAC address."""
    return dr.CONNECTION_NETWORK_MAC, dr.format_mac(mac_address)


def registered_extensions(hass: HomeAssistant, entry: ConfigEntry) -> list[str]:
    """Return the extensions that have devices, from earlier runs too."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return [number for device in devices if (number := extension_of(entry, device))]


def extension_of(entry: ConfigEntry, device: dr.DeviceEntry) -> str | None:
    """Return the extension of a device, None if it is the device of the PBX."""
    prefix = unique_id(entry, "")
    for domain, name in device.identifiers:
        if domain == DOMAIN and name.startswith(prefix):
            return name.removeprefix(prefix)
    return None


def entities_of_kind(
    hass: HomeAssistant, entity_ids: Iterable[str], kind: EntityDescription
) -> set[str]:
    """Return the entities, of any PBX, that have this description."""
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entity_ids
        if (entity := registry.async_get(entity_id))
        and entity.platform == DOMAIN
        and entity.translation_key == kind.translation_key
    }
