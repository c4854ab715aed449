"""Serves the dashboard card, and adds it to the resources of dashboards."""

from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
import logging
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL, VARY
from homeassistant.components.http import HomeAssistantView
from homeassistant.const import CONF_ID, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN

_LOGGER = logging.getLogger(__name__)

_FOLDER: Final = Path(__file__).parent
_CARD: Final = "pbx-voicemail-card.js"
_BASE_URL: Final = f"/{DOMAIN}_card"
_URL: Final[HassKey[str]] = HassKey(f"{DOMAIN}_card_url")
_HAS_FAILED: Final[HassKey[bool]] = HassKey(f"{DOMAIN}_card_has_failed")
STABLE_URL: Final = f"{_BASE_URL}/latest/{_CARD}"
"""For dashboards that are configured in YAML: it does not change with each version."""

_CACHED_HEADERS: Final = {CACHE_CONTROL: "public, max-age=2678400, immutable"}
# The frontend's service worker ignores Cache-Control, but does not cache what has `Vary: *`.
_UNCACHED_HEADERS: Final = {CACHE_CONTROL: "no-cache", VARY: "*"}

_RETRY_PREFIX: Final = "data:text/javascript,/*pbx_voicemail*/"
RETRY_URL: Final = _RETRY_PREFIX + quote(
    f"""\
let tries = 60;
const load = (pause) =>
  customElements.get("pbx-voicemail-card") ||
  import(`${{location.origin}}{STABLE_URL}?${{Date.now()}}`).catch(
    () => (tries -= 1) && setTimeout(load, pause, Math.min(pause * 1.5, 10000)),
  );
setTimeout(load, 2000, 1000);""",
    safe="/:;,?!*'()=",
)
"""A module in a data URL, which loads the card if the page could not.

A dashboard that is opened while Home Assistant starts requests the card before this integration is
set up, gets 404, and does not try again. Nothing can be served that early, so the retry has to be a
resource itself. It gives up after ten minutes, in case it is still there when the card is not.
"""


class _CardView(HomeAssistantView):
    """Serves the card's modules, at URLs that contain their version so that they can be cached.

    For any other version, such as `latest`, it serves a module that imports the current card, and
    is not cached.
    """

    url = f"{_BASE_URL}/{{version}}/{{module}}"
    name = f"{DOMAIN}:card"
    requires_auth = False

    def __init__(self, version: str, modules: Mapping[str, bytes]) -> None:
        """Serve modules by name; `version` has to change when they do."""
        self._version = version
        self._modules = modules

    async def get(self, request: web.Request, version: str, module: str) -> web.Response:
        """Return a module."""
        body = self._modules.get(module)
        if body is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        is_current = version == self._version
        if module == _CARD and not is_current:
            body = f'import "../{self._version}/{_CARD}";\n'.encode()
        response = web.Response(
            body=body,
            content_type="text/javascript",
            charset="utf-8",
            headers=_CACHED_HEADERS if is_current else _UNCACHED_HEADERS,
        )
        response.enable_compression()
        return response


async def async_setup_frontend(hass: HomeAssistant) -> None:
    """Serve the card's modules."""
    modules = await hass.async_add_executor_job(_read_modules)
    version = sha256(b"".join(modules.values())).hexdigest()[:12]
    hass.data[_URL] = f"{_BASE_URL}/{version}/{_CARD}"
    hass.http.register_view(_CardView(version, modules))


async def async_register_card(hass: HomeAssistant) -> None:
    """Add the card to dashboards, and remove older versions. A failure is only logged.

    Home Assistant has no public API for dashboard resources. `frontend.add_extra_js_url` is public,
    but changes the page, which the frontend's service worker caches: the first page load after an
    update or an installation would not have the new card. It also makes every page load the card,
    but not Chromecasts, which only use resources. Neither helps a page that is opened too early.
    """
    try:
        await _set_resources(hass, card=hass.data[_URL], retry=RETRY_URL)
    except Exception as err:  # noqa: BLE001
        # Once, not with each attempt to set up a PBX that is down.
        if not hass.data.get(_HAS_FAILED):
            _LOGGER.warning("The voicemail card could not be added to dashboards: %r", err)
        hass.data[_HAS_FAILED] = True


async def async_unregister_card(hass: HomeAssistant) -> None:
    """Remove the card from dashboards. A failure is only logged."""
    try:
        await _set_resources(hass, card=None, retry=None)
    except Exception as err:  # noqa: BLE001
        _LOGGER.warning("The voicemail card could not be removed from dashboards: %r", err)


async def _set_resources(hass: HomeAssistant, card: str | None, retry: str | None) -> None:
    """Set the resource URLs of the card and of the retry module; None removes them."""
    # Not public: if they move, importing them here only breaks the card.
    from homeassistant.components.lovelace.const import LOVELACE_DATA  # noqa: PLC0415
    from homeassistant.components.lovelace.resources import ResourceStorageCollection  # noqa: PLC0415

    if (lovelace := hass.data.get(LOVELACE_DATA)) is None:
        return
    resources = lovelace.resources
    if not isinstance(resources, ResourceStorageCollection):
        if card and not any(
            item[CONF_URL].startswith(_BASE_URL) for item in resources.async_items()
        ):
            _LOGGER.warning(
                "Dashboards are configured in YAML: to use the voicemail card, add "
                "'{url: %s, type: module}' to the resources of lovelace in configuration.yaml",
                STABLE_URL,
            )
        return
    # Loads the resources if they are not loaded yet.
    await resources.async_get_info()
    await _set_resource(resources, _BASE_URL, card)
    await _set_resource(resources, _RETRY_PREFIX, retry)


async def _set_resource(resources: Any, prefix: str, url: str | None) -> None:
    """Replace all resource URLs that start with a prefix by one URL, or remove them."""
    ours = [item for item in resources.async_items() if item[CONF_URL].startswith(prefix)]
    for item in ours[1:] if url else ours:
        await resources.async_delete_item(item[CONF_ID])
    if url and not ours:
        await resources.async_create_item({"res_type": "module", CONF_URL: url})
    elif url and ours[0][CONF_URL] != url:
        await resources.async_update_item(ours[0][CONF_ID], {CONF_URL: url})


def _read_modules() -> dict[str, bytes]:
    return {module.name: module.read_bytes() for module in sorted(_FOLDER.glob("*.js"))}
