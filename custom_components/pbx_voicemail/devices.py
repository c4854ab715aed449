"""The devices of a PBX and its extensions, kept up to date with what the PBX tells."""

from collections.abc import Mapping

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .coordinator import PbxCoordinator
from .pbx import DeviceInfo, Extension


@callback
def register_devices(coordinator: PbxCoordinator) -> None:
    """Register the PBX and its extensions, and follow what changes of them until it is unloaded."""
    devices = _Devices(coordinator)
    devices.remove_those_not_chosen()
    devices.follow()
    coordinator.config_entry.async_on_unload(coordinator.async_add_listener(devices.follow))


class _Devices:
    def __init__(self, coordinator: PbxCoordinator) -> None:
        self._coordinator = coordinator
        self._entry = coordinator.config_entry
        self._registry = dr.async_get(coordinator.hass)
        self._info: DeviceInfo | None = None
        self._hub_id = ""
        self._named: Mapping[str, Extension] = {}

    @callback
    def remove_those_not_chosen(self) -> None:
        chosen = self._coordinator.chosen
        if not chosen:
            return
        for device in dr.async_entries_for_config_entry(self._registry, self._entry.entry_id):
            extension = self._coordinator.extension_of(device)
            if extension is not None and extension not in chosen:
                self._registry.async_remove_device(device.id)

    @callback
    def follow(self) -> None:
        """Register what is new, and what has another name or firmware by now."""
        if self._info != self._coordinator.device_info:
            self._register_hub(self._coordinator.device_info)
        roster = self._coordinator.data.roster
        for number in self._named.keys() - roster.keys():
            self._remove_unlisted(number)
        for number, extension in roster.items():
            if self._named.get(number) != extension:
                self._register(extension)
        self._named = roster

    def _register_hub(self, info: DeviceInfo) -> None:
        client = self._coordinator.client
        self._info = info
        hub = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, self._coordinator.unique_id())},
            manufacturer=info.manufacturer or client.dialect.manufacturer,
            model=info.model,
            name=info.model or self._entry.title,
            serial_number=info.serial_number,
            hw_version=info.hardware_version,
            sw_version=info.firmware_version,
            configuration_url=str(client.web_page),
        )
        self._hub_id = hub.id

    def _register(self, extension: Extension) -> None:
        key = "named_extension" if extension.name else "extension"
        self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={(DOMAIN, self._coordinator.unique_id(extension.number))},
            translation_key=key,
            translation_placeholders={"number": extension.number, "name": extension.name or ""},
            via_device_id=self._hub_id,
        )

    def _remove_unlisted(self, number: str) -> None:
        """Remove a mailbox that only had messages for a while, not an extension that may return."""
        device = self._coordinator.device_of(number)
        if device and self._coordinator.is_unlisted(number):
            self._registry.async_remove_device(device.id)
