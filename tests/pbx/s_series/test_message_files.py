"""Downloading and deleting the right message, whenever the PBX renames files."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
import traceback
import wave

import aiohttp
from aiohttp import web
from hypothesis import settings
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    Credentials,
    Mailbox,
    Message,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxRejectedError,
    PbxReplyError,
    PbxTimeoutError,
    PbxUnclearError,
)
from custom_components.pbx_voicemail.pbx.s_series import requests as requests_module
from custom_components.pbx_voicemail.pbx.s_series.client import SSeriesClient
from custom_components.pbx_voicemail.pbx.s_series.versions import API_VERSIONS
from tests.conftest import FIXTURES, TOKEN
from tests.simulator import Simulator, Spool
from tests.simulator.server import YEASTAR
from tests.simulator.spool import OLD

RECORDED = FIXTURES / "asterisk-voicemail"
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
async def client(pbx: Simulator) -> AsyncIterator[PbxClient]:
    async with aiohttp.ClientSession() as session:
        yield _client(session, pbx)


def _client(session: aiohttp.ClientSession, pbx: Simulator) -> PbxClient:
    return SSeriesClient(
        Connection(
            session=session,
            address=Address("127.0.0.1", pbx.port),
            credentials=Credentials(token=TOKEN),
        )
    )


async def _mailbox(client: PbxClient, extension: str = "101") -> Mailbox:
    return (await client.mailboxes()).get(extension) or Mailbox(extension)


async def _message_of(client: PbxClient, caller: str) -> Message:
    """Return the message from a caller: msg0000 from 7001, msg0002 from 6000."""
    (message,) = [found for found in (await _mailbox(client)).messages if found.caller == caller]
    return message


async def test_recording(client: PbxClient, pbx: Simulator) -> None:
    message = await _message_of(client, "7001")
    pbx.requests.clear()
    assert await client.recording(message) == (RECORDED / "101/INBOX/msg0000.wav").read_bytes()
    assert [path.rpartition("/")[2] for path in pbx.requests] == [
        "query",
        "get_random",
        "download",
        "query",
    ]


async def test_recording_after_renumbering(client: PbxClient, pbx: Simulator) -> None:
    message = await _message_of(client, "6000")
    pbx.spool.delete("101", "msg0000")
    assert await client.recording(message) == (RECORDED / "101/INBOX/msg0002.wav").read_bytes()


async def test_yeastar_needs_the_status(socket_enabled: None, recorded: Spool) -> None:
    recorded.move("101", "msg0000")
    async with (
        Simulator(recorded, token=TOKEN, version=YEASTAR, folders=("INBOX", OLD)) as pbx,
        aiohttp.ClientSession() as session,
    ):
        client = _client(session, pbx)
        by_read = {message.read: message for message in (await _mailbox(client)).messages}
        # There are two files called msg0000.wav, one in each folder.
        assert (
            await client.recording(by_read[True])
            == (RECORDED / "101/INBOX/msg0000.wav").read_bytes()
        )
        await client.delete(by_read[True])
        assert [message.read for message in (await _mailbox(client)).messages] == [False, False]


async def test_duplicate_file_name(socket_enabled: None, recorded: Spool) -> None:
    recorded.move("101", "msg0000")
    async with (
        Simulator(recorded, token=TOKEN, folders=("INBOX", OLD)) as pbx,
        aiohttp.ClientSession() as session,
    ):
        client = _client(session, pbx)
        heard = await _message_of(client, "7001")
        for ask in client.recording, client.delete:
            with pytest.raises(PbxUnclearError):
                await ask(heard)
        await client.recording(await _message_of(client, "6000"))
        assert len((await _mailbox(client)).messages) == 3


@pytest.mark.parametrize("ask", ["recording", "delete"])
async def test_missing_message(client: PbxClient, pbx: Simulator, ask: str) -> None:
    gone = await _message_of(client, "7001")
    pbx.spool.delete("101", "msg0000")
    with pytest.raises(PbxGoneError):
        await getattr(client, ask)(gone)
    pbx.spool.delete_mailbox("101")
    with pytest.raises(PbxGoneError):
        await getattr(client, ask)(gone)
    del pbx.extensions["101"]
    with pytest.raises(PbxGoneError):
        await getattr(client, ask)(gone)
    assert not any(path.endswith(("get_random", "delete")) for path in pbx.requests)


async def test_delete(client: PbxClient, pbx: Simulator) -> None:
    first, *rest = reversed((await _mailbox(client)).messages)
    await client.delete(first)
    assert (await _mailbox(client)).messages == tuple(reversed(rest))


async def test_concurrent_deletions(client: PbxClient, pbx: Simulator) -> None:
    """Even if the PBX handles them in the wrong order, after renaming files."""
    first, second, third = [
        await _message_of(client, caller) for caller in ("7001", "13800138000", "6000")
    ]

    async def delay(request: web.Request) -> None:
        if request.path.endswith("/delete") and "msg0001" in await request.text():
            while len(pbx.spool.messages("101")) == 3:
                await asyncio.sleep(0)

    pbx.intercept = delay
    await asyncio.gather(client.delete(first), client.delete(second))
    assert (await _mailbox(client)).messages == (third,)


async def test_delete_is_sent_once(client: PbxClient, pbx: Simulator) -> None:
    message = await _message_of(client, "7001")

    async def send_garbage(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/delete"):
            return None
        pbx.spool.delete("101", "msg0000")
        return web.Response(text="<html>")

    pbx.intercept = send_garbage
    with pytest.raises(PbxReplyError):
        await client.delete(message)
    assert len((await _mailbox(client)).messages) == 2


@pytest.mark.parametrize("errno", ["20004", "20010"])
@pytest.mark.parametrize("where", ["get_random", "download", "delete"])
async def test_refused(client: PbxClient, pbx: Simulator, where: str, errno: str) -> None:
    """It is not due to the token, which was valid in the query before."""

    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith(where):
            return web.json_response({"status": "Failed", "errno": errno})
        return None

    message = await _message_of(client, "7001")
    pbx.intercept = refuse
    ask = client.delete if where == "delete" else client.recording
    with pytest.raises(PbxRejectedError) as refused:
        await ask(message)
    assert (type(refused.value), refused.value.errno) == (PbxRejectedError, errno)


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("download", b""),
        ("download", b"<html>not here</html>"),
        ("download", b'\xef\xbb\xbf {"status": "Success"}'),
        ("download", b'{"status": '),
        ("get_random", b'{"status": "Success", "extid": "101"}'),
        ("get_random", b"[]"),
    ],
)
async def test_reply_without_a_recording(
    client: PbxClient, pbx: Simulator, where: str, body: bytes
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=body) if request.path.endswith(where) else None

    message = await _message_of(client, "7001")
    pbx.intercept = answer
    with pytest.raises(PbxReplyError):
        await client.recording(message)


async def test_truncated_download(client: PbxClient, pbx: Simulator) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/download"):
            return None
        response = web.StreamResponse(headers={"Content-Length": "64626"})
        await response.prepare(request)
        await response.write((RECORDED / "101/INBOX/msg0000.wav").read_bytes()[:30000])
        assert request.transport
        request.transport.close()
        return response

    message = await _message_of(client, "7001")
    pbx.intercept = hang_up
    with pytest.raises(PbxConnectionError):
        await client.recording(message)


async def test_download_timeout(
    client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = asyncio.Event()

    async def delay(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/download"):
            return None
        response = web.StreamResponse(headers={"Content-Length": "64626"})
        await response.prepare(request)
        await response.write(b"OggS")
        await given_up.wait()
        return response

    message = await _message_of(client, "7001")
    monkeypatch.setattr(requests_module, "DOWNLOAD_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    pbx.intercept = delay
    with pytest.raises(PbxTimeoutError):
        await client.recording(message)
    given_up.set()


async def test_too_large(
    client: PbxClient, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await _message_of(client, "7001")
    monkeypatch.setattr(requests_module, "MAX_RECORDING_BYTES", 60_000)
    with pytest.raises(PbxReplyError):
        await client.recording(message)


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "msg 0&token=x#?.wav", "", "メ\n"])
async def test_malicious_file_name(client: PbxClient, pbx: Simulator, name: str) -> None:
    asked: list[object] = []

    async def rename(request: web.Request) -> web.Response | None:
        if request.path.endswith("/query"):
            entry = {"voicemailfile": name, "messagefrom": "1", "voicemaildate": ""}
            mailbox = {"extid": "101", "voicemail": [entry]}
            return web.json_response({"status": "Success", "voicemails": [mailbox]})
        if request.path.endswith("/get_random"):
            asked.append((await request.json())["voicemailfile"])
            return web.json_response({"status": "Success", "random": "a&b=c"})
        asked.append(dict(request.query))
        return web.Response(body=b"OggS")

    pbx.intercept = rename
    (message,) = (await _mailbox(client)).messages
    if not name:
        with pytest.raises(PbxUnclearError):
            await client.recording(message)
        return
    assert await client.recording(message) == b"OggS"
    in_the_url = {"extid": "101", "voicemailfile": name.strip(), "random": "a&b=c", "token": TOKEN}
    assert asked == [name.strip(), in_the_url]


async def test_no_error_contains_the_token(client: PbxClient, pbx: Simulator) -> None:
    message = await _message_of(client, "7001")
    for where in "query", "get_random", "download":

        async def break_off(request: web.Request, where: str = where) -> web.Response | None:
            if request.path.endswith(where):
                assert request.transport
                request.transport.close()
            return None

        pbx.intercept = break_off
        with pytest.raises(PbxError) as failed:
            await client.recording(message)
        assert TOKEN not in "".join(traceback.format_exception(failed.value))


async def test_twin_deleted_during_the_download(client: PbxClient, pbx: Simulator) -> None:
    """The other twin then has its id and its file name. Only the number of twins has changed."""
    for name in "msg0001", "msg0002":
        pbx.spool.leave(
            "104", "7", received=NOW, duration=2, recording=RECORDED / f"101/INBOX/{name}.wav"
        )

    async def lose_a_twin(request: web.Request) -> None:
        if request.path.endswith("/download"):
            pbx.intercept = None
            pbx.spool.delete("104", "msg0000")

    later, earlier = (await _mailbox(client, "104")).messages
    pbx.intercept = lose_a_twin
    with pytest.raises(PbxGoneError):
        await client.recording(later)
    assert await client.recording(earlier) == (RECORDED / "101/INBOX/msg0002.wav").read_bytes()
    assert pbx.requests.count("/api/v0.0.1/voicemail/download") == 2


async def test_renamed_repeatedly(client: PbxClient, pbx: Simulator) -> None:
    message = await _message_of(client, "6000")
    number = 0

    async def rename(request: web.Request) -> web.Response | None:
        nonlocal number
        if request.path.endswith("/download"):
            return web.Response(body=b"OggS")
        if request.path.endswith("/get_random"):
            return web.json_response({"status": "Success", "random": "1"})
        number += 1
        entry = {
            "voicemailfile": f"msg{number:04}.wav",
            "messagefrom": '"Ann Müller" <6000>',
            "voicemaildate": "2026-11-23 06:51:00",
            "voicemaillength": "5",
        }
        mailbox = {"extid": "101", "voicemail": [entry]}
        return web.json_response({"status": "Success", "voicemails": [mailbox]})

    pbx.intercept = rename
    with pytest.raises(PbxUnclearError):
        await client.recording(message)
    assert number == 6


async def test_reply_with_other_mailboxes(client: PbxClient, pbx: Simulator) -> None:
    """Some firmware ignores the requested extension, and lists all."""
    message = await _message_of(client, "6000")

    async def respond_with_all(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/query"):
            return None
        voicemails = pbx._mailboxes(["103", "101", "102"])
        return web.json_response({"status": "Success", "voicemails": voicemails})

    pbx.intercept = respond_with_all
    assert await client.recording(message) == (RECORDED / "101/INBOX/msg0002.wav").read_bytes()


class OtherUsers:
    """Users who hear, delete and leave messages meanwhile.

    Each message has another recording, by which it can be identified.
    """

    def __init__(self, pbx: Simulator, scratch: Path, random: Random) -> None:
        self._pbx = pbx
        self._scratch = scratch
        self._random = random
        self._left = 0
        self.recordings: dict[str, bytes] = {}

    def set_up(self, messages: int) -> None:
        """Create the mailbox again."""
        self._pbx.spool.delete_mailbox("101")
        self.recordings.clear()
        for _ in range(messages):
            self._leave()

    def change(self) -> None:
        names = [message.name for message in self._pbx.spool.messages("101")]
        match self._random.randrange(5):
            case 0 | 1 if names:
                self._pbx.spool.delete("101", self._random.choice(names))
            case 2 if names:
                self._pbx.spool.move("101", self._random.choice(names))
            case 3:
                self._leave()
            case _:
                pass

    def _leave(self) -> None:
        self._left += 1
        recording = self._scratch / f"{self._left}.wav"
        with wave.open(str(recording), "wb") as audio:
            audio.setparams((1, 2, 8000, 0, "NONE", ""))
            audio.writeframes(self._left.to_bytes(2) * 400)
        caller = f"<{self._left}>"
        self._pbx.spool.leave(
            "101",
            caller,
            received=NOW + timedelta(seconds=self._random.randrange(3)),
            recording=recording,
        )
        self.recordings[str(self._left)] = recording.read_bytes()


def _callers(messages: Iterable[Message]) -> set[str | None]:
    return {message.caller for message in messages}


async def test_never_the_wrong_recording(client: PbxClient, pbx: Simulator, tmp_path: Path) -> None:
    """People use their others before and between all that is asked for a recording."""
    outcomes = {"played": 0, "gone": 0, "unclear": 0}
    for seed in range(settings.default.max_examples if settings.default else 100):
        random = Random(seed)
        others = OtherUsers(pbx, tmp_path, random)
        await asyncio.to_thread(others.set_up, random.randint(1, 6))
        pbx.intercept = None
        message = random.choice((await _mailbox(client)).messages)

        async def meanwhile(
            request: web.Request, random: Random = random, others: OtherUsers = others
        ) -> None:
            if random.random() < 0.4:
                await asyncio.to_thread(others.change)

        pbx.intercept = meanwhile
        try:
            recording = await client.recording(message)
        except PbxGoneError:
            pbx.intercept = None
            assert message.caller not in _callers((await _mailbox(client)).messages)
            outcomes["gone"] += 1
        except PbxUnclearError:
            outcomes["unclear"] += 1
        else:
            assert message.caller
            assert recording == others.recordings[message.caller], seed
            outcomes["played"] += 1
    print(outcomes)
    assert outcomes["played"] > outcomes["gone"] > 0


async def test_never_the_wrong_deletion(client: PbxClient, pbx: Simulator, tmp_path: Path) -> None:
    """People use their others between the look at the mailbox and the deletion."""
    deleted = 0
    for seed in range(settings.default.max_examples if settings.default else 100):
        random = Random(seed)
        others = OtherUsers(pbx, tmp_path, random)
        await asyncio.to_thread(others.set_up, random.randint(1, 6))
        message = random.choice((await _mailbox(client)).messages)
        for _ in range(random.randint(0, 3)):
            others.change()
        before = _callers((await _mailbox(client)).messages)
        try:
            await client.delete(message)
            deleted += 1
        except PbxGoneError:
            assert message.caller not in before
        assert _callers((await _mailbox(client)).messages) == before - {message.caller}, seed
    assert deleted > 0


async def test_version_is_found_for_recordings(socket_enabled: None, recorded: Spool) -> None:
    for version in API_VERSIONS:
        async with (
            Simulator(recorded, token=TOKEN, version=version.name) as pbx,
            aiohttp.ClientSession() as session,
        ):
            message = await _message_of(_client(session, pbx), "7001")
            assert await _client(session, pbx).recording(message)
