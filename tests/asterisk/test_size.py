"""A real Asterisk with five hundred mailboxes costs Home Assistant next to nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import logging
from pathlib import Path
from time import process_time
from typing import Any

import aiohttp
from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, HomeAssistant, callback
import pytest

from custom_components.pbx_voicemail.pbx import Address, Connection, Credentials, PbxClient, family
from custom_components.pbx_voicemail.pbx.asterisk import mailboxes as mailboxes_module
from custom_components.pbx_voicemail.pbx.asterisk.web_server import ManagerResponse, WebServer

from .fixtures import put_messages
from .home import home_of
from .program import Asterisk
from .settings import SECRET, USERNAME, Settings

MAILBOXES = [str(number) for number in range(2000, 2500)]
UNCHANGED_MS = 5
CHANGED_MS = 8
POLLS = 20
CHANGED_STATES = 7
"""Those of the entities of one extension; that of its event twice."""


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


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the manager is asked to do."""
    actions: list[str] = []
    really_act = WebServer.act

    async def act(self: WebServer, action: str, *args: Any, **options: Any) -> ManagerResponse:
        actions.append(action)
        return await really_act(self, action, *args, **options)

    monkeypatch.setattr(WebServer, "act", act)
    return actions


async def test_polls_of_home_assistant(
    hass: HomeAssistant,
    socket_enabled: None,
    large_asterisk: Asterisk,
    actions: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has thousands of entities, and writes the states of those that have changed."""
    written: list[str] = []

    @callback
    def note(event: Event[Any]) -> None:
        written.append(event.data["entity_id"])

    caplog.set_level(logging.WARNING)
    async with home_of(hass, large_asterisk.ports.web) as home:
        asyncio.get_running_loop().set_debug(False)
        for kind in (EVENT_STATE_CHANGED, EVENT_STATE_REPORTED):
            hass.bus.async_listen(kind, note, event_filter=callback(lambda data: True))

        async def poll() -> float:
            actions.clear()
            written.clear()
            started = process_time()
            await home.coordinator.async_refresh()
            await hass.async_block_till_done()
            return (process_time() - started) * 1000

        def asked() -> list[str]:
            # Push listens at the same time.
            return [action for action in actions if action != "WaitEvent"]

        spent = 0.0
        for _ in range(POLLS):
            spent += await poll()
            assert asked() == ["VoicemailUsersList"]
            assert not written
        states = hass.states.async_entity_ids()
        hub = {entity_id for entity_id in states if ".asterisk_" in entity_id}
        print(f"an unchanged poll with {len(states)} entities takes {spent / POLLS:.1f} ms of CPU")
        assert spent / POLLS <= UNCHANGED_MS

        spent = 0.0
        for number in MAILBOXES[-POLLS:]:
            put_messages(large_asterisk, tmp_path, number, ("6007",), "INBOX")
            spent += await poll()
            assert asked() == ["VoicemailUsersList", "VoicemailBoxSummary"]
            others = {entity_id for entity_id in written if number not in entity_id}
            assert others <= hub
            assert len(written) <= len(hub) + CHANGED_STATES
        print(f"a changed one takes {spent / POLLS:.1f} ms, and writes {len(written)} states")
        assert spent / POLLS <= CHANGED_MS
