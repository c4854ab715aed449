"""A PBX whose messages can be transcribed."""

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.engines import STT_ENGINE, SttEngine, add_engine

from .helpers import Announced


@pytest.fixture
async def stt_engine(hass: HomeAssistant) -> SttEngine:
    """Set up a speech-to-text engine like Whisper."""
    stt_engine = SttEngine()
    await add_engine(hass, stt_engine)
    return stt_engine


@pytest.fixture
async def transcribing(
    hass: HomeAssistant, entry: MockConfigEntry, stt_engine: SttEngine
) -> MockConfigEntry:
    """Set up the PBX so that new messages are transcribed before they are announced."""
    options = {"transcriber": STT_ENGINE, "transcript_language": "de", "transcript_limit": 20}
    hass.config_entries.async_update_entry(entry, options=options)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def announced(hass: HomeAssistant) -> Announced:
    return Announced(hass)
