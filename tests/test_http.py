"""The view that serves recordings: responses, caching, conversion and permissions."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
import os
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote
import wave

from aiohttp import ClientResponse, web
import audioop
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.voicemail import recordings

from .conftest import FIXTURES, TOKEN
from .helpers import (
    call_action,
    get_latest_id,
    get_message_from,
    leave_message,
    poll,
    serve_many_messages,
)
from .measure import MEGABYTE, measure_load
from .simulator import Simulator

RECORDED = (FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav").read_bytes()
GSM = FIXTURES / "recordings" / "gsm.wav"


@pytest.fixture
async def path(hass: HomeAssistant, connected: MockConfigEntry) -> str:
    """Return the path of the recording of 101/msg0000."""
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    return f"/api/pbx_voicemail/recording/{connected.entry_id}/101/{message_id}"


async def _cached_files(hass: HomeAssistant, entry: MockConfigEntry) -> list[str]:
    """Return the names of the cached files of a PBX."""
    folder = hass.config.cache_path("pbx_voicemail", entry.entry_id)
    return await asyncio.to_thread(os.listdir, folder)


def _downloads(pbx: Simulator) -> int:
    return sum(path.endswith("/download") for path in pbx.requests)


async def test_recording(path: str, hass_client: ClientSessionGenerator) -> None:
    response = await (await hass_client()).get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Content-Length"] == str(len(RECORDED))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"].startswith("private")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert await response.read() == RECORDED


@pytest.mark.parametrize(
    ("requested", "part", "content_range"),
    [
        # Safari sends this first, to find out whether ranges are supported.
        ("bytes=0-1", RECORDED[:2], "bytes 0-1/64626"),
        ("bytes=1000-1999", RECORDED[1000:2000], "bytes 1000-1999/64626"),
        ("bytes=64000-", RECORDED[64000:], "bytes 64000-64625/64626"),
        ("bytes=-26", RECORDED[-26:], "bytes 64600-64625/64626"),
    ],
)
async def test_range(
    path: str, hass_client: ClientSessionGenerator, requested: str, part: bytes, content_range: str
) -> None:
    response = await (await hass_client()).get(path, headers={"Range": requested})
    assert response.status == 206
    assert response.headers["Content-Range"] == content_range
    assert await response.read() == part


async def test_range_after_the_end(path: str, hass_client: ClientSessionGenerator) -> None:
    response = await (await hass_client()).get(path, headers={"Range": "bytes=99999-"})
    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */64626"


async def test_head(path: str, hass_client: ClientSessionGenerator) -> None:
    response = await (await hass_client()).head(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Content-Length"] == str(len(RECORDED))
    assert await response.read() == b""


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".ogg", ".flac"])
async def test_suffix_is_ignored(
    path: str, hass_client: ClientSessionGenerator, suffix: str
) -> None:
    """Many speakers need a suffix. It does not affect the response."""
    client = await hass_client()
    for response in await client.get(path + suffix), await client.head(path + suffix):
        assert response.status == 200
        assert response.headers["Content-Type"] == "audio/wav"
        assert response.headers["Content-Length"] == str(len(RECORDED))
    assert await (await client.get(path + suffix)).read() == RECORDED


@pytest.mark.parametrize(
    "suffix",
    [".html", ".js", ".svg", ".wav.html", ".wav.wav", ".WAV", ".", ".wav%0A", "%00.wav", "0"],
)
async def test_other_suffixes(
    path: str, pbx: Simulator, hass_client: ClientSessionGenerator, suffix: str
) -> None:
    # Home Assistant rejects control characters by itself.
    assert (await (await hass_client()).get(path + suffix)).status in (400, 404)
    assert _downloads(pbx) == 0


async def test_suffix_needs_permission(
    hass: HomeAssistant,
    path: str,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    other = await get_latest_id(hass, "103")
    of_others = f"/api/pbx_voicemail/recording/{connected.entry_id}/103/{other}.wav"
    disguised = f"/api/pbx_voicemail/recording/{connected.entry_id}/101/{other}.wav"
    client = await hass_client(restricted_token)
    assert (await client.get(of_others)).status == 403
    assert (await client.get(disguised)).status == 404
    other_version_reply = await hass_client_no_auth()
    assert (await other_version_reply.get(f"{path}.wav")).status == 401
    signed = async_sign_path(hass, f"{path}.wav", timedelta(minutes=5))
    assert await (await other_version_reply.get(signed)).read() == RECORDED
    assert (await other_version_reply.get(signed.replace(".wav", ".mp3"))).status == 401
    assert (await other_version_reply.get(signed.replace(".wav", ""))).status == 401


async def test_cached_by_the_browser(
    path: str, pbx: Simulator, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    tag = (await client.get(path)).headers["ETag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status == 304
    part = await client.get(path, headers={"Range": "bytes=0-1", "If-Range": tag})
    assert part.status == 206
    assert _downloads(pbx) == 1


async def test_concurrent_requests(
    path: str, pbx: Simulator, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()

    async def listen() -> bytes:
        return await (await client.get(path)).read()

    assert set(await asyncio.gather(*(listen() for _ in range(20)))) == {RECORDED}
    assert _downloads(pbx) == 1


async def test_cancelled_request(
    path: str, pbx: Simulator, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    requested, go_on = asyncio.Event(), asyncio.Event()

    async def respond_slowly(request: web.Request) -> None:
        if request.path.endswith("/download"):
            requested.set()
            await go_on.wait()

    pbx.intercept = respond_slowly
    impatient = asyncio.create_task(client.get(path))
    await requested.wait()
    patient = asyncio.create_task(client.get(path))
    impatient.cancel()
    go_on.set()
    assert await (await patient).read() == RECORDED
    assert _downloads(pbx) == 1


async def test_failure_is_not_cached(
    path: str, pbx: Simulator, hass: HomeAssistant, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    requested, go_on = asyncio.Event(), asyncio.Event()

    async def fail(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/download"):
            return None
        requested.set()
        await go_on.wait()
        return web.Response(text="<html>")

    pbx.intercept = fail
    impatient = asyncio.create_task(client.get(path))
    await requested.wait()
    impatient.cancel()
    go_on.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    pbx.intercept = None
    assert (await client.get(path)).status == 200


async def test_cached_as_long_as_the_message(
    hass: HomeAssistant,
    path: str,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    client = await hass_client()
    await client.get(path)
    await hass.config_entries.async_reload(connected.entry_id)
    assert (await client.get(path)).status == 200
    assert _downloads(pbx) == 1

    pbx.spool.delete("101", "msg0000")
    assert len(await _cached_files(hass, connected)) == 1
    await poll(hass)
    assert await _cached_files(hass, connected) == []
    assert (await client.get(path)).status == 404


async def test_readable_by_home_assistant_only(
    hass: HomeAssistant, path: str, connected: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    await (await hass_client()).get(path)
    folder = Path(hass.config.cache_path("pbx_voicemail", connected.entry_id))

    def modes() -> list[int]:
        return [place.stat().st_mode & 0o077 for place in (folder, *folder.iterdir())]

    assert await asyncio.to_thread(modes) == [0, 0]


async def test_message_deleted_while_unloaded(
    hass: HomeAssistant,
    path: str,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    await (await hass_client()).get(path)
    await hass.config_entries.async_unload(connected.entry_id)
    pbx.spool.delete("101", "msg0000")
    assert len(await _cached_files(hass, connected)) == 1
    await hass.config_entries.async_setup(connected.entry_id)
    await hass.async_block_till_done()
    assert await _cached_files(hass, connected) == []


async def test_deleted_with_the_pbx(
    hass: HomeAssistant, path: str, connected: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    await (await hass_client()).get(path)
    assert await _cached_files(hass, connected)
    await hass.config_entries.async_remove(connected.entry_id)
    with pytest.raises(FileNotFoundError):
        await _cached_files(hass, connected)


async def test_not_signed_in(
    hass: HomeAssistant, path: str, pbx: Simulator, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    assert (await client.get(path)).status == 401
    assert (await client.get(f"{path}?token={TOKEN}")).status == 401
    assert _downloads(pbx) == 0


async def test_signed_path(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    path: str,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Speakers cannot sign in, so they get a path that is valid for one message and some time."""
    client = await hass_client_no_auth()
    signed = async_sign_path(hass, path, timedelta(minutes=5))
    assert await (await client.get(signed)).read() == RECORDED
    assert (await client.head(signed)).status == 200
    other = (await get_message_from(hass, "6000"))["message_id"]
    assert (await client.get(signed.replace(path[-16:], other))).status == 401
    freezer.tick(timedelta(minutes=6))
    assert (await client.get(signed)).status == 401


