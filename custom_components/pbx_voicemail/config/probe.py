"""Which PBX it is that answers, so that it is not taken for another, nor added twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from ..const import DOMAIN
from ..pbx import Address, Extension, PbxInfo
from .client import temporary_client


@dataclass(frozen=True, slots=True)
class Identity:
    """Which PBX answered, and in what. One that tells no serial number is known by its address."""

    address: Address
    info: PbxInfo
    extensions: tuple[Extension, ...]
    remembered: Mapping[str, str]

    @property
    def unique_id(self) -> str:
        """A name that stays."""
        return self.info.serial_number or str(self.address)

    @property
    def title(self) -> str:
        """A name that people can tell it by."""
        return f"{self.info.model or 'PBX'} ({self.address.host})"

    def may_be(self, entry: ConfigEntry) -> bool:
        """Tell whether it may be a PBX known before; only serial numbers prove it is not."""
        known = Address(entry.data[CONF_HOST], entry.data[CONF_PORT])
        return self.info.serial_number is None or entry.unique_id in (
            self.info.serial_number,
            str(known),
        )


@callback
def accept_serial_number(hass: HomeAssistant, entry: ConfigEntry, identity: Identity) -> None:
    """Let the PBX that a person has just confirmed be the one that the entry is for."""
    registry = dr.async_get(hass)
    identifier = DOMAIN, str(entry.unique_id)
    if hub := registry.async_get_device_by_identifier(identifier, entry.entry_id):
        registry.async_update_device(hub.id, serial_number=identity.info.serial_number)


async def identify(hass: HomeAssistant, data: Mapping[str, Any]) -> Identity:
    """Find out which PBX it is, and that it tells us its mailboxes.

    Raises the PbxError that stands in the way.
    """
    async with temporary_client(hass, data) as client:
        await client.mailboxes()
        info = await client.info()
        extensions = await client.extensions()
        return Identity(client.address, info, extensions or (), client.remember())
