"""What an owner of a P-Series can attach to a public report."""

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from ..simulator import PSeriesSimulator
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET


async def test_diagnostics(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    p_series: PSeriesSimulator,
    p_series_connected: MockConfigEntry,
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    path = f"/api/diagnostics/config_entry/{p_series_connected.entry_id}"
    response = await (await hass_client()).get(path)
    shown = (await response.json())["data"]
    pbx = shown["pbx"]
    assert 0 < pbx.pop("requests_of_last_poll") <= pbx.pop("requests")
    # It may not have connected yet.
    assert pbx.pop("is_listening") in (True, False)
    assert pbx == {
        "family": "p_series",
        "model": "P-Series Software Edition",
        "hardware_version": None,
        "firmware_version": "83.20.0.21",
        "logins": 1,
        "groups": 1,
        "without_mailbox": 1,
        "incomplete_mailboxes": 0,
    }
    assert shown["settings"]["signs_in"] is True
    assert shown["counts"]["messages"] == [2, 2, 3]
    assert [poll["error"] for poll in shown["last_polls"]] == [None] * len(shown["last_polls"])
    # Sizes and times may be any numbers.
    del shown["last_polls"]
    for private in (CLIENT_ID, CLIENT_SECRET, p_series.serial_number, "7001", "127.0.0.1"):
        assert private not in str(shown)
