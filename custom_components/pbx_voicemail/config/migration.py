"""Migrates entries of earlier versions, and the ids of their devices and entities.

Version 1.1 supported one family only. The unique id of a PBX without a serial number was its
address. A serial number could have characters other than letters, digits, dots and dashes, so
that the ids of one PBX could equal those of an extension of another.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_TOKEN, CONF_USERNAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from ..const import CONF_CREDENTIALS, CONF_FAMILY, CONF_REMEMBERED, CONF_SECRET, DOMAIN
from ..pbx import serial_number_in

_S_SERIES: Final = "s_series"
_DIALECT: Final = "dialect"
_PASSWORD_MD5: Final = "password_md5"  # noqa: S105
_API: Final = "api"
_REFUSALS: Final = "refusals"
_OF_VERSION_1_1: Final = {_DIALECT, CONF_TOKEN, CONF_USERNAME, _PASSWORD_MD5, _REFUSALS}


@callback
def async_migrate(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Migrate an entry. Returns False if it needs a later version of the integration."""
    if entry.version > 1:
        return False
    if entry.minor_version < 2:
        _migrate_to_1_2(hass, entry)
    return True


@callback
def _migrate_to_1_2(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Separate family, credentials and remembered values, and clear unique ids that are none."""
    serial_number = serial_number_in(entry.unique_id or "")
    if entry.unique_id and not serial_number:
        _rename(hass, entry, entry.unique_id, entry.entry_id)
    hass.config_entries.async_update_entry(
        entry, data=_data(entry.data), unique_id=serial_number, minor_version=2
    )


def _data(old: Mapping[str, Any]) -> dict[str, Any]:
    credentials = {
        CONF_TOKEN: old.get(CONF_TOKEN),
        CONF_USERNAME: old.get(CONF_USERNAME),
        CONF_SECRET: old.get(_PASSWORD_MD5),
    }
    remembered = {_API: old.get(_DIALECT)}
    if refusals := old.get(_REFUSALS):
        remembered[_REFUSALS] = f"{refusals['count']}@{refusals['latest']:.0f}"
    return {
        **{key: value for key, value in old.items() if key not in _OF_VERSION_1_1},
        CONF_FAMILY: _S_SERIES,
        CONF_CREDENTIALS: {key: value for key, value in credentials.items() if value is not None},
        CONF_REMEMBERED: {key: value for key, value in remembered.items() if value},
    }


@callback
def _rename(hass: HomeAssistant, entry: ConfigEntry, old: str, new: str) -> None:
    """Replace what the ids of an entry's devices and entities begin with."""

    def renamed(name: str) -> str | None:
        if name != old and not name.startswith(f"{old}_"):
            return None
        return new + name.removeprefix(old)

    _rename_devices(hass, entry, renamed)
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        if unique_id := renamed(entity.unique_id):
            registry.async_update_entity(entity.entity_id, new_unique_id=unique_id)


@callback
def _rename_devices(
    hass: HomeAssistant, entry: ConfigEntry, renamed: Callable[[str], str | None]
) -> None:
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        identifiers = {
            (domain, renamed(name) or name) if domain == DOMAIN else (domain, name)
            for domain, name in device.identifiers
        }
        if identifiers != device.identifiers:
            registry.async_update_device(device.id, new_identifiers=identifiers)
