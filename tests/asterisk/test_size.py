"""A real Asterisk with five hundred mailboxes costs Home Assistant next to nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import process_time

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import Address, Connection, Credentials, PbxClient, family
from custom_components.pbx_voicemail.pbx.asterisk import mailboxes as mailboxes_module

from .fixtures import put_messages
from .program import Asterisk
from .settings import SECRET, USERNAME, Settings

MAILBOXES = [str(number) for number in range(2000, 2500)]
UNCHANGED_MS = 5
CHANGED_MS = 8
POLLS = 20


@pytest.fixture(scope="module")
def large_asterisk(
    asterisk_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asterisk]:
    lines = {number: f"1234,Person {number},person{number}@example.com" for number in MAILBOXES}
    asterisk = Asterisk(
        asterisk_program, tmp_path_factory.mktemp("large"), Settings({"default": lines})
    )
    audio = tmp_path_factory.mktemp("audio")
    for number in MAILBOXES:
        put_messages(asterisk, audio, number, ("6001",), "INBOX")
    asterisk.start()
    yield asterisk
    asterisk.kill()


@pytest.fixture
async def large(
    socket_enabled: None, large_asterisk: Asterisk, session: aiohttp.ClientSession
) -> AsyncIterator[PbxClient]:
    connection = Connection(
        session=session,
        address=Address("127.0.0.1", large_asterisk.ports.web),
        credentials=Credentials(username=USERNAME, secret=SECRET),
    )
    client = family("asterisk").create(connection)
    # Home Assistant does not run in debug mode either.
    asyncio.get_running_loop().set_debug(False)
    await client.mailboxes()
    yield client
    await client.close()


async def test_polls(
    large: PbxClient,
    large_asterisk: Asterisk,
    requests: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One test, since the first look at all mailboxes takes the longest."""
    before = await large.mailboxes()
    assert len(before) == len(MAILBOXES)
    assert large.reply_bytes > 200_000

    requests.clear()
    started = process_time()
    for _ in range(POLLS):
        assert await large.mailboxes() is before
    milliseconds = (process_time() - started) / POLLS * 1000
    assert requests == ["/rawman"] * POLLS
    print(f"an unchanged poll of {len(MAILBOXES)} mailboxes takes {milliseconds:.1f} ms of CPU")
    assert milliseconds <= UNCHANGED_MS

    spent = 0.0
    for number in MAILBOXES[:POLLS]:
        put_messages(large_asterisk, tmp_path, number, ("6003",), "Old")
        requests.clear()
        started = process_time()
        after = await large.mailboxes()
        spent += process_time() - started
        assert requests == ["/rawman"] * 2
        assert {name for name, box in after.items() if box is not before[name]} == {number}
        before = after
    milliseconds = spent / POLLS * 1000
    print(f"a changed one takes {milliseconds:.1f} ms")
    assert milliseconds <= CHANGED_MS

    # Once an hour, all are asked for, some at a time.
    monkeypatch.setattr(mailboxes_module, "_RECHECK_SECONDS", 0)
    large._mailboxes._next_recheck = 0  # type: ignore[attr-defined]
    for _ in range(3):
        requests.clear()
        assert await large.mailboxes() is before
        assert len(requests) == 1 + mailboxes_module._RECHECKS_PER_POLL
