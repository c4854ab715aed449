"""Messages are transcribed once, on request or when they arrive, and transcripts are stored."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
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

from tests.engines import AI_TASK_ENGINE, STT_ENGINE, AiTaskEngine, SttEngine, add_engine
from tests.helpers import (
    call_action,
    get_latest_id,
    get_message_from,
    get_state,
    leave_message,
    poll,
)
from tests.simulator import Simulator

from .helpers import EVENT, TEXT, Announced, pass_time, transcribe


async def _ask(client: MockHAClientWebSocket, message_id: str, **data: str) -> dict[str, Any]:
    """Request a transcript as a user, and return the response."""
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


@pytest.mark.parametrize("engine", [STT_ENGINE, AI_TASK_ENGINE])
async def test_engine_that_a_user_may_not_use(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted: MockUser,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
    engine: str,
) -> None:
    """A user who names an engine needs permission for it, even if there is a transcript already."""
    stt_engine = AiTaskEngine() if engine == AI_TASK_ENGINE else SttEngine()
    await add_engine(hass, stt_engine)
    client = await hass_ws_client(hass, restricted_token)
    own, others = await get_latest_id(hass, "101"), await get_latest_id(hass, "103")
    groups: Any = restricted.groups
    policy = groups[0].policy["entities"]
    pbx.requests.clear()
    for rights in {}, {"read": True}:
        policy["entity_ids"] = {engine: rights}
        restricted.invalidate_cache()
        refused = await _ask(client, own, engine=engine)
        assert refused["error"]["message"] == "Unauthorized"
    assert pbx.requests == []
    assert stt_engine.received == []

    policy["entity_ids"] = {engine: {"control": True}}
    restricted.invalidate_cache()
    assert (await _ask(client, own, engine=engine))["success"]
    assert not (await _ask(client, others, engine=engine))["success"]
    assert len(stt_engine.received) == 1

    del policy["entity_ids"]
    restricted.invalidate_cache()
    assert (await _ask(client, own, engine=engine))["error"]["message"] == "Unauthorized"


async def test_default_engine_needs_no_permission(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A user who may hear a message may have it transcribed by the default engine."""
    client = await hass_ws_client(hass, restricted_token)
    assert (await _ask(client, await get_latest_id(hass, "101")))["success"]
    assert not (await _ask(client, await get_latest_id(hass, "103")))["success"]


