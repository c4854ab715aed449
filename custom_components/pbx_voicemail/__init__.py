"""Voicemail of a PBX in Home Assistant."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .config.migration import async_migrate
from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .devices import async_register_devices
from .frontend import async_register_card, async_setup_frontend, async_unregister_card
from .http import RecordingView
from .identifiers import extension_of
from .issues import Issue, async_delete_issues
from .services import async_setup_services
from .voicemail.arrivals import Arrivals
from .voicemail.cleanup import async_delete_stored_data
from .voicemail.phone_book import PhoneBook
from .websocket_api import async_setup_websocket_api

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

_PLATFORMS = [Platform.BINARY_SENSOR, Platform.BUTTON, Platform.EVENT, Platform.SENSOR]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what exists once for all PBXs."""
    async_setup_services(hass)
    async_setup_websocket_api(hass)
    hass.http.register_view(RecordingView(hass))
    await async_setup_frontend(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> bool:
    """Connect to one PBX."""
    # First: the card is there to say so if the PBX cannot be reached.
    await async_register_card(hass)
    coordinator = await PbxCoordinator.async_create(hass, entry)
    try:
        await coordinator.async_config_entry_first_refresh()
    except HomeAssistantError:
        # The next try signs in anew, and must not leave a token behind each time.
        await coordinator.requests.async_close()
        raise
    entry.runtime_data = coordinator
    await coordinator.async_load()
    async_register_devices(coordinator)
    await hass.config_entries.async_forward_entry_setups(entry, _PLATFORMS)
    return True


async def async_migrate_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> bool:
    """Migrate an entry of an earlier version."""
    return async_migrate(hass, entry)


async def async_unload_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> bool:
    """Disconnect from it."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, _PLATFORMS)
    if unloaded:
        await entry.runtime_data.async_save()
    if entry.disabled_by:
        # What comes while a person does not want to know is not new later.
        async_delete_issues(hass, entry, *Issue)
        await entry.runtime_data.arrivals.async_pause()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> None:
    """Delete repair issues, and what was stored for the entry."""
    async_delete_issues(hass, entry, *Issue)
    await Arrivals(hass, entry.entry_id, ()).async_remove()
    await async_delete_stored_data(hass, entry.entry_id)
    await PhoneBook(hass, entry.entry_id).async_remove()
    if not hass.config_entries.async_entries(DOMAIN):
        await async_unregister_card(hass)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: PbxConfigEntry, device: DeviceEntry
) -> bool:
    """Let a person remove an extension that the PBX does not have any more."""
    extension = extension_of(entry, device)
    if extension is None or entry.state is not ConfigEntryState.LOADED:
        return extension is not None
    return entry.runtime_data.async_forget(extension)
