"""What is said in a message, in writing: by any engine, kept, and in time for an announcement."""

import asyncio
from datetime import timedelta
from typing import Any
import wave

import audioop
from homeassistant.components import stt
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.pbx_voicemail import transcription

from .conftest import FIXTURES
from .engines import AI_TASK, ENGINE, AiTask, Ear, connect
from .living import act, latest_of, leave, message_of, poll, state_of
from .simulator import Simulator

RECORDED = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"
GSM = FIXTURES / "recordings" / "gsm.wav"
TEXT = "Please call me back."
EVENT = "event.extension_104_new_message"


def _samples() -> bytes:
    with wave.open(str(RECORDED)) as audio:
        return bytes(audio.readframes(audio.getnframes()))


@pytest.fixture
async def ear(hass: HomeAssistant) -> Ear:
    """Have a speech-to-text engine like Whisper."""
    ear = Ear()
    await connect(hass, ear)
    return ear


async def _transcribe(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    message_id = (await message_of(hass, "7001"))["message_id"]
    return await act(hass, "transcribe_message", message_id=message_id, **data)


async def test_transcribed(hass: HomeAssistant, connected: MockConfigEntry, ear: Ear) -> None:
    answer = await _transcribe(hass)
    assert 0 <= answer.pop("seconds") < 10
    assert answer == {"text": TEXT, "engine": ENGINE, "language": "en"}
    ((metadata, heard),) = ear.heard
    assert metadata == stt.SpeechMetadata(
        language="en-US",
        format=stt.AudioFormats.WAV,
        codec=stt.AudioCodecs.PCM,
        bit_rate=stt.AudioBitRates.BITRATE_16,
        sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
        channel=stt.AudioChannels.CHANNEL_MONO,
    )
    # Twice as many samples, and every other one as it was.
    samples = _samples()
    assert len(heard) == pytest.approx(2 * len(samples), abs=4)
    every_other, _ = audioop.ratecv(heard, 2, 1, 16000, 8000, None)
    assert audioop.rms(every_other, 2) == pytest.approx(audioop.rms(samples, 2), rel=0.02)


@pytest.mark.parametrize(
    ("rates", "channels", "frame"),
    [
        ([8000, 16000], [1, 2], 2),
        ([8000], [2], 4),
    ],
)
async def test_as_the_engine_takes_it(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    rates: list[int],
    channels: list[int],
    frame: int,
) -> None:
    ear = Ear(
        rates=[stt.AudioSampleRates(rate) for rate in rates],
        channels=[stt.AudioChannels(channel) for channel in channels],
    )
    await connect(hass, ear)
    await _transcribe(hass)
    ((_, heard),) = ear.heard
    assert len(heard) == len(_samples()) // 2 * frame
    assert (audioop.tomono(heard, 2, 1, 0) if frame == 4 else heard) == _samples()


async def test_language(hass: HomeAssistant, connected: MockConfigEntry, ear: Ear) -> None:
    hass.config.country = "GB"
    await _transcribe(hass)
    await _transcribe(hass, language="de")
    assert [metadata.language for metadata, _ in ear.heard] == ["en-GB", "de-DE"]
    with pytest.raises(HomeAssistantError, match="does not understand the language fr"):
        await _transcribe(hass, language="fr")


async def test_ai_task(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    task = AiTask()
    await connect(hass, task)
    answer = await _transcribe(hass, engine=AI_TASK, language="de")
    assert (answer["text"], answer["engine"]) == (TEXT, AI_TASK)
    ((instructions, mime_type, audio),) = task.heard
    assert "probably de" in instructions
    assert mime_type == "audio/wav"
    assert audio == await asyncio.to_thread(RECORDED.read_bytes)


async def test_ai_task_for_one_who_may_hear_it(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await connect(hass, AiTask())
    client = await hass_ws_client(hass, restricted_token)
    for extension, may in ("101", True), ("103", False):
        await client.send_json_auto_id(
            {
                "type": "call_service",
                "domain": "pbx_voicemail",
                "service": "transcribe_message",
                "service_data": {
                    "message_id": await latest_of(hass, extension),
                    "engine": AI_TASK,
                },
                "return_response": True,
            }
        )
        assert (await client.receive_json())["success"] is may


async def test_ai_task_whoever_had_the_pbx_asked(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A user without permission finds an arrival by chance: it is written down for all the same."""
    await connect(hass, AiTask())
    hass.config_entries.async_update_entry(connected, options={"transcriber": AI_TASK})
    await hass.config_entries.async_reload(connected.entry_id)
    client = await hass_ws_client(hass, restricted_token)
    await leave(pbx, "103")
    await client.send_json_auto_id(
        {
            "type": "call_service",
            "domain": "homeassistant",
            "service": "update_entity",
            "service_data": {"entity_id": "sensor.workshop_102_messages"},
        }
    )
    assert (await client.receive_json())["success"]
    await hass.async_block_till_done(wait_background_tasks=True)
    announced = state_of(hass, "event.extension_103_new_message")
    assert announced.attributes["transcript"] == TEXT


async def test_gsm(
    ffmpeg: None, hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, ear: Ear
) -> None:
    await leave(pbx, "104", recording=GSM)
    await poll(hass)
    await act(hass, "transcribe_message", message_id=await latest_of(hass, "104"))
    assert len(ear.heard[0][1]) / 2 / 16000 == pytest.approx(2.84, abs=0.05)


async def test_gsm_without_ffmpeg(
    no_ffmpeg: None, hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, ear: Ear
) -> None:
    await leave(pbx, "104", recording=GSM)
    await poll(hass)
    with pytest.raises(HomeAssistantError, match="gsm"):
        await act(hass, "transcribe_message", message_id=await latest_of(hass, "104"))


async def test_kept_with_the_message(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
) -> None:
    """Across restarts, and shown with it; and no longer than it."""
    kept = f"pbx_voicemail.{connected.entry_id}.transcripts"
    first = await _transcribe(hass)
    assert (await message_of(hass, "7001"))["transcript"] == TEXT
    await hass.config_entries.async_reload(connected.entry_id)
    assert (await message_of(hass, "7001"))["transcript"] == TEXT
    assert await _transcribe(hass) == first
    assert await _transcribe(hass, engine=ENGINE, language="en") == first
    assert len(ear.heard) == 1
    await _transcribe(hass, language="de")
    assert len(ear.heard) == 2

    message_id = (await message_of(hass, "7001"))["message_id"]
    assert hass_storage[kept]["data"].keys() == {message_id}
    await act(hass, "delete_message", message_id=message_id)
    await hass.config_entries.async_unload(connected.entry_id)
    assert hass_storage[kept]["data"] == {}
    await hass.config_entries.async_remove(connected.entry_id)
    assert kept not in hass_storage


@pytest.mark.parametrize("damage", [{"0": {"text": 1}}, ["rubbish"]])
async def test_damaged_store(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    entry: MockConfigEntry,
    damage: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = f"pbx_voicemail.{entry.entry_id}.transcripts"
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": damage}
    await hass.config_entries.async_setup(entry.entry_id)
    assert (await message_of(hass, "7001"))["transcript"] is None
    assert [record.message for record in caplog.records if record.name.endswith("transcripts")]


async def test_one_after_another(hass: HomeAssistant, connected: MockConfigEntry, ear: Ear) -> None:
    """And each once, however many ask."""
    messages = (await act(hass, "get_messages"))["messages"]
    await asyncio.gather(
        *(
            act(hass, "transcribe_message", message_id=message["message_id"])
            for message in messages * 2
        )
    )
    assert len(ear.heard) == len(messages)
    assert ear.most_at_once == 1


async def test_no_engine(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    with pytest.raises(HomeAssistantError, match="nothing that turns speech into text"):
        await _transcribe(hass)
    for engine in ENGINE, AI_TASK:
        with pytest.raises(HomeAssistantError, match="is not there"):
            await _transcribe(hass, engine=engine)


async def test_engine_that_takes_other_audio(
    hass: HomeAssistant, connected: MockConfigEntry
) -> None:
    await connect(hass, Ear(codecs=[stt.AudioCodecs.OPUS]))
    with pytest.raises(HomeAssistantError, match="takes no audio"):
        await _transcribe(hass)


@pytest.mark.parametrize("fault", [None, RuntimeError("no"), HomeAssistantError("full")])
async def test_engine_that_fails(
    hass: HomeAssistant, connected: MockConfigEntry, ear: Ear, fault: Exception | None
) -> None:
    ear.says, ear.fails = None, fault
    with pytest.raises(HomeAssistantError):
        await _transcribe(hass)
    assert (await message_of(hass, "7001"))["transcript"] is None
    ear.says, ear.fails = TEXT, None
    assert (await _transcribe(hass))["text"] == TEXT


async def test_engine_that_hangs(
    hass: HomeAssistant, connected: MockConfigEntry, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "_SECONDS", 0.05)
    ear.may_answer.clear()
    with pytest.raises(HomeAssistantError, match="took too long"):
        await _transcribe(hass)


async def test_unloaded_meanwhile(
    hass: HomeAssistant, connected: MockConfigEntry, ear: Ear
) -> None:
    ear.may_answer.clear()
    asked = hass.async_create_task(_transcribe(hass))
    await ear.listens.wait()
    await hass.config_entries.async_unload(connected.entry_id)
    with pytest.raises(HomeAssistantError, match="not connected"):
        await asked


@pytest.fixture
async def transcribing(hass: HomeAssistant, entry: MockConfigEntry, ear: Ear) -> MockConfigEntry:
    """Set up the PBX so that new messages are written down before they are announced."""
    options = {"transcriber": ENGINE, "transcript_language": "de", "transcript_limit": 20}
    hass.config_entries.async_update_entry(entry, options=options)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


class Announced:
    """Callers and texts of one extension's events, in order."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.heard: list[tuple[str, str | None]] = []

        def note(change: Event[EventStateChangedData]) -> None:
            new, old = change.data["new_state"], change.data["old_state"]
            known = (None, "unavailable", "unknown")
            if (
                new
                and new.state not in (*known, old and old.state)
                and (not old or old.state != "unavailable")
            ):
                self.heard.append((new.attributes["caller"], new.attributes["transcript"]))

        async_track_state_change_event(hass, [EVENT], callback(note))


@pytest.fixture
def announced(hass: HomeAssistant) -> Announced:
    return Announced(hass)


async def test_arrival_comes_with_its_text(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    await leave(pbx, "104")
    await poll(hass)
    assert announced.heard == [("6000", TEXT)]
    assert [metadata.language for metadata, _ in ear.heard] == ["de-DE"]
    await poll(hass)
    assert len(announced.heard) == 1


async def test_arrivals_keep_their_order(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """Also those that come while the first is written down."""
    ear.may_answer.clear()
    for caller in "1", "2":
        await leave(pbx, "104", caller)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    await leave(pbx, "104", "3")
    await transcribing.runtime_data.coordinator.async_refresh()
    assert announced.heard == []
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.heard == [("1", TEXT), ("2", TEXT), ("3", TEXT)]


async def test_late_text_is_not_waited_for(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """Both messages share one limit, and what is late is kept all the same."""
    hass.config_entries.async_update_entry(
        transcribing, options={**transcribing.options, "transcript_limit": 0.05}
    )
    await hass.config_entries.async_reload(transcribing.entry_id)
    ear.may_answer.clear()
    for caller in "1", "2":
        await leave(pbx, "104", caller)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    while len(announced.heard) < 2:
        await asyncio.sleep(0.01)
    assert announced.heard == [("1", None), ("2", None)]
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    messages = (await act(hass, "get_messages", extension="104"))["messages"]
    assert [message["transcript"] for message in messages] == [None, TEXT]
    assert len(announced.heard) == 2


async def test_engine_fails_at_an_arrival(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The message is announced, and the log says once what is the matter, but not who called."""
    ear.says = None
    for caller in "4711", "4712":
        await leave(pbx, "104", caller)
        await poll(hass)
    assert announced.heard == [("4711", None), ("4712", None)]
    (record,) = [record for record in caplog.records if record.name.endswith("transcripts")]
    assert record.levelname == "WARNING"
    assert "471" not in record.message
    ear.says = TEXT
    await leave(pbx, "104", "4713")
    await poll(hass)
    assert announced.heard[-1] == ("4713", TEXT)


async def test_outage_while_it_is_written_down(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """Nobody would hear an event of an entity that is unavailable: it waits, and loses nothing."""
    ear.may_answer.clear()
    await leave(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    await pbx.stop()
    await transcribing.runtime_data.coordinator.async_refresh()
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.heard == []
    assert state_of(hass, EVENT).state == "unavailable"
    await pbx.start()
    await poll(hass)
    assert announced.heard == [("6000", TEXT)]
    assert len(ear.heard) == 1


async def test_unloaded_while_it_is_written_down(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    ear.may_answer.clear()
    await leave(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    await hass.config_entries.async_unload(transcribing.entry_id)
    assert announced.heard == []
    ear.may_answer.set()
    await hass.config_entries.async_setup(transcribing.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.heard == [("6000", TEXT)]


async def test_deleted_while_it_is_written_down(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """It was left, so it is announced, and once."""
    ear.may_answer.clear()
    await leave(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    pbx.spool.delete("104", "msg0000")
    await transcribing.runtime_data.coordinator.async_refresh()
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await poll(hass)
    assert announced.heard == [("6000", TEXT)]
