"""A simulated P-Series with many mailboxes, and clients for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
import os
from pathlib import Path
import shutil

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import Address, Connection, Credentials, PbxClient, family
from tests.asterisk.fixtures import requests, session
from tests.conftest import FIXTURES
from tests.simulator import PSeriesSimulator, Spool
from tests.simulator.p_series import CLIENT_ID, CLIENT_SECRET, Group

__all__ = ["requests", "session"]

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
RECORDING = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"

type MakeClient = Callable[..., PbxClient]


@pytest.fixture(scope="session")
def filled_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill mailboxes once: 1000 has 25 messages, 1022 has 12, 1001 and 6400 have one."""
    root = tmp_path_factory.mktemp("p_series") / "spool"
    root.mkdir()
    simulator = PSeriesSimulator(Spool(root))
    leave(simulator, "1000", 25)
    leave(simulator, "1001")
    leave(simulator, "1022", 12)
    leave(simulator, "6400")
    return root


@pytest.fixture
async def pbx(
    socket_enabled: None, tmp_path: Path, filled_spool: Path
) -> AsyncIterator[PSeriesSimulator]:
    """Run a P-Series with these messages. 1002 has none, 1003 no mailbox."""
    shutil.copytree(filled_spool, tmp_path / "spool", copy_function=os.link)
    simulator = PSeriesSimulator(
        Spool(tmp_path / "spool"),
        extensions={str(number): f"Person {number}" for number in range(1000, 1023)},
        groups=[Group(number="6400", name="Sales")],
        without_mailbox={"1003"},
    )
    async with simulator:
        yield simulator


def leave(pbx: PSeriesSimulator, extension: str, count: int = 1, caller: str = "6000") -> None:
    """Leave messages, one a minute."""
    there = len(pbx.spool.messages(extension))
    for number in range(there, there + count):
        pbx.spool.leave(
            extension,
            f'"Ann" <{caller}>',
            received=NOON + timedelta(minutes=number),
            recording=RECORDING,
            duration=4,
        )


@pytest.fixture
async def make_client(
    pbx: PSeriesSimulator, session: aiohttp.ClientSession
) -> AsyncIterator[MakeClient]:
    """Make clients, which sign out with the test."""
    clients = []

    def make(secret: str = CLIENT_SECRET, **options: object) -> PbxClient:
        connection = Connection(
            session=session,
            address=Address("127.0.0.1", pbx.port),
            credentials=Credentials(username=CLIENT_ID, secret=secret),
            id_key=b"a key",
            **options,  # type: ignore[arg-type]
        )
        clients.append(family("p_series").create(connection))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def client(make_client: MakeClient) -> PbxClient:
    """Make a client."""
    return make_client()


async def connected(client: PbxClient) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Have a client listen, and return the task, and what is set when something has changed."""
    changed = asyncio.Event()
    task = asyncio.create_task(client.listen(changed.set))
    async with asyncio.timeout(5):
        await changed.wait()
    changed.clear()
    return task, changed
