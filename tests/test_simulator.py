"""The simulated PBX behaves as documented."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from .conftest import FIXTURES, TOKEN
from .demo.hass_process import REPOSITORY
from .simulator import Simulator, Spool
from .simulator.fill import fill

SECRET = md5(b"secret", usedforsecurity=False).hexdigest()
RECORDED = FIXTURES / "asterisk-voicemail"


class Caller:
    """A client of the API, with or without a token."""

    def __init__(self, session: aiohttp.ClientSession, pbx: Simulator) -> None:
        self._session = session
        self._api = f"http://{pbx.address}/api/v0.0.1"
        self.token = TOKEN

    async def ask(self, path: str, **body: str) -> dict[str, Any]:
        query = {"token": self.token}
        async with self._session.post(
            f"{self._api}/{path}", params=query, json=body or None
        ) as response:
            assert response.status == 200
            answer: dict[str, Any] = await response.json()
            return answer

    async def download(self, **query: str) -> bytes:
        async with self._session.get(
            f"{self._api}/voicemail/download", params={"token": self.token, **query}
        ) as response:
            return await response.read()

    async def files(self, extension: str) -> list[tuple[str, str]]:
        reply = await self.ask("voicemail/query", extid=extension)
        (mailbox,) = reply.get("voicemails", [{"voicemail": []}])
        return [(m["voicemailfile"], m["messagefrom"]) for m in mailbox["voicemail"]]


@pytest.fixture
async def caller(pbx: Simulator) -> AsyncIterator[Caller]:
    pbx.names = False
    async with aiohttp.ClientSession() as session:
        yield Caller(session, pbx)


def _failed(errno: str) -> dict[str, str]:
    return {"status": "Failed", "errno": errno}


async def test_login(caller: Caller, pbx: Simulator) -> None:
    answer = await caller.ask("login", username="api", password=SECRET, port="8260")
    assert answer["status"] == "Success"
    caller.token = answer["token"]
    assert len(caller.token) == 32
    assert (await caller.ask("heartbeat", ipaddr="127.0.0.1", port="1"))["status"] == "Success"
    assert await caller.ask("heartbeat") == _failed("10004")
    assert (await caller.ask("logout"))["status"] == "Success"
    assert await caller.ask("logout") == _failed("20004")


async def test_lock_out_after_five_failed_logins(caller: Caller, pbx: Simulator) -> None:
    now = datetime.now(UTC)
    pbx.clock = lambda: now
    assert await caller.ask("login", username="api", password=SECRET) == _failed("10004")
    for _ in range(5):
        wrong = await caller.ask("login", username="api", password="secret", port="8260")
        assert wrong == _failed("30003")
    right = {"username": "api", "password": SECRET, "port": "8260"}
    now += timedelta(minutes=9)
    assert await caller.ask("login", **right) == _failed("20002")
    now += timedelta(minutes=2)
    assert (await caller.ask("login", **right))["status"] == "Success"


@pytest.mark.parametrize(("token", "errno"), [("", "20005"), ("wrong", "20004")])
async def test_token_is_checked(caller: Caller, token: str, errno: str) -> None:
    caller.token = token
    for path in ("voicemail/query", "deviceinfo/query", "extensionlist/query"):
        assert await caller.ask(path) == _failed(errno)


async def test_query(caller: Caller) -> None:
    assert (await caller.ask("voicemail/query", extid="101"))["voicemails"] == [
        {
            "extid": "101",
            "voicemail": [
                {
                    "voicemailfile": f"msg{number:04}.wav",
                    "messagefrom": number_of_caller,
                    "voicemaildate": f"2026-11-23 {time}",
                    "voicemaillength": length,
                }
                for number, (number_of_caller, time, length) in enumerate(
                    [
                        ("7001", "06:51:01", "4"),
                        ("13800138000", "06:51:02", "2"),
                        ("6000", "06:51:00", "5"),
                    ]
                )
            ],
        }
    ]
    assert await caller.ask("voicemail/query", extid="104") == {"status": "Success"}
    several = await caller.ask("voicemail/query", extid="103,101,104")
    assert [mailbox["extid"] for mailbox in several["voicemails"]] == ["103", "101"]
    assert await caller.ask("voicemail/query", extid="999") == _failed("10006")


async def test_only_post_and_json(caller: Caller, pbx: Simulator) -> None:
    url = f"http://{pbx.address}/api/v0.0.1/voicemail/query?token={TOKEN}"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert await response.json() == _failed("20001")
        for body in ("extid=101", "[]"):
            async with session.post(url, data=body) as response:
                assert await response.json() == _failed("20000")


async def test_download_once_and_within_thirty_seconds(caller: Caller, pbx: Simulator) -> None:
    now = datetime.now(UTC)
    pbx.clock = lambda: now
    wanted = {"extid": "101", "voicemailfile": "msg0001.wav"}
    refused = b'{"status": "Failed", "errno": "20017"}'

    ticket = await caller.ask("voicemail/get_random", **wanted)
    audio = (RECORDED / "101" / "INBOX" / "msg0001.wav").read_bytes()
    assert await caller.download(**wanted, random=ticket["random"]) == audio
    assert await caller.download(**wanted, random=ticket["random"]) == refused

    ticket = await caller.ask("voicemail/get_random", **wanted)
    now += timedelta(seconds=31)
    assert await caller.download(**wanted, random=ticket["random"]) == refused

    ticket = await caller.ask("voicemail/get_random", **wanted, allowedip="127.0.0.2")
    assert await caller.download(**wanted, random=ticket["random"]) == refused
    missing = await caller.ask("voicemail/get_random", extid="101", voicemailfile="msg0009.wav")
    assert missing == _failed("20018")
    hostile = await caller.ask("voicemail/get_random", extid="101", voicemailfile="../x.wav")
    assert hostile == _failed("20018")


async def test_delete_renumbers_as_asterisk_does(caller: Caller, pbx: Simulator) -> None:
    gone = await caller.ask("voicemail/delete", extid="101", voicemailfile="msg0000.wav")
    assert gone == {"status": "Success"}
    assert await caller.files("101") == [("msg0000.wav", "13800138000"), ("msg0001.wav", "6000")]

    await caller.ask("voicemail/delete", extid="101", voicemailfile="all")
    assert await caller.files("101") == []
    again = await caller.ask("voicemail/delete", extid="101", voicemailfile="msg0000.wav")
    assert again == _failed("20018")


async def test_moving_to_old_creates_a_duplicate_file_name(recorded: Spool) -> None:
    def move() -> None:
        recorded.delete("101", "msg0000")
        recorded.move("101", "msg0000")

    await asyncio.to_thread(move)
    (heard,) = recorded.messages("101", "Old")
    (left,) = recorded.messages("101")
    assert (heard.name, left.name) == ("msg0000", "msg0000")
    assert heard.caller == '"张伟" <13800138000>'
    assert left.caller == '"Ann Müller" <6000>'


def test_text_files_are_like_those_of_asterisk(recorded: Spool, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "101" / "INBOX"
    by_asterisk = (folder / "msg0001.txt").read_text().splitlines()
    left = recorded.leave(
        "101",
        '"张伟" <13800138000>',
        received=datetime.fromtimestamp(1795445462, UTC),
        recording=folder / "msg0001.wav",
    )
    by_us = (folder / f"{left.name}.txt").read_text().splitlines()

    unique = ("callerchan=", "msg_id=")
    assert [line for line in by_us if not line.startswith(unique)] == [
        line.replace("duration=2", "duration=3")
        for line in by_asterisk
        if not line.startswith(unique)
    ]


def test_filled_from_a_seed(tmp_path: Path) -> None:
    def filled(name: str) -> list[Any]:
        root = tmp_path / name
        root.mkdir()
        spool = Spool(root)
        fill(
            spool, tmp_path, extensions=3, messages=4, seed=7, now=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert spool.mailboxes() == ["1000", "1001", "1002"]
        return [spool.messages(mailbox) for mailbox in spool.mailboxes()]

    one = filled("one")
    assert one == filled("two")
    assert [len(messages) for messages in one] == [4, 4, 4]


def test_runs_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulator", "--help"],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        text=True,
    )
    assert "--spool" in done.stdout
