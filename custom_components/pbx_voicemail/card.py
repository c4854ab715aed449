"""Brings the dashboard card to browsers: serves it, and has dashboards load it."""

from functools import cache
from hashlib import sha256
import logging
from pathlib import Path, PurePosixPath
from typing import Final

from homeassistant.components.http import StaticPathConfig
from homeassistant.components.lovelace.const import LOVELACE_DATA
from homeassistant.components.lovelace.resources import ResourceStorageCollection
from homeassistant.const import CONF_ID, CONF_URL
from homeassistant.core import HomeAssistant

from .const import DOMAIN

_LOGGER = logging.getLogger(__name__)

_FOLDER: Final = Path(__file__).parent / "frontend"
_CARD: Final = "pbx-voicemail-card.js"
_BASE: Final = f"/{DOMAIN}_card"
STABLE_URL: Final = f"{_BASE}/latest/{_CARD}"
"""For dashboards in YAML, whose owner would not want to change it with each version."""


async def serve_card(hass: HomeAssistant) -> None:
    """Serve the card's modules, in a folder that changes with them, so that no old one is kept."""
    url = await hass.async_add_executor_job(_url)
    await hass.http.async_register_static_paths(
        [
            StaticPathConfig(str(PurePosixPath(path).parent), str(_FOLDER), cache_headers=is_new)
            for path, is_new in ((url, True), (STABLE_URL, False))
        ]
    )


async def offer_card(hass: HomeAssistant) -> None:
    """Have dashboards load the card, and no older one. A failure costs nothing but the card.

    There is no public way to do it; `frontend.add_extra_js_url` would not be waited for
    by dashboards, which then miss the card now and then.
    """
    try:
        await _set_resource(hass, await hass.async_add_executor_job(_url))
    except Exception:
        _LOGGER.exception("The voicemail card could not be added to dashboards")


async def withdraw_card(hass: HomeAssistant) -> None:
    """Have dashboards forget the card."""
    try:
        await _set_resource(hass, None)
    except Exception:
        _LOGGER.exception("The voicemail card could not be removed from dashboards")


async def _set_resource(hass: HomeAssistant, url: str | None) -> None:
    """Make the resources of dashboards hold the card once, or not at all without an address."""
    if (lovelace := hass.data.get(LOVELACE_DATA)) is None:
        return
    resources = lovelace.resources
    if not isinstance(resources, ResourceStorageCollection):
        if url and not any(item[CONF_URL].startswith(_BASE) for item in resources.async_items()):
            _LOGGER.warning(
                "Dashboards are configured in YAML: to use the voicemail card, add "
                "'{url: %s, type: module}' to the resources of lovelace in configuration.yaml",
                STABLE_URL,
            )
        return
    # Loads them, if nobody has yet.
    await resources.async_get_info()
    ours = [item for item in resources.async_items() if item[CONF_URL].startswith(_BASE)]
    for item in ours[1:] if url else ours:
        await resources.async_delete_item(item[CONF_ID])
    if url and not ours:
        await resources.async_create_item({"res_type": "module", CONF_URL: url})
    elif url and ours[0][CONF_URL] != url:
        await resources.async_update_item(ours[0][CONF_ID], {CONF_URL: url})


@cache
def _url() -> str:
    modules = sorted(_FOLDER.glob("*.js"))
    digest = sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()
    return f"{_BASE}/{digest[:12]}/{_CARD}"
