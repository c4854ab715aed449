"""Media players that fetch recordings from Home Assistant, as real speakers do."""

from typing import Any, override

from aiohttp import ClientSession
from homeassistant.components import media_player, media_source
from homeassistant.components.media_player import (
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
    MediaType,
)
from homeassistant.config_entries import ConfigEntry, ConfigFlow
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    mock_config_flow,
    mock_integration,
    mock_platform,
    setup_test_component_platform,
)

_DOMAIN = "test"


class Speaker(MediaPlayerEntity):
    """A speaker that plays from when it has fetched a recording until `finish` is called."""

    _attr_has_entity_name = True
    _attr_name = None
    _attr_state = MediaPlayerState.IDLE
    _attr_supported_features = MediaPlayerEntityFeature.PLAY_MEDIA

    def __init__(self, name: str) -> None:
        self._attr_unique_id = name
        self._attr_device_info = DeviceInfo(identifiers={(_DOMAIN, name)}, name=name)
        self.played: list[str] = []
        self.fetched = 0
        self.is_broken = False

    @override
    async def async_play_media(
        self, media_type: MediaType | str, media_id: str, **kwargs: Any
    ) -> None:
        media = await media_source.async_resolve_media(self.hass, media_id, self.entity_id)
        url = media_player.async_process_play_media_url(self.hass, media.url)
        self.played.append(media_id)
        if self.is_broken:
            return
        async with ClientSession() as session, session.get(url) as response:
            response.raise_for_status()
            assert await response.read()
        self.fetched += 1
        self.set_state(MediaPlayerState.PLAYING)

    def finish(self, state: MediaPlayerState = MediaPlayerState.IDLE) -> None:
        """End the playback, or turn the speaker off."""
        self.set_state(state)

    def set_state(self, state: MediaPlayerState) -> None:
        self._attr_state = state
        self.async_write_ha_state()

    def set_available(self, available: bool) -> None:
        self._attr_available = available
        self.async_write_ha_state()


async def add_speakers(hass: HomeAssistant, areas: dict[str, str]) -> dict[str, Speaker]:
    """Set up speakers. `areas` are the names of their areas by their own names."""

    async def set_up(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        await hass.config_entries.async_forward_entry_setups(entry, [media_player.DOMAIN])
        return True

    speakers = {name: Speaker(name) for name in areas}
    mock_integration(hass, MockModule(_DOMAIN, async_setup_entry=set_up))
    mock_platform(hass, f"{_DOMAIN}.config_flow")
    setup_test_component_platform(
        hass, media_player.DOMAIN, [*speakers.values()], from_config_entry=True
    )
    entry = MockConfigEntry(domain=_DOMAIN)
    entry.add_to_hass(hass)
    with mock_config_flow(_DOMAIN, ConfigFlow):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for name, speaker in speakers.items():
        device = er.async_get(hass).entities[speaker.entity_id].device_id
        assert device
        area = ar.async_get(hass).async_get_or_create(areas[name])
        dr.async_get(hass).async_update_device(device, area_id=area.id)
    return speakers
