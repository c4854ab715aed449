"""What is said in a message, in writing: by any engine, kept, and in time for an announcement."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
import wave

from aiohttp import web
import audioop
from homeassistant.components import stt
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from custom_components.pbx_voicemail.voicemail import speech_to_text, transcript_retries
from tests.conftest import FIXTURES
from tests.engines import AI_TASK, ENGINE, AiTask, Ear, connect
from tests.living import act, latest_of, leave, message_of, poll, state_of
from tests.simulator import Simulator
from tests.stall import MEGABYTE, measured

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
    with pytest.raises(HomeAssistantError, match="does not support the language fr"):
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


async def _ask(client: MockHAClientWebSocket, message_id: str, **data: str) -> dict[str, Any]:
    """Have a user ask for a transcript, and return the answer."""
    await client.send_json_auto_id(
        {
            "type": "call_service",
            "domain": "pbx_voicemail",
            "service": "transcribe_message",
            "service_data": {"message_id": message_id, **data},
            "return_response": True,
        }
    )
    return dict(await client.receive_json())


@pytest.mark.parametrize("engine", [ENGINE, AI_TASK])
async def test_engine_that_a_user_may_not_use(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted: MockUser,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
    engine: str,
) -> None:
    """Who names an engine needs the right to it, whoever chose it and whatever is written already."""
    ear = AiTask() if engine == AI_TASK else Ear()
    await connect(hass, ear)
    client = await hass_ws_client(hass, restricted_token)
    own, others = await latest_of(hass, "101"), await latest_of(hass, "103")
    groups: Any = restricted.groups
    policy = groups[0].policy["entities"]
    pbx.requests.clear()
    for rights in {}, {"read": True}:
        policy["entity_ids"] = {engine: rights}
        restricted.invalidate_cache()
        refused = await _ask(client, own, engine=engine)
        assert refused["error"]["message"] == "Unauthorized"
    assert pbx.requests == []
    assert ear.heard == []

    policy["entity_ids"] = {engine: {"control": True}}
    restricted.invalidate_cache()
    assert (await _ask(client, own, engine=engine))["success"]
    assert not (await _ask(client, others, engine=engine))["success"]
    assert len(ear.heard) == 1

    del policy["entity_ids"]
    restricted.invalidate_cache()
    assert (await _ask(client, own, engine=engine))["error"]["message"] == "Unauthorized"


async def test_engine_of_the_house(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    ear: Ear,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Who may hear a message may have it written down by what Home Assistant takes for that."""
    client = await hass_ws_client(hass, restricted_token)
    assert (await _ask(client, await latest_of(hass, "101")))["success"]
    assert not (await _ask(client, await latest_of(hass, "103")))["success"]


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
async def test_text_can_be_shown(
    hass: HomeAssistant, connected: MockConfigEntry, ear: Ear, said: str, text: str
) -> None:
    ear.says = said
    assert (await _transcribe(hass))["text"] == text
    assert (await message_of(hass, "7001"))["transcript"] == text


async def test_text_of_an_earlier_version_can_be_shown(
    hass: HomeAssistant, hass_storage: dict[str, Any], connected: MockConfigEntry, ear: Ear
) -> None:
    kept = f"pbx_voicemail.{connected.entry_id}.transcripts"
    await _transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    (stored,) = hass_storage[kept]["data"].values()
    stored["text"] = "\u202e" + "a" * 200_000
    await hass.config_entries.async_setup(connected.entry_id)
    assert (await message_of(hass, "7001"))["transcript"] == "a" * 10_000
    (stored,) = hass_storage[kept]["data"].values()
    assert len(stored["text"]) == 10_000


