"""Brings the dashboard card to browsers: serves it, and has dashboards load it."""

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
_BASE: Final = f"/{DOMAIN}_card"
_URL: Final[HassKey[str]] = HassKey(f"{DOMAIN}_card_url")
_HAS_FAILED: Final[HassKey[bool]] = HassKey(f"{DOMAIN}_card_has_failed")
STABLE_URL: Final = f"{_BASE}/latest/{_CARD}"
"""For dashboards in YAML, whose owner would not want to change it with each version."""

_KEPT: Final = {CACHE_CONTROL: "public, max-age=2678400, immutable"}
# The frontend's service worker does not heed Cache-Control, but cannot keep what varies by anything.
_NOT_KEPT: Final = {CACHE_CONTROL: "no-cache", VARY: "*"}

_RETRY_MARK: Final = "data:text/javascript,/*pbx_voicemail*/"
RETRY_URL: Final = _RETRY_MARK + quote(
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
"""A module in itself, which loads the card for a page that could not.

A dashboard that is opened while Home Assistant starts asks for the card before this integration is
set up, gets 404, and never asks again. Nothing of ours can be served that early, so what tries again
has to be in the list of resources itself. It gives up after ten minutes, in case it is left behind.
"""


class _CardView(HomeAssistantView):
    """Serves the card's modules, in a folder that changes with them, so that no old one is kept.

    In any other folder, `latest` or that of another version, the card is a module that imports it
    from there, and is asked for each time.
    """

    url = f"{_BASE}/{{version}}/{{module}}"
    name = f"{DOMAIN}:card"
    requires_auth = False

    def __init__(self, version: str, modules: Mapping[str, bytes]) -> None:
        """Take the modules as they were when their version was made of them."""
        self._version = version
        self._modules = modules

    async def get(self, request: web.Request, version: str, module: str) -> web.Response:
        """Send a module."""
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
            headers=_KEPT if is_current else _NOT_KEPT,
        )
        response.enable_compression()
        return response


async def async_setup_frontend(hass: HomeAssistant) -> None:
    """Serve the card's modules."""
    modules = await hass.async_add_executor_job(_read_modules)
    version = sha256(b"".join(modules.values())).hexdigest()[:12]
    hass.data[_URL] = f"{_BASE}/{version}/{_CARD}"
    hass.http.register_view(_CardView(version, modules))


async def async_register_card(hass: HomeAssistant) -> None:
    """Have dashboards load the card, and no older one. A failure costs nothing but the card.

    There is no public way to add a resource to dashboards. `frontend.add_extra_js_url` is public,
    but adds to the page, which the frontend's service worker keeps: after an update the first load
    would still have the old address, or none after installation. It also makes every page load the
    card, and Chromecasts none: they know only resources. A page opened too early is helped by neither.
    """
    try:
        await _set_resources(hass, card=hass.data[_URL], retry=RETRY_URL)
    except Exception as err:  # noqa: BLE001
        # Once, not with each try to reach a PBX that is down.
        if not hass.data.get(_HAS_FAILED):
            _LOGGER.warning("The voicemail card could not be added to dashboards: %r", err)
        hass.data[_HAS_FAILED] = True


async def async_unregister_card(hass: HomeAssistant) -> None:
    """Have dashboards forget the card."""
    try:
        await _set_resources(hass, card=None, retry=None)
    except Exception as err:  # noqa: BLE001
        _LOGGER.warning("The voicemail card could not be removed from dashboards: %r", err)


async def _set_resources(hass: HomeAssistant, card: str | None, retry: str | None) -> None:
    """Make the resources of dashboards hold each of these once, or not at all if it is None."""
    # Internals, which may move: here that costs the card, at the top it would cost everything.
    from homeassistant.components.lovelace.const import LOVELACE_DATA  # noqa: PLC0415
    from homeassistant.components.lovelace.resources import ResourceStorageCollection  # noqa: PLC0415

    if (lovelace := hass.data.get(LOVELACE_DATA)) is None:
        return
    resources = lovelace.resources
    if not isinstance(resources, ResourceStorageCollection):
        if card and not any(item[CONF_URL].startswith(_BASE) for item in resources.async_items()):
            _LOGGER.warning(
                "Dashboards are configured in YAML: to use the voicemail card, add "
                "'{url: %s, type: module}' to the resources of lovelace in configuration.yaml",
                STABLE_URL,
            )
        return
    # Loads them, if nobody has yet.
    await resources.async_get_info()
    await _set_resource(resources, _BASE, card)
    await _set_resource(resources, _RETRY_MARK, retry)


async def _set_resource(resources: Any, prefix: str, url: str | None) -> None:
    """Make a collection of resources hold one address of those with a prefix, or none."""
    ours = [item for item in resources.async_items() if item[CONF_URL].startswith(prefix)]
    for item in ours[1:] if url else ours:
        await resources.async_delete_item(item[CONF_ID])
    if url and not ours:
        await resources.async_create_item({"res_type": "module", CONF_URL: url})
    elif url and ours[0][CONF_URL] != url:
        await resources.async_update_item(ours[0][CONF_ID], {CONF_URL: url})


def _read_modules() -> dict[str, bytes]:
    return {module.name: module.read_bytes() for module in sorted(_FOLDER.glob("*.js"))}
