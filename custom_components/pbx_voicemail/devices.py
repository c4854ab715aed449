"""The devices of a PBX and of its extensions."""

from collections.abc import Mapping

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo

from .coordinator import PbxCoordinator, chosen_extensions
from .identifiers import device_identifier, device_of, extension_of, mac_connection
from .pbx import Extension, PbxInfo


def hub_device_info(coordinator: PbxCoordinator) -> DeviceInfo:
    """Return the device of the PBX."""
    entry, info = coordinator.config_entry, coordinator.data.info
    return DeviceInfo(
        identifiers={device_identifier(entry)},
        connections={mac_connection(info.mac_address)} if info.mac_address else set(),
        manufacturer=info.manufacturer,
        model=info.model,
        name=info.model or entry.title,
        serial_number=info.serial_number,
        hw_version=info.hardware_version,
        sw_version=info.firmware_version,
        configuration_url=str(info.web_page) if info.web_page else None,
    )


def extension_device_info(coordinator: PbxCoordinator, number: str) -> DeviceInfo:
    """Return the device of an extension, linked to that of the PBX if it is registered."""
    entry = coordinator.config_entry
    extension = coordinator.data.roster.get(number) or Extension(number)
    hub = device_of(coordinator.hass, entry)
    info = DeviceInfo(
        identifiers={device_identifier(entry, number)},
        translation_key="named_extension" if extension.name else "extension",
        translation_placeholders={"number": number, "name": extension.name or ""},
    )
    if hub:
        info["via_device_id"] = hub.id
    return info


@callback
def async_register_devices(coordinator: PbxCoordinator) -> None:
    """Register the device of the PBX, and update all devices until the entry is unloaded."""
    devices = _Devices(coordinator)
    devices.async_remove_unchosen()
    devices.async_update()
    entry = coordinator.config_entry
    entry.async_on_unload(coordinator.async_add_listener(devices.async_update))
    entry.async_on_unload(devices.async_remove_deselected)


class _Devices:
    def __init__(self, coordinator: PbxCoordinator) -> None:
        self._coordinator = coordinator
        self._entry = coordinator.config_entry
        self._registry = dr.async_get(coordinator.hass)
        self._info: PbxInfo | None = None
        self._roster: Mapping[str, Extension] = coordinator.data.roster
        self._seen = dict(self._roster)
        """All extensions since the start. An extension keeps its device when it leaves."""

    @callback
    def async_remove_unchosen(self) -> None:
        """Remove the devices of extensions that the user no longer chooses."""
        chosen = self._coordinator.chosen
        if not chosen:
            return
        for device in dr.async_entries_for_config_entry(self._registry, self._entry.entry_id):
            extension = extension_of(self._entry, device)
            if extension is not None and extension not in chosen:
                self._registry.async_remove_device(device.id)

    @callback
    def async_remove_deselected(self) -> None:
        """Remove the devices of extensions that only the choice brought in, if it has changed.

        New options reload the entry. Without a choice in them, the next setup could not tell
        these from extensions that have left the PBX and may return.
        """
        still_chosen = chosen_extensions(self._entry)
        for number in self._coordinator.chosen:
            device = device_of(self._coordinator.hass, self._entry, number)
            if number not in still_chosen and self._coordinator.async_forget(number) and device:
                self._registry.async_remove_device(device.id)

    @callback
    def async_update(self) -> None:
        """Update the devices whose names or versions have changed.

        The device of an extension is registered with its entities, which takes longer.
        """
        if self._info != self._coordinator.data.info:
            self._info = self._coordinator.data.info
            self._register(hub_device_info(self._coordinator))
        roster = self._coordinator.data.roster
        if roster is self._roster:
            return
        for number in self._roster.keys() - roster.keys():
            self._remove_unlisted(number)
        for number, extension in roster.items():
            if self._seen.get(number, extension) != extension:
                self._register(extension_device_info(self._coordinator, number))
        self._seen.update(roster)
        self._roster = roster

    def _register(self, info: DeviceInfo) -> None:
        self._registry.async_get_or_create(config_entry_id=self._entry.entry_id, **info)

    def _remove_unlisted(self, number: str) -> None:
        """Remove the device of an extension that was never on the PBX's extension list."""
        device = device_of(self._coordinator.hass, self._entry, number)
        if device and self._coordinator.is_unlisted(number):
            self._registry.async_remove_device(device.id)
            del self._seen[number]