async def test_only_the_chosen_engine_replaces_a_text(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    ear: Ear,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await connect(hass, AiTask())
    ear.says = "In English."
    own, message_id = await latest_of(hass, "101"), (await message_of(hass, "7001"))["message_id"]

    async def text() -> str:
        return str((await message_of(hass, "7001"))["transcript"])

    client = await hass_ws_client(hass, restricted_token)
    ear.says = "Auf Deutsch."
    # Who may only hear messages decides for nobody else.
    assert (await _ask(client, own, language="de"))["success"]
    messages = (await act(hass, "get_messages", extension="101"))["messages"]
    assert [message["transcript"] for message in messages] == [None] * 3

    await act(hass, "transcribe_message", message_id=message_id, engine=AI_TASK)
    assert await text() == TEXT
    answer = await act(hass, "transcribe_message", message_id=message_id, language="de")
    assert answer["text"] == "Auf Deutsch."
    assert await text() == TEXT
    ear.says = "In English."
    await act(hass, "transcribe_message", message_id=message_id, engine=ENGINE, language="en")
    assert await text() == "In English."
    await act(hass, "transcribe_message", message_id=message_id, engine=AI_TASK)
    assert await text() == "In English."


async def test_rate_of_one_sample_a_second(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, ear: Ear
) -> None:
    """50 kB that say to last 14 hours would become 1.6 GB."""
    form = bytes.fromhex("0100 0100 01000000 01000000 0100 0800")
    audio = bytes(50_000)
    chunks = b"fmt " + len(form).to_bytes(4, "little") + form
    chunks += b"data" + len(audio).to_bytes(4, "little") + audio
    body = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WAVE" + chunks

    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=body) if request.path.endswith("/download") else None

    pbx.intercept = answer
    async with measured() as load:
        with pytest.raises(HomeAssistantError, match="cannot read the recording"):
            await _transcribe(hass)
    assert load.stall < 2
    assert load.peak < 50 * MEGABYTE
    assert ear.heard == []


async def test_kept_for_home_assistant_alone(
    hass: HomeAssistant, connected: MockConfigEntry, ear: Ear
) -> None:
    """Also where an earlier version has left a file that others can read."""
    file = Path(hass.config.path(".storage", f"pbx_voicemail.{connected.entry_id}.transcripts"))

    async def write(store: Store[Any], data: dict[str, Any]) -> None:
        await hass.async_add_executor_job(store._write_data, data)

    def mode() -> int:
        return file.stat().st_mode & 0o777

    # As where no test keeps files from being written.
    with patch.object(Store, "_async_write_data", write):
        await _transcribe(hass)
        assert await asyncio.to_thread(mode) == 0o600
        await asyncio.to_thread(file.chmod, 0o644)
        await hass.config_entries.async_unload(connected.entry_id)
        assert await asyncio.to_thread(mode) == 0o600


async def test_message_that_went_while_nobody_looked(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
) -> None:
    """Its text is gone from the disk, too, as soon as that is known."""
    kept = f"pbx_voicemail.{connected.entry_id}.transcripts"
    await _transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    pbx.spool.delete("101", "msg0000")
    assert len(hass_storage[kept]["data"]) == 1
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert hass_storage[kept]["data"] == {}


@pytest.mark.parametrize("comes_back", [True, False])
async def test_pbx_that_has_nothing_at_the_start(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
    comes_back: bool,
) -> None:
    """It may have lost its messages for a moment; if not, the texts go with the next answer."""
    kept = f"pbx_voicemail.{connected.entry_id}.transcripts"

    async def answer(request: web.Request) -> web.Response | None:
        empty = request.path.endswith("voicemail/query")
        return web.json_response({"status": "Success"}) if empty else None

    await _transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    pbx.intercept = answer
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert len(hass_storage[kept]["data"]) == 1
    # What it says while it cannot be asked is nothing.
    await pbx.stop()
    await poll(hass)
    await pbx.start()
    if comes_back:
        pbx.intercept = None
    await poll(hass)
    await poll(hass)
    pbx.intercept = None
    await poll(hass)
    transcript = (await message_of(hass, "7001"))["transcript"]
    assert transcript == (TEXT if comes_back else None)
    await hass.config_entries.async_unload(connected.entry_id)
    assert len(hass_storage[kept]["data"]) == comes_back


