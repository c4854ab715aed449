"""Voicemail of an office PBX in Home Assistant."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .config.client import time_zone_of
from .const import DOMAIN
from .coordinator import PbxCoordinator, extension_of
from .devices import register_devices
from .frontend import offer_card, serve_card, withdraw_card
from .http import RecordingView
from .issues import Issue, settle
from .runtime import PbxConfigEntry, PbxRuntime, remove_kept
from .services import register_actions
from .voicemail.arrivals import Arrivals
from .websocket_api import register_commands

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

_PLATFORMS = [Platform.BINARY_SENSOR, Platform.EVENT, Platform.SENSOR]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Offer what there is once for all PBXs."""
    register_actions(hass)
    register_commands(hass)
    hass.http.register_view(RecordingView(hass))
    await serve_card(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> bool:
    """Connect to one PBX."""
    # First: the card is there to say so if the PBX cannot be reached.
    await offer_card(hass)
    coordinator = PbxCoordinator(hass, entry, await time_zone_of(entry.options))
    try:
        await coordinator.async_config_entry_first_refresh()
    except HomeAssistantError:
        # The next try signs in anew, and must not leave a token behind each time.
        await coordinator.client.sign_out()
        raise
    entry.runtime_data = PbxRuntime(coordinator)
    await entry.runtime_data.begin()
    register_devices(coordinator)
    await hass.config_entries.async_forward_entry_setups(entry, _PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> bool:
    """Disconnect from it."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, _PLATFORMS)
    if unloaded:
        await entry.runtime_data.end()
    if entry.disabled_by:
        # What comes while nobody wants to hear of it is no news later.
        settle(hass, entry, *Issue)
        await entry.runtime_data.coordinator.arrivals.pause()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: PbxConfigEntry) -> None:
    """Forget what there was to mend, what was announced, and what was kept of messages."""
    settle(hass, entry, *Issue)
    await Arrivals(hass, entry.entry_id, ()).remove()
    await remove_kept(hass, entry.entry_id)
    if not hass.config_entries.async_entries(DOMAIN):
        await withdraw_card(hass)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: PbxConfigEntry, device: DeviceEntry
) -> bool:
    """Let a person remove an extension that the PBX does not have any more."""
    extension = extension_of(entry, device)
    if extension is None or entry.state is not ConfigEntryState.LOADED:
        return extension is not None
    return entry.runtime_data.coordinator.forget(extension)
