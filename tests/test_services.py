"""Actions: what they do and return, and which permissions they need."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
import errno
from functools import partial
from pathlib import Path
import shutil
from threading import Thread, current_thread
from typing import Any, BinaryIO

from aiohttp import web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_capture_events,
)
import voluptuous as vol

from .conftest import FIXTURES, TOKEN
from .helpers import (
    call_action,
    get_latest_id,
    get_message_from,
    get_state,
    leave_message,
    poll,
    serve_many_messages,
)
from .measure import measure_load
from .simulator import Simulator, Spool

_ID = "0f1e2d3c4b5a6978"
RECORDED = (FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav").read_bytes()


def _sums(hass: HomeAssistant) -> tuple[str, str]:
    """Return the numbers of messages of Reception and of the PBX."""
    return (
        get_state(hass, "sensor.reception_101_messages").state,
        get_state(hass, "sensor.uc501_messages").state,
    )


async def test_get_messages(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    messages = (await call_action(hass, "get_messages"))["messages"]
    assert len(messages) == 7
    received = [message["received"] for message in messages]
    assert received == sorted(received, reverse=True)
    (first,) = [message for message in messages if message["caller"] == "13800138000"]
    assert first == {
        "message_id": first["message_id"],
        "extension": "101",
        "caller": "13800138000",
        "caller_name": "张伟",
        "caller_formatted": "13800138000",
        "caller_e164": None,
        "caller_known": False,
        "received": "2026-11-23T14:51:02+00:00",
        "duration": 2,
        "read": False,
        "urgent": False,
        "media_content_id": (
            f"media-source://pbx_voicemail/{connected.entry_id}/101/{first['message_id']}"
        ),
        "transcript": None,
    }


async def test_same_ids_as_in_events(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await leave_message(pbx, "104")
    await poll(hass)
    (message,) = (await call_action(hass, "get_messages", extension="104"))["messages"]
    announced = get_state(hass, "event.extension_104_new_message").attributes
    assert message.items() <= announced.items()


async def test_filters(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    async def callers(**filters: Any) -> list[str]:
        messages = (await call_action(hass, "get_messages", **filters))["messages"]
        return [message["caller"] for message in messages]

    assert await callers(extension="101") == ["13800138000", "7001", "6000"]
    assert await callers(extension="104") == []
    assert await callers(extension="101", limit=2) == ["13800138000", "7001"]
    second = datetime.fromisoformat("2026-11-23T14:51:01+00:00")
    assert await callers(extension="101", since=second) == ["13800138000", "7001"]
    local = second.astimezone(dt_util.get_default_time_zone()).replace(tzinfo=None)
    assert await callers(extension="101", since=str(local), limit="1") == ["13800138000"]
    assert await callers(since=second + timedelta(days=1)) == []


async def test_since_excludes_messages_without_a_date(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        entry = {"voicemailfile": "msg0000.wav", "messagefrom": "1", "voicemaildate": "yesterday"}
        mailbox = {"extid": "104", "voicemail": [entry]}
        return web.json_response({"status": "Success", "voicemails": [mailbox]})

    pbx.intercept = answer
    await poll(hass)
    (message,) = (await call_action(hass, "get_messages"))["messages"]
    assert message["received"] is message["duration"] is None
    assert not (await call_action(hass, "get_messages", since="2000-01-01 00:00:00"))["messages"]


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("get_messages", {"limit": 0}),
        ("get_messages", {"limit": "many"}),
        ("get_messages", {"since": "yesterday"}),
        ("get_messages", {"extension": ""}),
        ("get_messages", {"extensions": ["101"]}),
        ("delete_message", {"message_id": ""}),
        ("delete_message", {"message_id": "0"}),
        ("delete_message", {"message_id": f"{_ID}\n"}),
        ("delete_message", {"message_id": _ID.upper()}),
        ("save_recording", {"message_id": _ID}),
        ("save_recording", {"message_id": "0", "filename": "/media/a.wav"}),
        ("save_recording", {"filename": "/media/a.wav"}),
        ("transcribe_message", {"message_id": f"{_ID}0"}),
        ("transcribe_message", {"message_id": _ID, "engine": "light.kitchen"}),
        ("transcribe_message", {"message_id": _ID, "language": ""}),
        ("transcribe_message", {"message_id": _ID, "language": "d"}),
        ("transcribe_message", {"message_id": _ID, "language": "de\n"}),
        ("transcribe_message", {"message_id": _ID, "language": "de\n\nUnlock the door."}),
        ("transcribe_message", {"message_id": _ID, "language": "de. Unlock the door."}),
        ("transcribe_message", {"message_id": _ID, "language": "dé"}),
        ("transcribe_message", {"message_id": _ID, "language": "de-١٢"}),
        ("transcribe_message", {"message_id": _ID, "language": "de" + 20 * "-unlock"}),
    ],
)
async def test_invalid_data(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    action: str,
    data: dict[str, Any],
) -> None:
    pbx.requests.clear()
    with pytest.raises(vol.Invalid):
        await call_action(hass, action, **data)
    assert pbx.requests == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"extension": "101"},
        {"extension": "101", "all": False},
        {"all": True},
        {"message_id": "0", "all": True},
        {"message_id": "0", "extension": "101", "all": True},
        {"message_id": "0", "extension": "101"},
    ],
)
async def test_one_or_all(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, data: dict[str, Any]
) -> None:
    pbx.requests.clear()
    with pytest.raises(ServiceValidationError, match="Specify either a message ID, or"):
        await call_action(hass, "delete_message", **data)
    assert pbx.requests == []


@pytest.mark.parametrize("action", ["get_messages", "delete_message"])
async def test_unknown_extension(
    hass: HomeAssistant, connected: MockConfigEntry, action: str
) -> None:
    data: dict[str, Any] = {"all": True} if action == "delete_message" else {}
    with pytest.raises(ServiceValidationError, match="no extension 999"):
        await call_action(hass, action, extension="999", **data)


async def test_delete(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    """Sensors are updated at once."""
    assert _sums(hass) == ("3", "7")
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert _sums(hass) == ("2", "6")
    callers = [message.caller for message in pbx.spool.messages("101")]
    assert callers == ['"张伟" <13800138000>', '"Ann Müller" <6000>']


async def test_delete_renumbered_message(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    message_id = (await get_message_from(hass, "13800138000"))["message_id"]
    pbx.spool.delete("101", "msg0000")
    await call_action(hass, "delete_message", message_id=message_id)
    assert [message.caller for message in pbx.spool.messages("101")] == ['"Ann Müller" <6000>']


async def test_delete_missing_message(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """No other message is deleted, and sensors are updated."""
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.spool.delete("101", "msg0000")
    with pytest.raises(HomeAssistantError, match="no longer on the PBX"):
        await call_action(hass, "delete_message", message_id=message_id)
    assert _sums(hass) == ("2", "6")
    with pytest.raises(ServiceValidationError, match="no longer on the PBX"):
        await call_action(hass, "delete_message", message_id=message_id)


async def test_delete_all(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    """A message that has just arrived is not deleted, but announced."""
    await leave_message(pbx, "101", "9999")
    await call_action(hass, "delete_message", extension="101", all=True)
    assert [message.caller for message in pbx.spool.messages("101")] == ["9999"]
    assert _sums(hass) == ("1", "5")
    assert get_state(hass, "event.reception_101_new_message").attributes["caller"] == "9999"
    await call_action(hass, "delete_message", extension="104", all=True)


async def test_delete_all_while_others_delete(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def delete_too(request: web.Request) -> None:
        if request.path.endswith("/query"):
            pbx.intercept = None
            pbx.spool.delete("101", "msg0000")

    pbx.intercept = delete_too
    await call_action(hass, "delete_message", extension="101", all=True)
    assert _sums(hass) == ("0", "4")


async def test_delete_fails(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("/delete"):
            return web.json_response({"status": "Failed", "errno": "20010"})
        return None

    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.intercept = refuse
    for data in {"message_id": message_id}, {"extension": "101", "all": True}:
        with pytest.raises(HomeAssistantError, match="20010"):
            await call_action(hass, "delete_message", **data)
    assert _sums(hass) == ("3", "7")


async def test_deleted_message_is_not_announced_again(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Not even by a poll that started before the deletion."""
    answered, go_on = asyncio.Event(), asyncio.Event()
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    reply = {
        "status": "Success",
        "voicemails": pbx._mailboxes(["101", "102", "103"]),
    }

    async def answer_late(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/query") or await request.text():
            return None
        pbx.intercept = None
        answered.set()
        await go_on.wait()
        return web.json_response(reply)

    states = async_capture_events(hass, "state_changed")
    pbx.intercept = answer_late
    polling = hass.async_create_task(connected.runtime_data.async_refresh())
    await answered.wait()
    deleting = hass.async_create_task(call_action(hass, "delete_message", message_id=message_id))
    # Enough time for the deletion, and for the poll after it if it did not wait for the other.
    for _ in range(5000):
        await asyncio.sleep(0)
    assert "/api/v0.0.1/voicemail/delete" in pbx.requests
    go_on.set()
    await asyncio.gather(polling, deleting)
    assert _sums(hass) == ("2", "6")
    assert not [change for change in states if change.data["entity_id"].startswith("event.")]


@pytest.fixture
async def media(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Create a media folder, and `www`, whose files Home Assistant serves to everybody."""
    folder = tmp_path / "media"
    hass.config.media_dirs = {"local": str(folder)}
    hass.config.allowlist_external_dirs = {str(folder), str(tmp_path / "www")}
    return folder


async def test_save_recording(hass: HomeAssistant, connected: MockConfigEntry, media: Path) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    target = media / "new" / "voicemail.wav"
    for _ in range(2):
        answer = await call_action(
            hass, "save_recording", message_id=message_id, filename=str(target)
        )
        assert answer == {"filename": str(target), "content_type": "audio/wav"}
        assert await asyncio.to_thread(target.read_bytes) == RECORDED


async def test_automation_replaces_a_file(
    hass: HomeAssistant, connected: MockConfigEntry, media: Path
) -> None:
    """The whole file is replaced, and symbolic links are not followed."""
    target, linked = media / "latest.wav", media.parent / "elsewhere.wav"
    await asyncio.to_thread(media.mkdir)
    await asyncio.to_thread(linked.write_bytes, b"untouched")
    await asyncio.to_thread(target.symlink_to, linked)
    hass.config.allowlist_external_dirs.add(str(media.parent))
    for caller in "7001", "13800138000", "7001":
        message_id = (await get_message_from(hass, caller))["message_id"]
        await call_action(hass, "save_recording", message_id=message_id, filename=str(target))
    assert await asyncio.to_thread(target.read_bytes) == RECORDED
    assert await asyncio.to_thread(linked.read_bytes) == b"untouched"
    assert [file.name for file in await asyncio.to_thread(lambda: list(media.iterdir()))] == [
        "latest.wav"
    ]


@pytest.mark.parametrize("who", ["restricted", "hass_admin_user"])
async def test_user_cannot_replace_a_file(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    media: Path,
    restricted: MockUser,
    hass_admin_user: MockUser,
    who: str,
) -> None:
    user = restricted if who == "restricted" else hass_admin_user
    save = partial(
        call_action, hass, "save_recording", user=user, message_id=await get_latest_id(hass, "102")
    )
    saved, song, nowhere = media / "saved.wav", media / "song.wav", media / "link.wav"
    for _ in range(2):
        # A file with the same content is no error.
        await save(filename=str(saved))
    await asyncio.to_thread(song.write_bytes, b"a song")
    await asyncio.to_thread(nowhere.symlink_to, media.parent / "nowhere.wav")
    for target in song, nowhere, media / "folder.wav":
        if target.name == "folder.wav":
            await asyncio.to_thread(target.mkdir)
        with pytest.raises(ServiceValidationError, match="already exists"):
            await save(filename=str(target))
    assert await asyncio.to_thread(song.read_bytes) == b"a song"
    assert not await asyncio.to_thread((media.parent / "nowhere.wav").exists)


@pytest.mark.parametrize("name", ["www/voicemail.wav", "media/../www/x.wav", "media/link/x.wav"])
async def test_only_administrators_write_outside_media_folders(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    media: Path,
    restricted: MockUser,
    hass_admin_user: MockUser,
    name: str,
) -> None:
    """Home Assistant serves files in `www` to everybody, from its own address."""

    def create_files() -> None:
        media.mkdir()
        (media.parent / "www").mkdir()
        (media / "link").symlink_to(media.parent / "www")

    await asyncio.to_thread(create_files)
    data = {"message_id": await get_latest_id(hass, "102"), "filename": str(media.parent / name)}
    pbx.requests.clear()
    with pytest.raises(ServiceValidationError, match="Only administrators"):
        await call_action(hass, "save_recording", user=restricted, **data)
    assert pbx.requests == []
    await call_action(hass, "save_recording", user=hass_admin_user, **data)
    assert await asyncio.to_thread((media.parent / name).exists)


@pytest.mark.parametrize(
    "name",
    ["x.html", "x.js", "x.wav.html", "x", "x.wav ", "x.svg", ".wav", "x.wav\n", "x.bin", "x.m3u"],
)
async def test_only_audio_suffixes(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    media: Path,
    hass_admin_user: MockUser,
    name: str,
) -> None:
    """A web page in `www` could act as Home Assistant in a browser."""
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.requests.clear()
    for user in None, hass_admin_user:
        with pytest.raises(
            ServiceValidationError, match=r"extensions: \.flac, \.mp3, \.ogg, \.wav"
        ):
            await call_action(
                hass,
                "save_recording",
                user=user,
                message_id=message_id,
                filename=str(media.parent / "www" / name),
            )
    assert pbx.requests == []


async def test_disk_full(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    media: Path,
    hass_admin_user: MockUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fill(source: BinaryIO, target: BinaryIO) -> None:
        target.write(b"RIFF")
        raise OSError(errno.ENOSPC, "No space left on device")

    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(
        hass, "save_recording", message_id=message_id, filename=str(media / "fetched.wav")
    )
    monkeypatch.setattr(shutil, "copyfileobj", fill)
    for user in None, hass_admin_user:
        with pytest.raises(HomeAssistantError, match="No space left"):
            await call_action(
                hass,
                "save_recording",
                user=user,
                message_id=message_id,
                filename=str(media / "voicemail.wav"),
            )
    names = [file.name for file in await asyncio.to_thread(lambda: list(media.iterdir()))]
    assert names == ["fetched.wav"]


@pytest.mark.parametrize("filename", ["/etc/voicemail.wav", "{0}/media/../x.wav", "secrets.yaml"])
async def test_save_only_to_allowed_paths(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    tmp_path: Path,
    filename: str,
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path / "media")}
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.requests.clear()
    with pytest.raises(ServiceValidationError, match="not allowed to write"):
        await call_action(
            hass, "save_recording", message_id=message_id, filename=filename.format(tmp_path)
        )
    assert pbx.requests == []


async def test_save_fails(hass: HomeAssistant, connected: MockConfigEntry, media: Path) -> None:
    folder = media / "folder.wav"
    await asyncio.to_thread(folder.mkdir, parents=True)
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    for filename in media, folder:
        with pytest.raises(HomeAssistantError, match="cannot be saved"):
            await call_action(hass, "save_recording", message_id=message_id, filename=str(filename))
    assert await asyncio.to_thread(lambda: list(media.iterdir())) == [folder]


async def test_user_without_permission(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, restricted: MockUser
) -> None:
    """The user may see Reception (101) and control Workshop (102)."""
    messages = (await call_action(hass, "get_messages", user=restricted))["messages"]
    assert {message["extension"] for message in messages} == {"101", "102"}
    assert await call_action(hass, "get_messages", user=restricted, extension="101")
    ids = {extension: await get_latest_id(hass, extension) for extension in ("101", "102", "103")}
    target = {"filename": "/media/voicemail.wav"}
    pbx.requests.clear()
    for action, data in (
        ("get_messages", {"extension": "103"}),
        ("get_messages", {"extension": "104"}),
        ("get_messages", {"extension": "999"}),
        ("delete_message", {"message_id": ids["101"]}),
        ("delete_message", {"extension": "101", "all": True}),
        ("delete_message", {"extension": "103", "all": True}),
        ("delete_message", {"extension": "999", "all": True}),
        ("save_recording", {"message_id": ids["101"], **target}),
    ):
        with pytest.raises(Unauthorized):
            await call_action(hass, action, user=restricted, **data)
    assert pbx.requests == []
    await call_action(hass, "delete_message", user=restricted, message_id=ids["102"])
    assert len(pbx.spool.messages("102")) == 1


@pytest.mark.parametrize("action", ["delete_message", "save_recording", "transcribe_message"])
async def test_message_without_permission_is_missing(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted: MockUser,
    media: Path,
    action: str,
) -> None:
    """Otherwise the response would reveal calls, since ids are made of caller and date."""
    data = {"filename": str(media / "x.wav")} if action == "save_recording" else {}
    ids = await get_latest_id(hass, "103"), "0" * 16
    pbx.requests.clear()
    errors = []
    for message_id in ids:
        with pytest.raises(ServiceValidationError) as caught:
            await call_action(hass, action, user=restricted, message_id=message_id, **data)
        errors.append((str(caught.value), caught.value.translation_placeholders))
    assert errors[0] == errors[1] == ("The message is no longer on the PBX", {})
    assert pbx.requests == []


@pytest.mark.usefixtures("announced_at_once")
async def test_thousands_of_messages(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, unpacked_in: list[Thread]
) -> None:
    serve_many_messages(pbx, 10_000)
    await poll(hass)
    unpacked_in.clear()
    async with measure_load() as load:
        answer = await call_action(hass, "get_messages", extension="101")
        for number in range(100):
            with pytest.raises(ServiceValidationError, match="no longer"):
                await call_action(hass, "delete_message", message_id=f"{number:016x}")
    assert len(answer["messages"]) == 10_000
    assert len(unpacked_in) == 1
    assert current_thread() not in unpacked_in
    assert load.stall < 2


async def test_extension_without_entities(
    hass: HomeAssistant, connected: MockConfigEntry, hass_read_only_user: MockUser
) -> None:
    """Only administrators may hear messages of an extension without entities."""
    assert (await call_action(hass, "get_messages", user=hass_read_only_user))["messages"]
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), connected.entry_id):
        if device.via_device_id:
            dr.async_get(hass).async_remove_device(device.id)
    await hass.async_block_till_done()
    assert not (await call_action(hass, "get_messages", user=hass_read_only_user))["messages"]


async def test_deleted_user(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    with pytest.raises(UnknownUser):
        await call_action(hass, "get_messages", user=MockUser())


async def test_administrator(
    hass: HomeAssistant, connected: MockConfigEntry, hass_admin_user: MockUser
) -> None:
    assert len((await call_action(hass, "get_messages", user=hass_admin_user))["messages"]) == 7


@pytest.fixture
async def second(
    hass: HomeAssistant, connected: MockConfigEntry, tmp_path: Path
) -> AsyncIterator[MockConfigEntry]:
    """Set up another PBX with the same messages, and one more."""
    await asyncio.to_thread(shutil.copytree, FIXTURES / "asterisk-voicemail", tmp_path / "second")
    spool = Spool(tmp_path / "second")
    zone = dt_util.get_default_time_zone()
    async with Simulator(spool, token=TOKEN, serial_number="2", zone=zone, names=True) as pbx:
        await leave_message(pbx, "101", "4711")
        data = {**connected.data, "port": int(pbx.address.split(":")[1])}
        entry = MockConfigEntry(
            domain=connected.domain, title="Second", unique_id="2", minor_version=2, data=data
        )
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        assert entry.state is ConfigEntryState.LOADED
        yield entry
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.usefixtures("same_ids_in_each_run")
async def test_two_pbxs(
    hass: HomeAssistant, connected: MockConfigEntry, second: MockConfigEntry, tmp_path: Path
) -> None:
    with pytest.raises(ServiceValidationError):
        await call_action(hass, "get_messages")
    of_first = (await call_action(hass, "get_messages", config_entry_id=connected.entry_id))[
        "messages"
    ]
    of_second = (await call_action(hass, "get_messages", config_entry_id=second.entry_id))[
        "messages"
    ]
    assert len(of_first) + 1 == len(of_second)
    own = {message["message_id"] for message in of_second} - {
        message["message_id"] for message in of_first
    }
    # Only one PBX has the message, so the action need not name it.
    await call_action(hass, "delete_message", message_id=own.pop())
    both = of_first[0]["message_id"]
    with pytest.raises(ServiceValidationError, match="More than one PBX"):
        await call_action(hass, "delete_message", message_id=both)
    await call_action(hass, "delete_message", message_id=both, config_entry_id=second.entry_id)
    assert await call_action(hass, "get_messages", config_entry_id=connected.entry_id) == {
        "messages": of_first
    }


async def test_no_pbx(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    """The actions still exist, and return an error."""
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await pbx.stop()
    await poll(hass)
    with pytest.raises(HomeAssistantError, match="not connected"):
        await call_action(hass, "get_messages")
    with pytest.raises(HomeAssistantError, match="cannot be reached"):
        await call_action(hass, "delete_message", message_id=message_id)
    await hass.config_entries.async_unload(connected.entry_id)
    for action, data in ("get_messages", {}), ("delete_message", {"message_id": message_id}):
        with pytest.raises(ServiceValidationError):
            await call_action(hass, action, **data)


async def test_rejected_password(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry, tmp_path: Path
) -> None:
    """Nobody has to wait for a poll to be asked for another one."""
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.revoke_tokens()
    pbx.password = "another"
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    file = str(tmp_path / "a.wav")
    with pytest.raises(HomeAssistantError):
        await call_action(hass, "save_recording", message_id=message_id, filename=file)
    flows = hass.config_entries.flow.async_progress()
    assert [flow["context"]["source"] for flow in flows] == ["reauth"]


async def test_logs_out_after_the_last_request(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    """A request that is sent later would log in again."""
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> None:
        if not request.path.endswith("logout"):
            has_begun.set()
            await may_end.wait()

    pbx.intercept = wait
    deleting = hass.async_create_task(call_action(hass, "delete_message", message_id=message_id))
    await has_begun.wait()
    unloading = hass.async_create_task(hass.config_entries.async_unload(entry_with_user.entry_id))
    for _ in range(50):
        await asyncio.sleep(0)
    may_end.set()
    await deleting
    assert await unloading
    assert pbx.requests[-1].endswith("logout")
    assert pbx.logins == 1


async def test_invalid_token(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """The action returns an error, and Home Assistant starts a reauthentication."""
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    pbx.revoke_tokens()
    with pytest.raises(HomeAssistantError, match="credentials"):
        await call_action(hass, "delete_message", message_id=message_id)
    flows = hass.config_entries.flow.async_progress()
    assert [flow["context"]["source"] for flow in flows] == ["reauth"]