async def test_unloaded_before_the_next_answer(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, ear: Ear
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        empty = request.path.endswith("voicemail/query")
        return web.json_response({"status": "Success"}) if empty else None

    await _transcribe(hass)
    pbx.intercept = answer
    await hass.config_entries.async_reload(connected.entry_id)
    pbx.intercept = None
    await hass.config_entries.async_reload(connected.entry_id)
    assert (await message_of(hass, "7001"))["transcript"] == TEXT


async def test_message_that_goes_while_it_is_written_down(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
) -> None:
    """Who asked gets the text, and then nobody has it any more."""
    ear.may_answer.clear()
    asked = hass.async_create_task(_transcribe(hass))
    await ear.listens.wait()
    pbx.spool.delete("101", "msg0000")
    await connected.runtime_data.async_refresh()
    ear.may_answer.set()
    assert (await asked)["text"] == TEXT
    await hass.config_entries.async_unload(connected.entry_id)
    assert hass_storage[f"pbx_voicemail.{connected.entry_id}.transcripts"]["data"] == {}


async def test_pbx_removed_while_a_message_is_written_down(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
) -> None:
    """Nothing is written behind it, not even what was to be written a while later."""
    await _transcribe(hass)
    ear.may_answer.clear()
    asked = hass.async_create_task(
        act(hass, "transcribe_message", message_id=await latest_of(hass, "102"))
    )
    await ear.listens.wait()
    pbx.spool.delete("101", "msg0000")
    await connected.runtime_data.async_refresh()
    await hass.config_entries.async_remove(connected.entry_id)
    ear.may_answer.set()
    with pytest.raises(HomeAssistantError, match="not connected"):
        await asked
    await _later(hass, 120)
    assert not [name for name in hass_storage if name.startswith("pbx_voicemail.")]


async def test_message_that_goes_while_the_pbx_is_unloaded(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    ear: Ear,
) -> None:
    """Nothing is written once the next run may have begun; that one finds out by itself."""
    kept = f"pbx_voicemail.{connected.entry_id}.transcripts"
    begun, go_on = asyncio.Event(), asyncio.Event()
    write = Store._async_write_data

    async def write_slowly(store: Store[Any], data: dict[str, Any]) -> None:
        if store.key == kept:
            begun.set()
            await go_on.wait()
        await write(store, data)

    await _transcribe(hass)
    with patch.object(Store, "_async_write_data", write_slowly):
        unloading = hass.async_create_task(hass.config_entries.async_unload(connected.entry_id))
        await begun.wait()
        pbx.spool.delete("101", "msg0000")
        await connected.runtime_data.async_refresh()
        go_on.set()
        await unloading
    hass_storage[kept]["data"] = "the next run's"
    await _later(hass, 120)
    assert hass_storage[kept]["data"] == "the next run's"


async def _later(hass: HomeAssistant, seconds: float) -> None:
    """Let time pass, and what is to happen by then happen."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done(wait_background_tasks=True)


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


async def test_once_for_all_who_ask(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    ear: Ear,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Whatever their rights."""
    own = await latest_of(hass, "101")
    client = await hass_ws_client(hass, restricted_token)
    ear.may_answer.clear()
    asked = hass.async_create_task(act(hass, "transcribe_message", message_id=own))
    answer = hass.async_create_task(_ask(client, own))
    await ear.listens.wait()
    ear.may_answer.set()
    assert (await answer)["result"]["response"] == await asked
    assert len(ear.heard) == 1


async def test_no_engine(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    with pytest.raises(HomeAssistantError, match="No speech-to-text engine"):
        await _transcribe(hass)
    for engine in ENGINE, AI_TASK:
        with pytest.raises(HomeAssistantError, match="was not found"):
            await _transcribe(hass, engine=engine)


async def test_engine_that_takes_other_audio(
    hass: HomeAssistant, connected: MockConfigEntry
) -> None:
    await connect(hass, Ear(codecs=[stt.AudioCodecs.OPUS]))
    with pytest.raises(HomeAssistantError, match="does not support any audio format"):
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
    monkeypatch.setattr(speech_to_text, "_TIMEOUT", 0.05)
    ear.may_answer.clear()
    with pytest.raises(HomeAssistantError, match="did not transcribe the message in time"):
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
    await transcribing.runtime_data.async_refresh()
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


async def _texts(hass: HomeAssistant) -> dict[str, str | None]:
    messages = (await act(hass, "get_messages", extension="104"))["messages"]
    return {message["caller"]: message["transcript"] for message in messages}


async def test_engine_that_comes_up_later(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, announced: Announced
) -> None:
    """What was announced without its text gets it then, in order, and is not announced again."""
    hass.config_entries.async_update_entry(entry, options={"transcriber": ENGINE})
    await hass.config_entries.async_setup(entry.entry_id)
    for caller in "1", "2", "3":
        await leave(pbx, "104", caller)
    await poll(hass)
    assert announced.heard == [("1", None), ("2", None), ("3", None)]

    changes = []
    entry.runtime_data.async_add_listener(
        lambda: changes.append(dict(entry.runtime_data.transcripts.revisions))
    )
    ear = Ear()
    await connect(hass, ear)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert await _texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    # The card is told of each.
    assert changes == [{"104": 1}, {"104": 2}, {"104": 3}]
    assert len(announced.heard) == 3
    await leave(pbx, "104", "4")
    await poll(hass)
    assert announced.heard[3:] == [("4", TEXT)]
    assert len(ear.heard) == 4


async def test_engine_that_works_again(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """It says of itself that it is there all the time, so it is tried, less and less often."""
    ear.says = None
    for caller in "1", "2", "3":
        await leave(pbx, "104", caller)
    await poll(hass)
    assert len(announced.heard) == 3
    tried = []
    for pause in 31, 61, 61, 121, 241:
        before = len(ear.heard)
        await _later(hass, pause)
        tried.append(len(ear.heard) - before)
    # Two messages in a row that fail are the engine's fault, and the third need not be tried.
    assert tried == [2, 2, 0, 2, 2]
    ear.says = TEXT
    await _later(hass, 481)
    assert await _texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    assert len(announced.heard) == 3


async def test_engine_works_again_at_an_arrival(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """Then those before it need not wait any longer."""
    ear.says = None
    for caller in "1", "2":
        await leave(pbx, "104", caller)
    await poll(hass)
    for pause in 31, 61, 121:
        await _later(hass, pause)
    ear.says = TEXT
    await leave(pbx, "104", "3")
    await poll(hass)
    assert await _texts(hass) == {"1": TEXT, "2": TEXT, "3": TEXT}
    assert announced.heard == [("1", None), ("2", None), ("3", TEXT)]


async def test_late_text_is_written_down_later(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
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
    ear.may_answer.set()
    await _later(hass, 31)
    assert await _texts(hass) == {"1": TEXT, "2": TEXT}
    assert announced.heard == [("1", None), ("2", None)]
    assert len(ear.heard) == 2


async def test_message_that_no_engine_understands(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    no_ffmpeg: None,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """It keeps the others from nothing, and is not tried for ever."""
    await leave(pbx, "104", "1", recording=GSM)
    ear.says = None
    await leave(pbx, "104", "2")
    await poll(hass)
    ear.says = TEXT
    await _later(hass, 31)
    assert await _texts(hass) == {"1": None, "2": TEXT}
    await hass.config_entries.async_unload(transcribing.entry_id)
    kept = hass_storage[f"pbx_voicemail.{transcribing.entry_id}.transcripts"]["data"]
    assert [entry["text"] for entry in kept.values()] == [TEXT]


async def test_message_on_which_every_engine_fails(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript_retries, "_MAX_ATTEMPTS", 3)
    ear.says = None
    await leave(pbx, "104")
    await poll(hass)
    for pause in 31, 61, 121:
        await _later(hass, pause)
    tried = len(ear.heard)
    await _later(hass, 3601)
    assert len(ear.heard) == tried == 4


async def test_missed_text_comes_after_a_restart(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """And with whatever engine there is then; none is wanted where none is chosen."""
    ear.says = None
    for caller in "1", "2", "3":
        await leave(pbx, "104", caller)
    await poll(hass)
    await hass.config_entries.async_unload(transcribing.entry_id)
    pbx.spool.delete("104", "msg0002")
    ear.says = TEXT
    await hass.config_entries.async_setup(transcribing.entry_id)
    await _later(hass, 31)
    assert await _texts(hass) == {"1": TEXT, "2": TEXT}
    assert len(announced.heard) == 3


async def test_missed_text_is_not_wanted_any_more(
    hass: HomeAssistant, pbx: Simulator, transcribing: MockConfigEntry, ear: Ear
) -> None:
    ear.says = None
    await leave(pbx, "104")
    await poll(hass)
    hass.config_entries.async_update_entry(transcribing, options={})
    await hass.config_entries.async_reload(transcribing.entry_id)
    ear.says = TEXT
    await _later(hass, 3601)
    assert await _texts(hass) == {"6000": None}


async def test_message_that_goes_while_the_engine_fails(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    ear.says = None
    ear.may_answer.clear()
    await leave(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    pbx.spool.delete("104", "msg0000")
    await transcribing.runtime_data.async_refresh()
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await _later(hass, 31)
    assert announced.heard == [("6000", None)]
    assert len(ear.heard) == 1


async def test_missed_message_is_deleted(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
) -> None:
    """Also in the middle of another try."""
    ear.says = None
    for caller in "1", "2":
        await leave(pbx, "104", caller)
    await poll(hass)
    ear.may_answer.clear()
    ear.listens.clear()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await ear.listens.wait()
    for name in "msg0001", "msg0000":
        pbx.spool.delete("104", name)
    await transcribing.runtime_data.async_refresh()
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    tried = len(ear.heard)
    await _later(hass, 3601)
    assert len(ear.heard) == tried
    await hass.config_entries.async_unload(transcribing.entry_id)
    kept = hass_storage[f"pbx_voicemail.{transcribing.entry_id}.transcripts"]["data"]
    assert kept == {}


async def test_arrival_does_not_wait_behind_others(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
) -> None:
    """However much people have asked for."""
    ear.may_answer.clear()
    messages = (await act(hass, "get_messages"))["messages"]
    asked = [
        hass.async_create_task(
            act(hass, "transcribe_message", message_id=message["message_id"], language="en")
        )
        for message in messages
    ]
    await ear.listens.wait()
    ear.listens.clear()
    await leave(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await ear.listens.wait()
    # The one that was asked for first, and the arrival.
    assert ear.at_once == len(ear.heard) == 2
    ear.may_answer.set()
    await asyncio.gather(*asked)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.heard == [("6000", TEXT)]
    assert ear.most_at_once == 2


async def test_recording_of_an_arrival_comes_first(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    ear: Ear,
    announced: Announced,
    hass_client: ClientSessionGenerator,
) -> None:
    """People who listen to others do not delay it, and whoever waits for it need not fetch it."""
    go_on = asyncio.Event()
    downloads: list[str] = []

    async def hold(request: web.Request) -> None:
        if request.path.endswith("/download"):
            downloads.append(request.query["extid"])
            if request.query["extid"] != "104":
                await go_on.wait()

    client = await hass_client()
    path = f"/api/pbx_voicemail/recording/{transcribing.entry_id}"
    others = [f"{path}/{number}/{await latest_of(hass, number)}" for number in ("101", "102")]
    pbx.intercept = hold
    listening = [asyncio.create_task(client.get(other)) for other in others]
    while len(downloads) < 2:
        await asyncio.sleep(0.01)
    ear.may_answer.clear()
    await leave(pbx, "104")
    # Not by the clock, which would also end what is being fetched.
    await transcribing.runtime_data.async_refresh()
    arrival = asyncio.create_task(client.get(f"{path}/104/{await latest_of(hass, '104')}"))
    await ear.listens.wait()
    ear.may_answer.set()
    go_on.set()
    await asyncio.gather(*listening)
    assert (await arrival).status == 200
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.heard == [("6000", TEXT)]
    assert sorted(downloads) == ["101", "102", "104"]


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
    await transcribing.runtime_data.async_refresh()
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
    await transcribing.runtime_data.async_refresh()
    ear.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await poll(hass)
    assert announced.heard == [("6000", TEXT)]
