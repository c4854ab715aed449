"""Engines get audio that they support, and what they return can be displayed."""

import asyncio
import wave

from aiohttp import web
import audioop
from homeassistant.components import stt
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.voicemail import speech_to_text
from tests.conftest import FIXTURES
from tests.engines import AI_TASK_ENGINE, STT_ENGINE, AiTaskEngine, SttEngine, add_engine
from tests.helpers import call_action, get_latest_id, get_message_from, leave_message, poll
from tests.measure import MEGABYTE, measure_load
from tests.simulator import Simulator

from .helpers import TEXT, transcribe

RECORDED = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"
GSM = FIXTURES / "recordings" / "gsm.wav"


def _samples() -> bytes:
    with wave.open(str(RECORDED)) as audio:
        return bytes(audio.readframes(audio.getnframes()))


async def test_transcribed(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    answer = await transcribe(hass)
    assert 0 <= answer.pop("seconds") < 10
    assert answer == {"text": TEXT, "engine": STT_ENGINE, "language": "en"}
    ((metadata, audio),) = stt_engine.received
    assert metadata == stt.SpeechMetadata(
        language="en-US",
        format=stt.AudioFormats.WAV,
        codec=stt.AudioCodecs.PCM,
        bit_rate=stt.AudioBitRates.BITRATE_16,
        sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
        channel=stt.AudioChannels.CHANNEL_MONO,
    )
    # There are twice as many samples, and every other one is unchanged.
    samples = _samples()
    assert len(audio) == pytest.approx(2 * len(samples), abs=4)
    every_other, _ = audioop.ratecv(audio, 2, 1, 16000, 8000, None)
    assert audioop.rms(every_other, 2) == pytest.approx(audioop.rms(samples, 2), rel=0.02)


@pytest.mark.parametrize(
    ("rates", "channels", "frame"),
    [
        ([8000, 16000], [1, 2], 2),
        ([8000], [2], 4),
    ],
)
async def test_audio_that_the_engine_supports(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    rates: list[int],
    channels: list[int],
    frame: int,
) -> None:
    stt_engine = SttEngine(
        rates=[stt.AudioSampleRates(rate) for rate in rates],
        channels=[stt.AudioChannels(channel) for channel in channels],
    )
    await add_engine(hass, stt_engine)
    await transcribe(hass)
    ((_, audio),) = stt_engine.received
    assert len(audio) == len(_samples()) // 2 * frame
    assert (audioop.tomono(audio, 2, 1, 0) if frame == 4 else audio) == _samples()


async def test_language(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    hass.config.country = "GB"
    await transcribe(hass)
    await transcribe(hass, language="de")
    assert [metadata.language for metadata, _ in stt_engine.received] == ["en-GB", "de-DE"]
    with pytest.raises(HomeAssistantError, match="does not support the language fr"):
        await transcribe(hass, language="fr")


async def test_ai_task(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    task = AiTaskEngine()
    await add_engine(hass, task)
    answer = await transcribe(hass, engine=AI_TASK_ENGINE, language="de")
    assert (answer["text"], answer["engine"]) == (TEXT, AI_TASK_ENGINE)
    ((instructions, mime_type, audio),) = task.received
    assert "probably de" in instructions
    assert mime_type == "audio/wav"
    assert audio == await asyncio.to_thread(RECORDED.read_bytes)


async def test_gsm(
    ffmpeg: None,
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    await leave_message(pbx, "104", recording=GSM)
    await poll(hass)
    await call_action(hass, "transcribe_message", message_id=await get_latest_id(hass, "104"))
    assert len(stt_engine.received[0][1]) / 2 / 16000 == pytest.approx(2.84, abs=0.05)


async def test_gsm_without_ffmpeg(
    no_ffmpeg: None,
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    await leave_message(pbx, "104", recording=GSM)
    await poll(hass)
    with pytest.raises(HomeAssistantError, match="gsm"):
        await call_action(hass, "transcribe_message", message_id=await get_latest_id(hass, "104"))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Call me.\nNow!\r\n\tAnn", "Call me. Now! Ann"),
        ("\u202eabc\u2066 \a\x00\ud83d<img>", "abc <img>"),
        ("  \u2028 ", ""),
        ("می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"),
        ("a" * 200_020, "a" * 10_000),
        ("\u202e" * 50_000 + "a", ""),
    ],
)
async def test_text_is_cleaned(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine, said: str, text: str
) -> None:
    stt_engine.text = said
    assert (await transcribe(hass))["text"] == text
    assert (await get_message_from(hass, "7001"))["transcript"] == text


async def test_sample_rate_of_1_hz(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    """50 kB with a duration of 14 hours would be converted to 1.6 GB."""
    form = bytes.fromhex("0100 0100 01000000 01000000 0100 0800")
    audio = bytes(50_000)
    chunks = b"fmt " + len(form).to_bytes(4, "little") + form
    chunks += b"data" + len(audio).to_bytes(4, "little") + audio
    body = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks

    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=body) if request.path.endswith("/download") else None

    pbx.intercept = answer
    async with measure_load() as load:
        with pytest.raises(HomeAssistantError, match="cannot read the recording"):
            await transcribe(hass)
    assert load.stall < 2
    assert load.peak < 50 * MEGABYTE
    assert stt_engine.received == []


async def test_no_engine(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    with pytest.raises(HomeAssistantError, match="No speech-to-text engine"):
        await transcribe(hass)
    for engine in STT_ENGINE, AI_TASK_ENGINE:
        with pytest.raises(HomeAssistantError, match="was not found"):
            await transcribe(hass, engine=engine)


async def test_engine_for_other_audio(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    await add_engine(hass, SttEngine(codecs=[stt.AudioCodecs.OPUS]))
    with pytest.raises(HomeAssistantError, match="does not support any audio format"):
        await transcribe(hass)


@pytest.mark.parametrize("fault", [None, RuntimeError("no"), HomeAssistantError("full")])
async def test_engine_that_fails(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine, fault: Exception | None
) -> None:
    stt_engine.text, stt_engine.error = None, fault
    with pytest.raises(HomeAssistantError):
        await transcribe(hass)
    assert (await get_message_from(hass, "7001"))["transcript"] is None
    stt_engine.text, stt_engine.error = TEXT, None
    assert (await transcribe(hass))["text"] == TEXT


async def test_engine_that_hangs(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speech_to_text, "_TIMEOUT", 0.05)
    stt_engine.may_respond.clear()
    with pytest.raises(HomeAssistantError, match="did not transcribe the message in time"):
        await transcribe(hass)