async def test_permissions(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted_token: str,
    pbx: Simulator,
    hass_client: ClientSessionGenerator,
) -> None:
    client = await hass_client(restricted_token)
    entry_id = connected.entry_id
    status = {}
    for extension in "101", "102", "103":
        message_id = await get_latest_id(hass, extension)
        response = await client.get(
            f"/api/pbx_voicemail/recording/{entry_id}/{extension}/{message_id}"
        )
        status[extension] = response.status
        # Not with the number of another extension either.
        disguised = f"/api/pbx_voicemail/recording/{entry_id}/102/{message_id}"
        assert (await client.get(disguised)).status == (200 if extension == "102" else 404)
    assert status == {"101": 200, "102": 200, "103": 403}
    unknown = await client.get(f"/api/pbx_voicemail/recording/{entry_id}/999/0")
    assert unknown.status == 403
    assert _downloads(pbx) == 2


async def test_signed_path_needs_permission(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted: MockUser,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    token = await hass.auth.async_create_refresh_token(restricted, "https://example.org")
    message_id = await get_latest_id(hass, "103")
    path = f"/api/pbx_voicemail/recording/{connected.entry_id}/103/{message_id}"
    signed = async_sign_path(hass, path, timedelta(minutes=5), refresh_token_id=token.id)
    assert (await (await hass_client_no_auth()).get(signed)).status == 403


async def test_not_found(
    hass: HomeAssistant,
    path: str,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    client = await hass_client()
    for missing in (
        path.replace(connected.entry_id, "another"),
        path.replace(path[-16:], "0" * 16),
        path.replace(path[-16:], "msg0000.wav"),
        path.replace("/101/", "/102/"),
    ):
        assert (await client.get(missing)).status == 404
    pbx.spool.delete("101", "msg0000")
    response = await client.get(path)
    assert response.status == 404
    assert await response.text() == "The message is no longer on the PBX"
    assert (await client.get(path.replace(path[-16:], "..%2F..%2Fsecrets.yaml"))).status == 400
    assert _downloads(pbx) == 0

    await hass.config_entries.async_unload(connected.entry_id)
    assert (await client.get(path)).status == 502


def _garbage(request: web.Request) -> web.Response:
    return web.Response(text="<html><script>alert(1)</script>")


def _refusal(request: web.Request) -> web.Response:
    return web.json_response({"status": "Failed", "errno": "20010"})


def _incomplete(request: web.Request) -> web.Response:
    """Close the connection in a recording, without a Content-Length that would reveal it."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + RECORDED[:3000])
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize("fault", [_garbage, _refusal, _incomplete])
async def test_pbx_fails(
    path: str,
    pbx: Simulator,
    fault: Callable[[web.Request], web.Response],
    hass_client: ClientSessionGenerator,
) -> None:
    async def fail(request: web.Request) -> web.StreamResponse | None:
        return fault(request) if request.path.endswith("/download") else None

    client = await hass_client()
    pbx.intercept = fail
    response = await client.get(path)
    assert response.status == 502
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "PBX" in await response.text()
    pbx.intercept = None
    assert (await client.get(path)).status == 200


async def test_pbx_is_down(path: str, pbx: Simulator, hass_client: ClientSessionGenerator) -> None:
    client = await hass_client()
    await pbx.stop()
    response = await client.get(path)
    assert response.status == 502
    assert await response.text() == "The PBX cannot be reached"


@pytest.fixture
def no_folder(hass: HomeAssistant) -> None:
    """Create a file in place of the folder for recordings."""
    folder = Path(hass.config.cache_path("pbx_voicemail"))
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")


@pytest.mark.parametrize("place", [("pbx_voicemail",), ("pbx_voicemail", "{0}")])
async def test_cache_cannot_be_created(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    place: tuple[str, ...],
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The PBX is set up with one warning. Playing a recording returns the reason."""
    folder = Path(hass.config.cache_path(*(part.format(entry.entry_id) for part in place)))

    def obstruct() -> None:
        folder.parent.mkdir(parents=True)
        folder.write_text("in the way")

    await asyncio.to_thread(obstruct)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert len((await call_action(hass, "get_messages"))["messages"]) == 7
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    path = f"/api/pbx_voicemail/recording/{entry.entry_id}/101/{message_id}"
    response = await (await hass_client()).get(path)
    assert response.status == 502
    assert "cannot be saved" in await response.text()
    warnings = [record for record in caplog.records if record.name.endswith("recordings")]
    assert len(warnings) == (len(place) == 2)
    assert await hass.config_entries.async_remove(entry.entry_id)


async def test_disk_full(path: str, no_folder: None, hass_client: ClientSessionGenerator) -> None:
    response = await (await hass_client()).get(path)
    assert response.status == 502
    assert "cannot be saved" in await response.text()


@pytest.fixture
async def gsm_path(hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry) -> str:
    """Return the path of a recording that browsers cannot play."""
    await leave_message(pbx, "104", recording=GSM)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    (message,) = (await call_action(hass, "get_messages", extension="104"))["messages"]
    return f"/api/pbx_voicemail/recording/{entry.entry_id}/104/{message['message_id']}"


async def test_gsm_is_converted(
    ffmpeg: None, gsm_path: str, hass_client: ClientSessionGenerator
) -> None:
    response = await (await hass_client()).get(gsm_path)
    assert response.headers["Content-Type"] == "audio/wav"
    with wave.open(BytesIO(await response.read())) as audio:
        assert audio.getparams()[:3] == (1, 2, 8000)
        # Duration and volume stay the same.
        assert audio.getnframes() == pytest.approx(22720, abs=320)
        samples = audio.readframes(audio.getnframes())
    with wave.open(str(FIXTURES / "asterisk-voicemail/101/INBOX/msg0001.wav")) as original:
        loudness = audioop.rms(original.readframes(original.getnframes()), 2)
    assert audioop.rms(samples, 2) == pytest.approx(loudness, rel=0.1)


async def test_gsm_without_ffmpeg(
    no_ffmpeg: None,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    gsm_path: str,
    hass_client: ClientSessionGenerator,
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    client = await hass_client()
    response = await client.get(gsm_path)
    assert response.headers["Content-Type"] == "audio/wav"
    assert await response.read() == await asyncio.to_thread(GSM.read_bytes)
    diagnostics = await (await client.get(f"/api/diagnostics/config_entry/{entry.entry_id}")).json()
    assert diagnostics["data"]["recordings"] == {
        "kept": 1,
        "codecs": {"gsm": 1},
        "not_converted": 1,
    }


@pytest.mark.parametrize(
    "audio",
    [
        b"RIFF\x1c\0\0\0WAVEfmt \x10\0\0\0\x31\0\1\0\x40\x1f",
        b"#EXTM3U\nfile:///etc/passwd",
        b"?",
    ],
)
async def test_ffmpeg_cannot_convert(
    ffmpeg: None, gsm_path: str, pbx: Simulator, audio: bytes, hass_client: ClientSessionGenerator
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        return (
            web.Response(body=audio.ljust(36, b"\0"))
            if request.path.endswith("/download")
            else None
        )

    pbx.intercept = answer
    response = await (await hass_client()).get(gsm_path)
    assert await response.read() == audio.ljust(36, b"\0")
    assert not response.headers["Content-Type"].startswith("text")


@pytest.fixture
async def hanging_ffmpeg(hass: HomeAssistant, tmp_path: Path) -> None:
    """Install an ffmpeg that returns its version and otherwise hangs."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && exec echo "ffmpeg version 7.1"\nexec sleep 60\n'
    )
    program.chmod(0o755)
    assert await async_setup_component(hass, "ffmpeg", {"ffmpeg": {"ffmpeg_bin": str(program)}})


async def test_ffmpeg_that_hangs(
    hanging_ffmpeg: None,
    gsm_path: str,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
) -> None:
    monkeypatch.setattr(recordings, "_CONVERSION_TIMEOUT", 0.05)
    response = await (await hass_client()).get(gsm_path)
    assert await response.read() == await asyncio.to_thread(GSM.read_bytes)


def _with_second_format(rate: int) -> bytes:
    """Return the GSM recording with a second format chunk, with another sample rate."""
    audio = GSM.read_bytes()
    begin = audio.index(b"fmt ")
    end = begin + 8 + int.from_bytes(audio[begin + 4 : begin + 8], "little")
    second = bytearray(audio[begin:end])
    second[12:16] = rate.to_bytes(4, "little")
    return audio[:end] + bytes(second) + audio[end:]


async def test_huge_sample_rate(
    ffmpeg: None, gsm_path: str, pbx: Simulator, hass_client: ClientSessionGenerator
) -> None:
    """A sample rate of 192 MHz does not make FFmpeg create gigabytes."""
    body = await asyncio.to_thread(_with_second_format, 192_000_000)

    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=body) if request.path.endswith("/download") else None

    pbx.intercept = answer
    client = await hass_client()
    async with measure_load() as load:
        response = await client.get(gsm_path)
        audio = await response.read()
    assert len(audio) == pytest.approx(44 + 2 * 22720, abs=640)
    assert load.stall < 2
    assert load.peak < 100 * MEGABYTE


async def test_conversion_over_the_limit(
    ffmpeg: None,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    gsm_path: str,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
) -> None:
    """If the result is too long, the recording is served unchanged."""
    monkeypatch.setattr(recordings, "_MAX_CONVERTED_BYTES", 32_000)
    response = await (await hass_client()).get(gsm_path)
    assert await response.read() == await asyncio.to_thread(GSM.read_bytes)


def _paths(hass: HomeAssistant, entry: MockConfigEntry, reply: dict[str, Any]) -> list[str]:
    return [
        f"/api/pbx_voicemail/recording/{entry.entry_id}/101/{message['message_id']}"
        for message in reply["messages"]
    ]


async def test_concurrent_downloads_are_limited(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """Each download may need tens of megabytes and an FFmpeg process."""
    serve_many_messages(pbx, 20)
    await poll(hass)
    paths = _paths(hass, connected, await call_action(hass, "get_messages"))
    answer = pbx.intercept
    assert answer
    at_once = most = 0

    async def count(request: web.Request) -> web.StreamResponse | None:
        nonlocal at_once, most
        if not request.path.endswith("/download"):
            return await answer(request)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return await answer(request)

    pbx.intercept = count
    client = await hass_client()
    responses = await asyncio.gather(*(client.get(path) for path in paths))
    assert {response.status for response in responses} == {200}
    assert most == 2


async def test_not_evicted_before_it_has_been_sent(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
) -> None:
    """More recordings than the cache may contain are served at once, and evicted afterwards."""
    monkeypatch.setattr(recordings, "MAX_CACHE_BYTES", 100_000)
    serve_many_messages(pbx, 12)
    await hass.config_entries.async_setup(entry.entry_id)
    paths = _paths(hass, entry, await call_action(hass, "get_messages"))
    client = await hass_client()

    async def listen(path: str) -> bytes:
        return await (await client.get(path)).read()

    assert set(await asyncio.gather(*map(listen, paths))) == {RECORDED}
    # The last response may still be released after the browser has it.
    async with asyncio.timeout(10):
        while len(await _cached_files(hass, entry)) != 1:
            await hass.async_block_till_done()


@pytest.mark.usefixtures("announced_at_once")
async def test_ten_thousand_messages(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    unpacked_in: list[Thread],
    hass_client: ClientSessionGenerator,
) -> None:
    """A hundred of them are requested, and a hundred that do not exist."""
    serve_many_messages(pbx, 10_000)
    await poll(hass)
    answer = await call_action(hass, "get_messages", limit=100)
    (path, *_) = paths = _paths(hass, connected, answer)
    client = await hass_client()
    await client.head(path)
    unknown = [f"{path[:-16]}{number:016x}" for number in range(100)]
    unpacked_in.clear()
    async with measure_load() as load:
        heads = await asyncio.gather(*(client.head(path) for _ in range(100)))
        missing = await asyncio.gather(*map(client.head, unknown))
    assert {response.status for response in heads} == {200}
    assert {response.status for response in missing} == {404}
    assert len(paths) == 100
    # Unpacking all of them for each request would take ten seconds.
    assert unpacked_in == []
    assert load.stall < 2


@pytest.fixture
async def slow_ffmpeg(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Install an ffmpeg that waits for a file called `go` in the folder that this returns."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && exec echo "ffmpeg version 7.1"\n'
        f"cat >/dev/null; touch {tmp_path}/began\n"
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; head -c 16000 /dev/zero\n"
    )
    program.chmod(0o755)
    assert await async_setup_component(hass, "ffmpeg", {"ffmpeg": {"ffmpeg_bin": str(program)}})
    return tmp_path


async def _wait_for(file: Path) -> None:
    while not await asyncio.to_thread(file.exists):
        await asyncio.sleep(0.01)


async def test_message_deleted_during_the_download(
    slow_ffmpeg: Path,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    gsm_path: str,
    pbx: Simulator,
    hass_client: ClientSessionGenerator,
) -> None:
    """Its recording is deleted with it."""
    client = await hass_client()
    requested = asyncio.create_task(client.get(gsm_path))
    await _wait_for(slow_ffmpeg / "began")
    pbx.spool.delete("104", "msg0000")
    await entry.runtime_data.async_refresh()
    (slow_ffmpeg / "go").touch()
    assert (await requested).status == 404
    assert await _cached_files(hass, entry) == []


async def test_pbx_removed_while_a_recording_is_written(
    hass: HomeAssistant,
    path: str,
    connected: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
) -> None:
    """The removal waits for the thread, which cannot be stopped."""
    began, go_on = Event(), Event()
    make = Path.mkdir

    def make_slowly(
        path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if path.name == connected.entry_id:
            began.set()
            go_on.wait(10)
        make(path, mode, parents, exist_ok)

    client = await hass_client()
    # The first step of writing a recording.
    monkeypatch.setattr(Path, "mkdir", make_slowly)
    requested = asyncio.create_task(client.get(path))
    await asyncio.to_thread(began.wait)
    removing = asyncio.create_task(hass.config_entries.async_remove(connected.entry_id))
    await asyncio.wait([removing], timeout=0.5)
    go_on.set()
    await removing
    assert (await requested).status == 502
    with pytest.raises(FileNotFoundError):
        await _cached_files(hass, connected)


async def test_recordings_that_cannot_be_deleted(
    hass: HomeAssistant,
    path: str,
    pbx: Simulator,
    connected: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await (await hass_client()).get(path)

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(1, "Operation not permitted")

    pbx.spool.delete("101", "msg0000")
    monkeypatch.setattr(Path, "unlink", refuse)
    await poll(hass)
    assert "Recordings cannot be deleted: Operation not permitted" in caplog.text


async def test_recording_that_cannot_be_read(
    hass: HomeAssistant,
    path: str,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """It is downloaded again."""
    client = await hass_client()
    await client.get(path)
    folder = Path(hass.config.cache_path("pbx_voicemail", connected.entry_id))

    def obstruct() -> None:
        (file,) = folder.iterdir()
        file.unlink()
        file.with_suffix(".bin").mkdir()

    await asyncio.to_thread(obstruct)
    assert await (await client.get(path)).read() == RECORDED
    assert _downloads(pbx) == 2


@pytest.mark.parametrize("said", [0, 1000, 2**31, 2**32 - 1])
async def test_wrong_size_in_the_header(
    path: str, pbx: Simulator, hass_client: ClientSessionGenerator, said: int
) -> None:
    """It is served with the correct size, so that players do not stop early."""
    begin = RECORDED.index(b"data") + 4
    body = RECORDED[:begin] + said.to_bytes(4, "little") + RECORDED[begin + 4 :]

    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=body) if request.path.endswith("/download") else None

    pbx.intercept = answer
    response = await (await hass_client()).get(path)
    assert response.headers["Content-Type"] == "audio/wav"
    assert await response.read() == (RECORDED if said == 1000 else body)


async def test_no_response_contains_the_token(
    path: str,
    pbx: Simulator,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def as_text(response: ClientResponse, body: bytes) -> str:
        return f"{response.status} {response.headers} {response.url} {response.history} {body!r}"

    client = await hass_client()
    answers = []
    for fault in None, _garbage, _refusal, _incomplete:

        async def fail(request: web.Request, fault: object = fault) -> web.StreamResponse | None:
            return (
                fault(request) if callable(fault) and request.path.endswith("/download") else None
            )

        pbx.intercept = fail
        response = await client.get(path)
        answers.append(as_text(response, await response.read()))
    everything = unquote("".join(answers) + caplog.text)
    assert TOKEN not in everything
    assert pbx.address not in everything.replace(f"127.0.0.1:{client.port}", "")
