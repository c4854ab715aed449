"""Finding a PBX at a host: real servers on free ports stand on a family's usual ones."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, ClassVar, override

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.util.ssl import SSL_ALPN_HTTP11, SSLCipherList, client_context
import pytest

from custom_components.pbx_voicemail.config import search
from custom_components.pbx_voicemail.config.lock_out import async_note_lock_out
from custom_components.pbx_voicemail.config.search import EntryData, SearchTarget, async_find_pbx
from custom_components.pbx_voicemail.pbx import (
    FAMILIES,
    Connection,
    Endpoint,
    Family,
    PartialAddress,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxRedirectError,
    PbxReplyError,
    PbxSetupError,
    PbxTimeoutError,
    PbxTlsError,
)
from custom_components.pbx_voicemail.pbx.http import HttpClient
from custom_components.pbx_voicemail.pbx.s_series import SSeries

from ..faults import ignore_failed_handshakes
from ..simulator import Certificate, Simulator, Spool

HOST = "127.0.0.1"
SELF_SIGNED = Certificate.make()
AUTHORITY = Certificate.make("127.0.0.9", is_authority=True)
SIGNED = Certificate.make(issuer=AUTHORITY)


class At(SSeries):
    """The family as it is, on ports of the test's own."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = endpoints  # type: ignore[assignment, misc]


class SomethingMissingError(PbxSetupError):
    kind = "something_missing"


class Other(Family):
    """A family that answers `ready` at `<path>/status`, or says that something is missing."""

    key = "other"
    apis: ClassVar[Mapping[str, str]] = {"other": "Other"}
    login_step = "login_asterisk"
    accepts_token = False
    longest_interval = 3600

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = endpoints  # type: ignore[misc]

    @override
    async def probe(self, connection: Connection) -> Mapping[str, str]:
        client = HttpClient(connection.session, connection.address, connection.fingerprint)
        response = await client.request("GET", "status")
        if response.body == b"ready":
            return {"found": "yes"}
        if response.body == b"not set up":
            raise SomethingMissingError("set it up")
        raise PbxReplyError("not ready")

    @override
    def create(self, connection: Connection) -> PbxClient:
        raise NotImplementedError


