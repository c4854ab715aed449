"""Messages that were announced without a transcript get one later."""

import asyncio
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.pbx_voicemail.pbx import Message
from custom_components.pbx_voicemail.voicemail import transcript_retries
from custom_components.pbx_voicemail.voicemail.transcript_retries import TranscriptRetries
from tests.conftest import FIXTURES
from tests.engines import STT_ENGINE, SttEngine, add_engine
from tests.helpers import leave_message, poll
from tests.simulator import Simulator

from .helpers import TEXT, Announced, get_texts, pass_time

GSM = FIXTURES / "recordings" / "gsm.wav"


async def test_engine_becomes_available(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, announced: Announced
) -> None:
    """Messages that were announced without a transcript get one, in order, and no second event."""
    hass.config_entries.async_update_entry(entry, options={"transcriber": STT_ENGINE})
    await hass.config_entries.async_setup(entry.entry_id)
    for caller in "1", "2", "3":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    assert announced.messages == [("1", None), ("2", None), ("3", None)]

    changes = []
    entry.runtime_data.async_add_listener(
        lambda: changes.append(dict(entry.runtime_data.transcripts.revisions))
    )
    stt_engine = SttEngine()
    await add_engine(hass, stt_engine)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert await get_texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    # The card gets each of them.
    assert changes == [{"104": 1}, {"104": 2}, {"104": 3}]
    assert len(announced.messages) == 3
    await leave_message(pbx, "104", "4")
    await poll(hass)
    assert announced.messages[3:] == [("4", TEXT)]
    assert len(stt_engine.received) == 4


async def test_failing_engine_is_retried_with_growing_delay(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """An engine that is available all the time, but fails, is tried less and less often."""
    stt_engine.text = None
    for caller in "1", "2", "3":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    assert len(announced.messages) == 3
    tried = []
    for pause in 31, 61, 61, 121, 241:
        before = len(stt_engine.received)
        await pass_time(hass, pause)
        tried.append(len(stt_engine.received) - before)
    # After two failures in a row it is the engine that fails, so the third message is not tried.
    assert tried == [2, 2, 0, 2, 2]
    stt_engine.text = TEXT
    await pass_time(hass, 481)
    assert await get_texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    assert len(announced.messages) == 3


async def test_successful_arrival_retries_others(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """Then the others are retried at once."""
    stt_engine.text = None
    for caller in "1", "2":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    for pause in 31, 61, 121:
        await pass_time(hass, pause)
    stt_engine.text = TEXT
    await leave_message(pbx, "104", "3")
    await poll(hass)
    assert await get_texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    assert announced.messages == [("1", None), ("2", None), ("3", TEXT)]


async def test_late_transcript_is_stored(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    hass.config_entries.async_update_entry(
        transcribing, options={**transcribing.options, "transcript_limit": 0.05}
    )
    await hass.config_entries.async_reload(transcribing.entry_id)
    stt_engine.may_respond.clear()
    for caller in "1", "2":
        await leave_message(pbx, "104", caller)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    while len(announced.messages) < 2:
        await asyncio.sleep(0.01)
    stt_engine.may_respond.set()
    await pass_time(hass, 31)
    assert await get_texts(hass) == {"1": TEXT, "2": TEXT}
    assert announced.messages == [("1", None), ("2", None)]
    assert len(stt_engine.received) == 2


async def test_permanent_error_is_not_retried(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    no_ffmpeg: None,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """It does not prevent other messages from being transcribed."""
    await leave_message(pbx, "104", "1", recording=GSM)
    stt_engine.text = None
    await leave_message(pbx, "104", "2")
    await poll(hass)
    stt_engine.text = TEXT
    await pass_time(hass, 31)
    assert await get_texts(hass) == {"1": None, "2": TEXT}
    await hass.config_entries.async_unload(transcribing.entry_id)
    key = hass_storage[f"pbx_voicemail.{transcribing.entry_id}.transcripts"]["data"]
    assert [entry["text"] for entry in key.values()] == [TEXT]


async def test_maximum_number_of_attempts(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript_retries, "_MAX_ATTEMPTS", 3)
    stt_engine.text = None
    await leave_message(pbx, "104")
    await poll(hass)
    for pause in 31, 61, 121:
        await pass_time(hass, pause)
    tried = len(stt_engine.received)
    await pass_time(hass, 3601)
    assert len(stt_engine.received) == tried == 4


async def test_retried_after_a_restart(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """Messages that were deleted meanwhile are not."""
    stt_engine.text = None
    for caller in "1", "2", "3":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    await hass.config_entries.async_unload(transcribing.entry_id)
    pbx.spool.delete("104", "msg0002")
    stt_engine.text = TEXT
    await hass.config_entries.async_setup(transcribing.entry_id)
    await pass_time(hass, 31)
    assert await get_texts(hass) == {"1": TEXT, "2": TEXT}
    assert len(announced.messages) == 3


async def test_not_retried_without_an_engine(
    hass: HomeAssistant, pbx: Simulator, transcribing: MockConfigEntry, stt_engine: SttEngine
) -> None:
    stt_engine.text = None
    await leave_message(pbx, "104")
    await poll(hass)
    hass.config_entries.async_update_entry(transcribing, options={})
    await hass.config_entries.async_reload(transcribing.entry_id)
    stt_engine.text = TEXT
    await pass_time(hass, 3601)
    assert await get_texts(hass) == {"6000": None}


async def test_message_deleted_while_the_engine_fails(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    stt_engine.text = None
    stt_engine.may_respond.clear()
    await leave_message(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    pbx.spool.delete("104", "msg0000")
    await transcribing.runtime_data.async_refresh()
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await pass_time(hass, 31)
    assert announced.messages == [("6000", None)]
    assert len(stt_engine.received) == 1


async def test_message_deleted_during_a_retry(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """While it or another message is being transcribed."""
    stt_engine.text = None
    for caller in "1", "2":
        await leave_message(pbx, "104", caller)
    await poll(hass)
    stt_engine.may_respond.clear()
    stt_engine.has_received.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await stt_engine.has_received.wait()
    for name in "msg0001", "msg0000":
        pbx.spool.delete("104", name)
    await transcribing.runtime_data.async_refresh()
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    tried = len(stt_engine.received)
    await pass_time(hass, 3601)
    assert len(stt_engine.received) == tried
    await hass.config_entries.async_unload(transcribing.entry_id)
    key = hass_storage[f"pbx_voicemail.{transcribing.entry_id}.transcripts"]["data"]
    assert key == {}


async def test_without_an_engine(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A message waits for one, but no timer does: it would go on after the entry is unloaded."""

    async def transcribe(message: Message) -> None:
        pytest.fail("there is no engine")

    retries = TranscriptRetries(hass, entry, None, transcribe)
    retries.async_add(Message("1", "101"))
    assert retries.message_ids == ("1",)
