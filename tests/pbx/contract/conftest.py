"""One PBX after the other: each test here runs with each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import family
from tests.asterisk import settings
from tests.asterisk.fixtures import (
    asterisk_program,
    mailbox,
    requests,
    running_asterisk,
    session,
    unused_mailboxes,
)
from tests.asterisk.program import Asterisk
from tests.simulator import PSeriesSimulator, Simulator, Spool
from tests.simulator.p_series import CLIENT_ID, CLIENT_SECRET
from tests.simulator.server import OPENVOX, PASSWORD, USERNAME, YEASTAR
from tests.simulator.spool import INBOX, OLD

from .harness import AsteriskHarness, Harness, PSeriesHarness, SimulatorHarness
from .proxy import Proxy

__all__ = [
    "asterisk_program",
    "mailbox",
    "requests",
    "running_asterisk",
    "session",
    "unused_mailboxes",
]

P_SERIES = "p_series"


@pytest.fixture(params=["openvox", "yeastar", "asterisk", "p_series"])
def asterisk_if_needed(request: pytest.FixtureRequest) -> Asterisk | str:
    """Return the Asterisk that runs, or what is simulated."""
    if request.param == "asterisk":
        running: Asterisk = request.getfixturevalue("running_asterisk")
        return running
    return {"openvox": OPENVOX, "yeastar": YEASTAR, "p_series": P_SERIES}[request.param]


@pytest.fixture
async def pbx(
    socket_enabled: None,
    asterisk_if_needed: Asterisk | str,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    mailbox: str,
) -> AsyncIterator[Harness]:
    """Run a PBX."""
    if isinstance(asterisk_if_needed, Asterisk):
        run = _real(session, tmp_path, asterisk_if_needed, mailbox)
    elif asterisk_if_needed == P_SERIES:
        run = _simulated_p_series(session, tmp_path)
    else:
        run = _simulated(session, tmp_path, asterisk_if_needed)
    async with run as harness:
        yield harness
        await harness.close()


@asynccontextmanager
async def _simulated(
    session: aiohttp.ClientSession, folder: Path, version: str
) -> AsyncIterator[Harness]:
    """Run the simulated PBX."""
    (folder / "spool" / "101").mkdir(parents=True)
    simulator = Simulator(
        Spool(folder / "spool"),
        extensions={"101": "Reception"},
        names=True,
        version=version,
        folders=(INBOX, OLD),
    )
    async with simulator, Proxy(int(simulator.address.rpartition(":")[2])) as proxy:
        harness = SimulatorHarness(
            family=family("s_series"),
            session=session,
            proxy=proxy,
            extension="101",
            folder=folder,
            username=USERNAME,
            password=PASSWORD,
            simulator=simulator,
        )
        yield harness


@asynccontextmanager
async def _simulated_p_series(
    session: aiohttp.ClientSession, folder: Path
) -> AsyncIterator[Harness]:
    """Run the simulated P-Series."""
    (folder / "spool").mkdir()
    simulator = PSeriesSimulator(Spool(folder / "spool"), extensions={"101": "Reception"})
    async with simulator, Proxy(simulator.port) as proxy:
        yield PSeriesHarness(
            family=family("p_series"),
            session=session,
            proxy=proxy,
            extension="101",
            folder=folder,
            username=CLIENT_ID,
            password=CLIENT_SECRET,
            simulator=simulator,
        )


@asynccontextmanager
async def _real(
    session: aiohttp.ClientSession, folder: Path, asterisk: Asterisk, mailbox: str
) -> AsyncIterator[Harness]:
    """Use the Asterisk that runs."""
    async with Proxy(asterisk.ports.web) as proxy:
        harness = AsteriskHarness(
            family=family("asterisk"),
            session=session,
            proxy=proxy,
            extension=mailbox,
            folder=folder,
            username=settings.USERNAME,
            password=settings.SECRET,
            asterisk=asterisk,
        )
        yield harness