@asynccontextmanager
async def page(text: str, *, path: str = "/status", location: str = "") -> AsyncIterator[int]:
    """Serve a web page, or a redirect, on a free port."""

    async def answer(request: web.Request) -> web.Response:
        if location:
            return web.Response(status=301, headers={"Location": location})
        return web.Response(text=text) if request.path == path else web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def silence() -> AsyncIterator[int]:
    """Accept connections on a free port, and never answer."""
    over = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(wait, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def closed_port() -> int:
    """Return a port that nothing listens on."""
    async with silence() as port:
        return port


async def find(
    hass: HomeAssistant,
    families: Sequence[Family],
    host: str = HOST,
    *,
    verify_ssl: bool = True,
) -> EntryData:
    address = PartialAddress.parse(host)
    target = SearchTarget(address=address, verify_ssl=verify_ssl, api="auto", families=families)
    return await async_find_pbx(hass, target)


async def speak_tls(pbx: Simulator, certificate: Certificate) -> None:
    await pbx.stop()
    pbx.tls = await asyncio.to_thread(certificate.context)
    await pbx.start()


@pytest.fixture
async def another(recorded: Spool) -> AsyncIterator[Simulator]:
    """Run another PBX at the same host."""
    async with Simulator(recorded, serial_number="another") as simulator:
        yield simulator


@pytest.fixture
def refusals(hass: HomeAssistant) -> Any:
    """Let certificates be refused, and have Home Assistant trust an authority of the tests' own."""
    context = client_context(SSLCipherList.PYTHON_DEFAULT, SSL_ALPN_HTTP11)
    context.load_verify_locations(cadata=AUTHORITY.pem)
    with ignore_failed_handshakes(hass.loop):
        yield


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for silent ports for a second, and for half of one after the first that answers."""
    monkeypatch.setattr(search, "_SECONDS_FOR_A_USUAL_PORT", 1)
    monkeypatch.setattr(search, "_SECONDS_AFTER_THE_FIRST", 0.5)


async def test_port_is_found(hass: HomeAssistant, pbx: Simulator) -> None:
    """A closed port and a web page are in the way."""
    async with page("<html>") as web_port:
        ports = await closed_port(), web_port, pbx.port
        data = await find(hass, [At(*(Endpoint(port, tls=False) for port in ports))])
    assert data == {
        "host": HOST,
        "port": pbx.port,
        "ssl": False,
        "verify_ssl": True,
        "api": "auto",
        "family": "s_series",
        "remembered": {"api": "v0.0.1"},
    }
    assert not pbx.tokens
    assert not pbx.logins


async def test_tls_is_preferred(
    hass: HomeAssistant, pbx: Simulator, another: Simulator, refusals: None
) -> None:
    await speak_tls(another, SIGNED)
    family = At(Endpoint(pbx.port, tls=False), Endpoint(another.port, tls=True))
    data = await find(hass, [family])
    assert (data["port"], data["ssl"]) == (another.port, True)
    assert "fingerprint" not in data


async def test_tls_is_found_on_a_port_that_may_have_either(
    hass: HomeAssistant, pbx: Simulator, refusals: None
) -> None:
    await speak_tls(pbx, SELF_SIGNED)
    family = At(Endpoint(pbx.port, tls=False), Endpoint(pbx.port, tls=True))
    data = await find(hass, [family])
    assert data["ssl"] is True
    assert data["fingerprint"] == SELF_SIGNED.fingerprint
    assert "fingerprint" not in await find(hass, [family], verify_ssl=False)


async def test_certificate_of_something_else_is_not_shown(
    hass: HomeAssistant, pbx: Simulator, another: Simulator, refusals: None
) -> None:
    """The web pages of a PBX have TLS, and its API has none."""

    async def web_pages(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    another.intercept = web_pages
    await speak_tls(another, SELF_SIGNED)
    family = At(Endpoint(another.port, tls=True), Endpoint(pbx.port, tls=False))
    data = await find(hass, [family])
    assert data["port"] == pbx.port
    assert "fingerprint" not in data


async def test_the_first_family_is_preferred(hass: HomeAssistant, pbx: Simulator) -> None:
    async with page("ready") as port:
        other, s_series = Other(Endpoint(port, tls=False)), At(Endpoint(pbx.port, tls=False))
        assert (await find(hass, [s_series, other]))["family"] == "s_series"
        data = await find(hass, [other, s_series])
    assert (data["family"], data["remembered"]) == ("other", {"found": "yes"})


async def test_families_that_share_a_port(hass: HomeAssistant, pbx: Simulator) -> None:
    async with page("ready") as port:
        endpoint = Endpoint(port, tls=False)
        assert (await find(hass, [At(endpoint), Other(endpoint)]))["family"] == "other"
    endpoint = Endpoint(pbx.port, tls=False)
    assert (await find(hass, [Other(endpoint), At(endpoint)]))["family"] == "s_series"


async def test_port_in_the_address_is_the_only_one(hass: HomeAssistant, pbx: Simulator) -> None:
    family = At(Endpoint(pbx.port, tls=False))
    with pytest.raises(PbxConnectionError):
        await find(hass, [family], f"{HOST}:{await closed_port()}")
    assert pbx.requests == []
    assert (await find(hass, [At()], pbx.address))["port"] == pbx.port


@pytest.mark.parametrize(("path", "kept"), [("asterisk", "asterisk"), ("admin/page.html", None)])
async def test_path_comes_first_then_the_root(
    hass: HomeAssistant, socket_enabled: None, path: str, kept: str | None
) -> None:
    async with page("ready", path=f"/{kept}/status" if kept else "/status") as port:
        data = await find(hass, [Other()], f"http://{HOST}:{port}/{path}/")
    assert data.get("path") == kept


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("pbx", {9011: {True, False}, 8088: {True, False}, 443: {True}, 80: {False}}),
        ("https://pbx", {443: {True}, 9011: {True}, 8088: {True}}),
        ("http://pbx", {80: {False}, 9011: {False}, 8088: {False}}),
        ("https://pbx:7000", {7000: {True}}),
        ("pbx:7000", {7000: {True, False}}),
    ],
)
def test_usual_ports(host: str, expected: dict[int, set[bool]]) -> None:
    address = PartialAddress.parse(host)
    target = SearchTarget(address=address, verify_ssl=True, api="auto", families=[FAMILIES[0]])
    assert {port.number: port.tls for port in search._ports(target)} == expected


async def test_the_error_that_says_most(
    hass: HomeAssistant, socket_enabled: None, little_time: None
) -> None:
    ports: list[int] = []

    async def error() -> type[PbxError]:
        with pytest.raises(PbxError) as raised:
            await find(hass, [Other(*(Endpoint(port, tls=False) for port in ports))])
        return raised.type

    ports.append(await closed_port())
    assert await error() is PbxConnectionError
    async with silence() as silent, page("something") as web_port, page("not set up") as missing:
        ports.append(silent)
        assert await error() is PbxTimeoutError
        async with page("", location="https://pbx.example") as elsewhere:
            ports.append(elsewhere)
            assert await error() is PbxRedirectError
            ports.append(web_port)
            assert await error() is PbxReplyError
            ports.append(missing)
            assert await error() is SomethingMissingError


async def test_silent_ports_cost_little(
    hass: HomeAssistant, pbx: Simulator, little_time: None
) -> None:
    async with silence() as first, silence() as second:
        either = [Endpoint(port, tls=tls) for port in (first, second) for tls in (False, True)]
        started = monotonic()
        with pytest.raises(PbxTimeoutError):
            await find(hass, [At(*either)])
        assert monotonic() - started < 1.5
        started = monotonic()
        await find(hass, [At(*either, Endpoint(pbx.port, tls=False))])
        assert monotonic() - started < 1


async def test_tls_that_is_not_spoken(hass: HomeAssistant, pbx: Simulator, refusals: None) -> None:
    with pytest.raises(PbxTlsError):
        await find(hass, [At()], f"https://{pbx.address}")
    assert pbx.requests == []


async def test_nothing_is_asked_while_locked_out(hass: HomeAssistant, socket_enabled: None) -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async with await asyncio.start_server(count, HOST, 0) as server:
        endpoint = Endpoint(server.sockets[0].getsockname()[1], tls=True)
        async_note_lock_out(hass, HOST, 600)
        with pytest.raises(PbxLockedError):
            await find(hass, [At(endpoint)])
    assert connections == 0


async def test_mistakes_of_ours_are_not_the_pbxs(
    hass: HomeAssistant, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: SSeries, connection: Connection) -> Mapping[str, str]:
        raise ValueError

    monkeypatch.setattr(SSeries, "probe", fail)
    with pytest.raises(ValueError):
        await find(hass, [At(Endpoint(pbx.port, tls=False))])