async def test_arrival_found_by_a_user_without_permission(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A message is transcribed even if the poll was requested by a user without permission for it."""
    await add_engine(hass, AiTaskEngine())
    hass.config_entries.async_update_entry(connected, options={"transcriber": AI_TASK_ENGINE})
    await hass.config_entries.async_reload(connected.entry_id)
    client = await hass_ws_client(hass, restricted_token)
    await leave_message(pbx, "103")
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
    announced = get_state(hass, "event.extension_103_new_message")
    assert announced.attributes["transcript"] == TEXT


async def test_stored_text_is_cleaned(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    key = f"pbx_voicemail.{connected.entry_id}.transcripts"
    await transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    (stored,) = hass_storage[key]["data"].values()
    stored["text"] = "\u202e" + "a" * 200_000
    await hass.config_entries.async_setup(connected.entry_id)
    assert (await get_message_from(hass, "7001"))["transcript"] == "a" * 10_000
    (stored,) = hass_storage[key]["data"].values()
    assert len(stored["text"]) == 10_000


async def test_only_the_default_engine_replaces_a_transcript(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await add_engine(hass, AiTaskEngine())
    stt_engine.text = "In English."
    own, message_id = (
        await get_latest_id(hass, "101"),
        (await get_message_from(hass, "7001"))["message_id"],
    )

    async def text() -> str:
        return str((await get_message_from(hass, "7001"))["transcript"])

    client = await hass_ws_client(hass, restricted_token)
    stt_engine.text = "Auf Deutsch."
    # The transcript is not stored for a user who may only hear messages.
    assert (await _ask(client, own, language="de"))["success"]
    messages = (await call_action(hass, "get_messages", extension="101"))["messages"]
    assert [message["transcript"] for message in messages] == [None] * 3

    await call_action(hass, "transcribe_message", message_id=message_id, engine=AI_TASK_ENGINE)
    assert await text() == TEXT
    answer = await call_action(hass, "transcribe_message", message_id=message_id, language="de")
    assert answer["text"] == "Auf Deutsch."
    assert await text() == TEXT
    stt_engine.text = "In English."
    await call_action(
        hass, "transcribe_message", message_id=message_id, engine=STT_ENGINE, language="en"
    )
    assert await text() == "In English."
    await call_action(hass, "transcribe_message", message_id=message_id, engine=AI_TASK_ENGINE)
    assert await text() == "In English."


async def test_readable_by_home_assistant_only(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    """Even if an earlier version has created a file that other users can read."""
    file = Path(hass.config.path(".storage", f"pbx_voicemail.{connected.entry_id}.transcripts"))

    async def write(store: Store[Any], data: dict[str, Any]) -> None:
        await hass.async_add_executor_job(store._write_data, data)

    def mode() -> int:
        return file.stat().st_mode & 0o777

    # Tests usually prevent files from being written.
    with patch.object(Store, "_async_write_data", write):
        await transcribe(hass)
        assert await asyncio.to_thread(mode) == 0o600
        await asyncio.to_thread(file.chmod, 0o644)
        await hass.config_entries.async_unload(connected.entry_id)
        assert await asyncio.to_thread(mode) == 0o600


async def test_message_deleted_while_unloaded(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """Its transcript is deleted from the disk after the next poll."""
    key = f"pbx_voicemail.{connected.entry_id}.transcripts"
    await transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    pbx.spool.delete("101", "msg0000")
    assert len(hass_storage[key]["data"]) == 1
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert hass_storage[key]["data"] == {}


@pytest.mark.parametrize("comes_back", [True, False])
async def test_no_messages_at_startup(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
    comes_back: bool,
) -> None:
    """A PBX may lose its messages for a moment. Otherwise transcripts go with the second poll."""
    key = f"pbx_voicemail.{connected.entry_id}.transcripts"

    async def answer(request: web.Request) -> web.Response | None:
        empty = request.path.endswith("voicemail/query")
        return web.json_response({"status": "Success"}) if empty else None

    await transcribe(hass)
    await hass.config_entries.async_unload(connected.entry_id)
    pbx.intercept = answer
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert len(hass_storage[key]["data"]) == 1
    # A failed poll does not count.
    await pbx.stop()
    await poll(hass)
    await pbx.start()
    if comes_back:
        pbx.intercept = None
    await poll(hass)
    await poll(hass)
    pbx.intercept = None
    await poll(hass)
    transcript = (await get_message_from(hass, "7001"))["transcript"]
    assert transcript == (TEXT if comes_back else None)
    await hass.config_entries.async_unload(connected.entry_id)
    assert len(hass_storage[key]["data"]) == comes_back


async def test_unloaded_before_the_next_poll(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        empty = request.path.endswith("voicemail/query")
        return web.json_response({"status": "Success"}) if empty else None

    await transcribe(hass)
    pbx.intercept = answer
    await hass.config_entries.async_reload(connected.entry_id)
    pbx.intercept = None
    await hass.config_entries.async_reload(connected.entry_id)
    assert (await get_message_from(hass, "7001"))["transcript"] == TEXT


async def test_message_deleted_while_transcribed(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """The transcript is returned, but not stored."""
    stt_engine.may_respond.clear()
    task = hass.async_create_task(transcribe(hass))
    await stt_engine.has_received.wait()
    pbx.spool.delete("101", "msg0000")
    await connected.runtime_data.async_refresh()
    stt_engine.may_respond.set()
    assert (await task)["text"] == TEXT
    await hass.config_entries.async_unload(connected.entry_id)
    assert hass_storage[f"pbx_voicemail.{connected.entry_id}.transcripts"]["data"] == {}


async def test_pbx_removed_while_a_message_is_transcribed(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """Nothing is stored after the removal, not even by a delayed save."""
    await transcribe(hass)
    stt_engine.may_respond.clear()
    task = hass.async_create_task(
        call_action(hass, "transcribe_message", message_id=await get_latest_id(hass, "102"))
    )
    await stt_engine.has_received.wait()
    pbx.spool.delete("101", "msg0000")
    await connected.runtime_data.async_refresh()
    await hass.config_entries.async_remove(connected.entry_id)
    stt_engine.may_respond.set()
    with pytest.raises(HomeAssistantError, match="not connected"):
        await task
    await pass_time(hass, 120)
    assert not [name for name in hass_storage if name.startswith("pbx_voicemail.")]


async def test_message_deleted_while_unloading(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """Nothing is stored after unloading, when the next run may have loaded the file."""
    key = f"pbx_voicemail.{connected.entry_id}.transcripts"
    started, may_continue = asyncio.Event(), asyncio.Event()
    write = Store._async_write_data

    async def write_slowly(store: Store[Any], data: dict[str, Any]) -> None:
        if store.key == key:
            started.set()
            await may_continue.wait()
        await write(store, data)

    await transcribe(hass)
    with patch.object(Store, "_async_write_data", write_slowly):
        unloading = hass.async_create_task(hass.config_entries.async_unload(connected.entry_id))
        await started.wait()
        pbx.spool.delete("101", "msg0000")
        await connected.runtime_data.async_refresh()
        may_continue.set()
        await unloading
    hass_storage[key]["data"] = "the next run's"
    await pass_time(hass, 120)
    assert hass_storage[key]["data"] == "the next run's"


async def test_stored_as_long_as_the_message(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    pbx: Simulator,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
) -> None:
    """It survives restarts, and is deleted with the message."""
    key = f"pbx_voicemail.{connected.entry_id}.transcripts"
    first = await transcribe(hass)
    assert (await get_message_from(hass, "7001"))["transcript"] == TEXT
    await hass.config_entries.async_reload(connected.entry_id)
    assert (await get_message_from(hass, "7001"))["transcript"] == TEXT
    assert await transcribe(hass) == first
    assert await transcribe(hass, engine=STT_ENGINE, language="en") == first
    assert len(stt_engine.received) == 1
    await transcribe(hass, language="de")
    assert len(stt_engine.received) == 2

    message_id = (await get_message_from(hass, "7001"))["message_id"]
    assert hass_storage[key]["data"].keys() == {message_id}
    await call_action(hass, "delete_message", message_id=message_id)
    await hass.config_entries.async_unload(connected.entry_id)
    assert hass_storage[key]["data"] == {}
    await hass.config_entries.async_remove(connected.entry_id)
    assert key not in hass_storage


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
    assert (await get_message_from(hass, "7001"))["transcript"] is None
    assert [record.message for record in caplog.records if record.name.endswith("transcripts")]


async def test_one_at_a_time(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    """Each message is transcribed once, even if it is requested twice."""
    messages = (await call_action(hass, "get_messages"))["messages"]
    await asyncio.gather(
        *(
            call_action(hass, "transcribe_message", message_id=message["message_id"])
            for message in messages * 2
        )
    )
    assert len(stt_engine.received) == len(messages)
    assert stt_engine.max_active == 1


async def test_once_for_all_requests(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    stt_engine: SttEngine,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Whatever their permissions are."""
    own = await get_latest_id(hass, "101")
    client = await hass_ws_client(hass, restricted_token)
    stt_engine.may_respond.clear()
    task = hass.async_create_task(call_action(hass, "transcribe_message", message_id=own))
    answer = hass.async_create_task(_ask(client, own))
    await stt_engine.has_received.wait()
    stt_engine.may_respond.set()
    assert (await answer)["result"]["response"] == await task
    assert len(stt_engine.received) == 1


async def test_unloaded_while_transcribing(
    hass: HomeAssistant, connected: MockConfigEntry, stt_engine: SttEngine
) -> None:
    stt_engine.may_respond.clear()
    task = hass.async_create_task(transcribe(hass))
    await stt_engine.has_received.wait()
    await hass.config_entries.async_unload(connected.entry_id)
    with pytest.raises(HomeAssistantError, match="not connected"):
        await task


async def test_arrival_is_announced_with_transcript(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    await leave_message(pbx, "104")
    await poll(hass)
    assert announced.messages == [("6000", TEXT)]
    assert [metadata.language for metadata, _ in stt_engine.received] == ["de-DE"]
    await poll(hass)
    assert len(announced.messages) == 1


async def test_arrivals_keep_their_order(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """Including those that come while the first is transcribed."""
    stt_engine.may_respond.clear()
    for caller in "1", "2":
        await leave_message(pbx, "104", caller)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    await leave_message(pbx, "104", "3")
    await transcribing.runtime_data.async_refresh()
    assert announced.messages == []
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.messages == [("1", TEXT), ("2", TEXT), ("3", TEXT)]


async def test_late_transcript(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """Both messages share one limit, and late transcripts are stored all the same."""
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
    assert announced.messages == [("1", None), ("2", None)]
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    messages = (await call_action(hass, "get_messages", extension="104"))["messages"]
    assert [message["transcript"] for message in messages] == [None, TEXT]
    assert len(announced.messages) == 2


async def test_engine_fails_for_an_arrival(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The message is announced, and the error is logged once, without the caller."""
    stt_engine.text = None
    for caller in "4711", "4712":
        await leave_message(pbx, "104", caller)
        await poll(hass)
    assert announced.messages == [("4711", None), ("4712", None)]
    (record,) = [record for record in caplog.records if record.name.endswith("transcripts")]
    assert record.levelname == "WARNING"
    assert "471" not in record.message
    stt_engine.text = TEXT
    await leave_message(pbx, "104", "4713")
    await poll(hass)
    assert announced.messages[-1] == ("4713", TEXT)


async def test_arrival_does_not_wait_for_requests(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """However many transcripts people have requested."""
    stt_engine.may_respond.clear()
    messages = (await call_action(hass, "get_messages"))["messages"]
    task = [
        hass.async_create_task(
            call_action(hass, "transcribe_message", message_id=message["message_id"], language="en")
        )
        for message in messages
    ]
    await stt_engine.has_received.wait()
    stt_engine.has_received.clear()
    await leave_message(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    # The first request, and the arrival.
    assert stt_engine.active == len(stt_engine.received) == 2
    stt_engine.may_respond.set()
    await asyncio.gather(*task)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.messages == [("6000", TEXT)]
    assert stt_engine.max_active == 2


async def test_arrival_does_not_wait_for_downloads(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
    hass_client: ClientSessionGenerator,
) -> None:
    """Nor is its recording downloaded a second time for a person who requests it meanwhile."""
    may_continue = asyncio.Event()
    downloads: list[str] = []

    async def delay(request: web.Request) -> None:
        if request.path.endswith("/download"):
            downloads.append(request.query["extid"])
            if request.query["extid"] != "104":
                await may_continue.wait()

    client = await hass_client()
    path = f"/api/pbx_voicemail/recording/{transcribing.entry_id}"
    others = [f"{path}/{number}/{await get_latest_id(hass, number)}" for number in ("101", "102")]
    pbx.intercept = delay
    listening = [asyncio.create_task(client.get(other)) for other in others]
    while len(downloads) < 2:
        await asyncio.sleep(0.01)
    stt_engine.may_respond.clear()
    await leave_message(pbx, "104")
    # Not by time, which would also time out the downloads.
    await transcribing.runtime_data.async_refresh()
    arrival = asyncio.create_task(client.get(f"{path}/104/{await get_latest_id(hass, '104')}"))
    await stt_engine.has_received.wait()
    stt_engine.may_respond.set()
    may_continue.set()
    await asyncio.gather(*listening)
    assert (await arrival).status == 200
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.messages == [("6000", TEXT)]
    assert sorted(downloads) == ["101", "102", "104"]


async def test_outage_while_transcribing_an_arrival(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """An unavailable entity cannot announce anything, so the message waits until it is available."""
    stt_engine.may_respond.clear()
    await leave_message(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    await pbx.stop()
    await transcribing.runtime_data.async_refresh()
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.messages == []
    assert get_state(hass, EVENT).state == "unavailable"
    await pbx.start()
    await poll(hass)
    assert announced.messages == [("6000", TEXT)]
    assert len(stt_engine.received) == 1


async def test_unloaded_while_transcribing_an_arrival(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    stt_engine.may_respond.clear()
    await leave_message(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    await hass.config_entries.async_unload(transcribing.entry_id)
    assert announced.messages == []
    stt_engine.may_respond.set()
    await hass.config_entries.async_setup(transcribing.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert announced.messages == [("6000", TEXT)]


async def test_arrival_deleted_while_transcribed(
    hass: HomeAssistant,
    pbx: Simulator,
    transcribing: MockConfigEntry,
    stt_engine: SttEngine,
    announced: Announced,
) -> None:
    """It was left, so it is announced, and once."""
    stt_engine.may_respond.clear()
    await leave_message(pbx, "104")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await stt_engine.has_received.wait()
    pbx.spool.delete("104", "msg0000")
    await transcribing.runtime_data.async_refresh()
    stt_engine.may_respond.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await poll(hass)
    assert announced.messages == [("6000", TEXT)]
