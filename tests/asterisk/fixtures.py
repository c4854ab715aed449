"""Fixtures for whatever is tested with a real Asterisk."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from custom_components.pbx_voicemail.pbx import (
    Address,
    Connection,
    Credentials,
    PbxClient,
    family,
    limited_socket,
)

from ..simulator import Certificate
from ..simulator.spool import INBOX
from .program import Asterisk, find_program, make_tone
from .settings import SECRET, USERNAME, Settings

OWN = [str(number) for number in range(1000, 1200)]
"""Mailboxes of which each test takes some that no other test has touched."""

CERTIFICATE = Certificate.make()
"""What the Asterisk shows where it speaks TLS."""

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)

type MakeClient = Callable[..., PbxClient]
type Put = Callable[..., None]


@pytest.fixture(scope="session")
def asterisk_program() -> Path:
    """Find Asterisk, or skip."""
    if program := find_program():
        return program
    pytest.skip("no Asterisk on this machine: install version 20.5 or newer, or run scripts/setup")


@pytest.fixture(scope="session")
def running_asterisk(
    asterisk_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asterisk]:
    """Start an Asterisk for all tests that can share one."""
    certificate = tmp_path_factory.mktemp("certificate") / "asterisk.pem"
    CERTIFICATE.write(certificate)
    mailboxes = {number: f"1234,Person {number},person{number}@example.com" for number in OWN}
    settings = Settings(
        mailboxes={
            "default": mailboxes | dict.fromkeys(("0103", "0104", "+49.301"), "1234,Front Desk"),
            "other": {number: f"1234,Other {number}" for number in OWN},
            "keeping": dict.fromkeys(OWN, "1234,Keeps,,,backupdeleted=5"),
            "aliases": {f"9{number}@device": f"{number}@default" for number in OWN},
        },
        general="aliasescontext=aliases",
        certificate=certificate,
    )
    asterisk = Asterisk(asterisk_program, tmp_path_factory.mktemp("asterisk"), settings)
    asterisk.start()
    yield asterisk
    asterisk.kill()


@pytest.fixture
def asterisk(socket_enabled: None, running_asterisk: Asterisk) -> Asterisk:
    """Give a test the Asterisk that runs, and leave to connect to it."""
    return running_asterisk


@pytest.fixture(scope="session")
def unused_mailboxes() -> Iterator[str]:
    """Hand out mailboxes, each once."""
    return iter(OWN)


@pytest.fixture
def mailbox(unused_mailboxes: Iterator[str]) -> str:
    """Give a test a mailbox of its own. The same number is free in every context."""
    return next(unused_mailboxes)


@pytest.fixture
def requests() -> list[str]:
    """Note the path of each request that clients send."""
    return []


@pytest.fixture
async def session(requests: list[str]) -> AsyncIterator[aiohttp.ClientSession]:
    """Have what Home Assistant gives to clients: no cookies, no connection used twice."""
    async with make_session(requests) as session:
        yield session


def make_session(requests: list[str]) -> aiohttp.ClientSession:
    """Make a session that notes its requests."""

    async def note(
        session: object, context: object, parameters: aiohttp.TraceRequestStartParams
    ) -> None:
        requests.append(parameters.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(force_close=True, socket_factory=limited_socket),
        trace_configs=[trace],
    )


@pytest.fixture
async def make_client(
    asterisk: Asterisk, session: aiohttp.ClientSession
) -> AsyncIterator[MakeClient]:
    """Make clients, whose sessions end with the test."""
    clients = []

    def make(
        username: str = USERNAME,
        secret: str = SECRET,
        *,
        has_worked: bool = False,
        id_key: bytes = b"a key",
    ) -> PbxClient:
        connection = Connection(
            session=session,
            address=Address("127.0.0.1", asterisk.ports.web),
            credentials=Credentials(username=username, secret=secret),
            id_key=id_key,
            has_worked=has_worked,
        )
        clients.append(family("asterisk").create(connection))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def client(make_client: MakeClient) -> PbxClient:
    """Make a client for the manager user with all rights that it needs."""
    return make_client()


@pytest.fixture
def put(asterisk: Asterisk, tmp_path: Path) -> Put:
    """Put messages into a mailbox that nobody has called for: who has a higher number called later."""

    def put(place: str, *, callers: Sequence[str] = ("6000",), folder: str = INBOX) -> None:
        put_messages(asterisk, tmp_path, place, callers, folder)

    return put


def put_messages(
    asterisk: Asterisk, folder_of_audio: Path, place: str, callers: Sequence[str], folder: str
) -> None:
    """Put messages into `mailbox` or `mailbox@context`, each caller's with audio of its own."""
    mailbox, _, context = place.partition("@")
    for caller in callers:
        recording = folder_of_audio / f"{caller}.wav"
        if not recording.exists():
            recording.write_bytes(audio_of(caller))
        asterisk.spool(context or "default").leave(
            mailbox,
            caller,
            received=NOON + timedelta(minutes=int(caller)),
            recording=recording,
            folder=folder,
        )


def audio_of(caller: str) -> bytes:
    """Return what a caller says in messages that were put, as the WAV file that it is in."""
    return make_tone(int(caller), seconds=0.05)
