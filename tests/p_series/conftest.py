"""A simulated P-Series, and Home Assistant connected to it."""

from collections.abc import AsyncIterator
from pathlib import Path
import shutil

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from ..conftest import EXTENSIONS, FIXTURES
from ..simulator import PSeriesSimulator, Spool
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET, Group

SALES = "6400"


@pytest.fixture
async def p_series(socket_enabled: None, tmp_path: Path) -> AsyncIterator[PSeriesSimulator]:
    """Run a P-Series with the recorded mailboxes, and a group that shares one."""
    shutil.copytree(FIXTURES / "asterisk-voicemail", tmp_path / "spool")
    async with PSeriesSimulator(
        Spool(tmp_path / "spool"),
        extensions=dict(EXTENSIONS),
        groups=[
            Group(number=SALES, name="Sales"),
            Group(number="6401", name="All", mode="broadcast"),
        ],
        without_mailbox={"104"},
    ) as simulator:
        yield simulator


@pytest.fixture
def p_series_entry(hass: HomeAssistant, p_series: PSeriesSimulator) -> MockConfigEntry:
    """Configure the P-Series, without setting it up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="P-Series",
        unique_id=p_series.serial_number,
        minor_version=2,
        data={
            "host": "127.0.0.1",
            "port": p_series.port,
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "family": "p_series",
            "credentials": {"username": CLIENT_ID, "secret": CLIENT_SECRET},
            "remembered": {},
        },
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def p_series_connected(
    hass: HomeAssistant, p_series_entry: MockConfigEntry
) -> AsyncIterator[MockConfigEntry]:
    """Set the P-Series up, and disconnect it in the end."""
    assert await hass.config_entries.async_setup(p_series_entry.entry_id)
    await hass.async_block_till_done()
    yield p_series_entry
    await hass.config_entries.async_unload(p_series_entry.entry_id)
