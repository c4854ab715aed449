"""Serving the card, and adding it to dashboards, updating it and removing it."""

from collections.abc import Callable
from http import HTTPStatus
import subprocess
import sys
from typing import Any

from homeassistant.components.lovelace.const import LOVELACE_DATA
from homeassistant.components.lovelace.resources import ResourceStorageCollection
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.pbx_voicemail import frontend as card
from tests.conftest import INTEGRATION
from tests.simulator import Simulator

FOLDER = INTEGRATION / "frontend"
REPOSITORY = INTEGRATION.parents[1]
OLD = "/pbx_voicemail_card/0123456789ab/pbx-voicemail-card.js"


@pytest.fixture
async def dashboards(hass: HomeAssistant) -> None:
    """Set up dashboards that are edited in the browser, as they are by default."""
    assert await async_setup_component(hass, "lovelace", {})


async def _resources(hass: HomeAssistant) -> list[dict[str, Any]]:
    resources = hass.data[LOVELACE_DATA].resources
    await resources.async_get_info()
    return [{"type": item["type"], "url": item["url"]} for item in resources.async_items()]


async def _set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_added_to_dashboards(
    hass: HomeAssistant,
    dashboards: None,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    await _set_up(hass, entry)
    resource, retry = await _resources(hass)
    assert resource["type"] == retry["type"] == "module"
    assert retry["url"] == card.RETRY_URL
    client = await hass_client_no_auth()
    modules = await hass.async_add_executor_job(lambda: list(FOLDER.glob("*.js")))
    assert resource["url"].rpartition("/")[2] in {module.name for module in modules}
    for module in modules:
        response = await client.get(f"{resource['url'].rpartition('/')[0]}/{module.name}")
        assert response.status == 200
        assert "javascript" in response.headers["Content-Type"]
        assert "max-age" in response.headers["Cache-Control"]
        assert await response.read() == await hass.async_add_executor_job(module.read_bytes)


async def test_old_version_is_replaced(
    hass: HomeAssistant, dashboards: None, entry: MockConfigEntry
) -> None:
    """After an update, the resource of the old version is replaced."""
    resources = hass.data[LOVELACE_DATA].resources
    assert isinstance(resources, ResourceStorageCollection)
    for url in "/local/another.js", OLD, OLD.replace("0", "1"), f"{card.RETRY_URL}//old":
        await resources.async_create_item({"res_type": "module", "url": url})
    await _set_up(hass, entry)
    for _ in range(2):
        another, url, retry = [resource["url"] for resource in await _resources(hass)]
        assert another == "/local/another.js"
        assert url.startswith("/pbx_voicemail_card/")
        assert "0123456789ab" not in url
        assert retry == card.RETRY_URL
        await hass.config_entries.async_reload(entry.entry_id)


async def test_removed_with_the_last_pbx(
    hass: HomeAssistant, dashboards: None, entry: MockConfigEntry
) -> None:
    await _set_up(hass, entry)
    other = MockConfigEntry(
        domain="pbx_voicemail", unique_id="other", minor_version=2, data={**entry.data}
    )
    other.add_to_hass(hass)
    await hass.config_entries.async_remove(entry.entry_id)
    assert len(await _resources(hass)) == 2
    await hass.config_entries.async_remove(other.entry_id)
    assert await _resources(hass) == []


async def test_added_again_with_the_next_pbx(
    hass: HomeAssistant, dashboards: None, entry: MockConfigEntry
) -> None:
    """Without a restart."""
    await _set_up(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    again = MockConfigEntry(
        domain="pbx_voicemail", unique_id="again", minor_version=2, data={**entry.data}
    )
    again.add_to_hass(hass)
    await _set_up(hass, again)
    assert len(await _resources(hass)) == 2


@pytest.mark.parametrize("added", [False, True])
async def test_dashboards_in_yaml(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    added: bool,
) -> None:
    """A warning says which resource to add, until it is added."""
    resources = [{"url": card.STABLE_URL, "type": "module"}] if added else []
    lovelace = {"mode": "storage", "resource_mode": "yaml", "resources": resources}
    assert await async_setup_component(hass, "lovelace", {"lovelace": lovelace})
    await _set_up(hass, entry)
    logged = [record.message for record in caplog.records if record.name == card.__name__]
    assert len(logged) == (0 if added else 1)
    assert all(card.STABLE_URL in line and "configuration.yaml" in line for line in logged)
    response = await (await hass_client_no_auth()).get(card.STABLE_URL)
    assert response.status == 200
    await hass.config_entries.async_remove(entry.entry_id)


async def test_no_dashboards(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await _set_up(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)


async def test_added_while_the_pbx_is_unavailable(
    hass: HomeAssistant, dashboards: None, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """The card shows that the PBX is unavailable, so it has to be updated all the same."""
    resources = hass.data[LOVELACE_DATA].resources
    assert isinstance(resources, ResourceStorageCollection)
    await resources.async_create_item({"res_type": "module", "url": OLD})
    await pbx.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert OLD not in [resource["url"] for resource in await _resources(hass)]


@pytest.mark.parametrize("url", [card.STABLE_URL, OLD])
async def test_old_versions_load_the_current_card(
    hass: HomeAssistant,
    dashboards: None,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    url: str,
) -> None:
    """URLs of other versions load this version, and are not cached."""
    await _set_up(hass, entry)
    current = (await _resources(hass))[0]["url"]
    client = await hass_client_no_auth()
    response = await client.get(url)
    assert response.status == HTTPStatus.OK
    assert "javascript" in response.headers["Content-Type"]
    assert response.headers["Cache-Control"] == "no-cache"
    # Prevents the frontend's service worker from caching it, which ignores Cache-Control.
    assert response.headers["Vary"] == "*"
    imported = (await response.text()).removeprefix('import "').removesuffix('";\n')
    assert str(response.url.join(URL(imported)).path) == current
    # A browser that has cached the old card may still request its modules.
    response = await client.get(f"{url.rpartition('/')[0]}/inbox.js")
    assert response.status == HTTPStatus.OK
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["", "latest", "latest/", "latest/..%2fcard.py", "latest/card.py", "%2e%2e/card.py", "a/b/c"],
)
async def test_other_files_are_not_served(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    path: str,
) -> None:
    await _set_up(hass, entry)
    client = await hass_client_no_auth()
    response = await client.get(URL(f"/pbx_voicemail_card/{path}", encoded=True))
    assert response.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


def _rename(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up dashboards with changed internals."""
    monkeypatch.delattr(type(hass.data[LOVELACE_DATA].resources), "async_get_info")


def _move(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up dashboards whose internals have been moved."""
    for module in "const", "resources":
        monkeypatch.setitem(sys.modules, f"homeassistant.components.lovelace.{module}", None)


@pytest.mark.parametrize("change", [_rename, _move])
async def test_failure_only_affects_the_card(
    hass: HomeAssistant,
    dashboards: None,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[HomeAssistant, pytest.MonkeyPatch], None],
) -> None:
    """It is logged once for all attempts to set up, and once for the removal."""
    change(hass, monkeypatch)
    await _set_up(hass, entry)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.config_entries.async_remove(entry.entry_id)
    logged = [record for record in caplog.records if record.name == card.__name__]
    assert len(logged) == 2
    assert not any(record.exc_info for record in logged)


def test_no_imports_of_lovelace_internals() -> None:
    """If they are moved, the integration can still be imported."""
    program = (
        "import sys;"
        "sys.modules |= dict.fromkeys(['homeassistant.components.lovelace.const',"
        " 'homeassistant.components.lovelace.resources']);"
        "import custom_components.pbx_voicemail"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
