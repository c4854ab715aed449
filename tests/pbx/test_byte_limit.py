"""What servers may send beside the bytes of an answer, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
import socket
import ssl
from typing import override
import zlib

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
import pytest
import pytest_socket

from custom_components.pbx_voicemail.pbx import Address, PbxReplyError, limited_socket
from custom_components.pbx_voicemail.pbx.byte_limit import HEAD_BYTES, OVERHEAD_BYTES
from custom_components.pbx_voicemail.pbx.http import MAX_LIST_BYTES, HttpClient
from tests.simulator import Certificate

MEGABYTE = 1024 * 1024
PIECE = 64 * 1024

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def _chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


NOTHING_COMPRESSED = b"\0\0\0\xff\xff"
"""A deflate block of no bytes."""

DEFLATE = OK + b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
_compressor = zlib.compressobj()
SIXTY_MEGABYTES_COMPRESSED = _compressor.compress(b" " * 60 * MEGABYTE) + _compressor.flush(
    zlib.Z_FULL_FLUSH
)

FLOODS = {
    "interim responses": (b"", INTERIM),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: %b\r\n\r\n" % (b"a" * 1000)),
    "blank lines": (b"", b"\r\n"),
    "one chunk extension": (CHUNKED + b"9;", b"a"),
    "chunks with extensions": (CHUNKED, _chunk(b" ", b";" + b"a" * 1000)),
    "chunks of a byte": (CHUNKED, _chunk(b" ")),
    "nothing compressed": (DEFLATE + _chunk(b"\x78\x9c"), _chunk(NOTHING_COMPRESSED * 100)),
    "nothing compressed, after megabytes": (
        DEFLATE + _chunk(SIXTY_MEGABYTES_COMPRESSED),
        b"".join(_chunk(bytes([byte])) for byte in NOTHING_COMPRESSED),
    ),
}


@dataclass
class Server:
    """Answers each connection by what `talk` writes, which returns to hang up."""

    talk: Callable[[Server, asyncio.StreamWriter], Awaitable[None]]
    tls: ssl.SSLContext | None = None
    port: int = 0
    sent: int = 0

    @asynccontextmanager
    async def run(self, *hosts: str) -> AsyncIterator[None]:
        for host in hosts or ("127.0.0.1",):
            server = await asyncio.start_server(self._answer, host, self.port, ssl=self.tls)
            self.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)
        try:
            yield
        finally:
            for server in self._servers:
                server.close()
                server.close_clients()
                await server.wait_closed()

    def __post_init__(self) -> None:
        self._servers: list[asyncio.Server] = []

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            await self.talk(self, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _flooding(kind: str) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    head, unit = FLOODS[kind]

    async def talk(server: Server, writer: asyncio.StreamWriter) -> None:
        await server.send(writer, head)
        while True:
            await server.send(writer, unit * (PIECE // len(unit) + 1))

    return talk


def _saying(*pieces: bytes) -> Callable[[Server, asyncio.StreamWriter], Awaitable[None]]:
    async def talk(server: Server, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            await server.send(writer, piece)

    return talk


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate.make()


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest, certificate: Certificate) -> ssl.SSLContext | None:
    return certificate.context() if request.param == "TLS" else None


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(force_close=True, socket_factory=limited_socket)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture
def post(
    session: aiohttp.ClientSession, certificate: Certificate
) -> Callable[..., Awaitable[bytes]]:
    async def post(server: Server, host: str = "127.0.0.1") -> bytes:
        address = Address(host, server.port, tls=server.tls is not None)
        client = HttpClient(session, address, certificate.fingerprint)
        return (await client.request("POST", "query", max_bytes=MAX_LIST_BYTES)).body

    return post


type Post = Callable[..., Awaitable[bytes]]


@pytest.mark.parametrize("kind", FLOODS)
async def test_flood(post: Post, tls: ssl.SSLContext | None, kind: str) -> None:
    server = Server(_flooding(kind), tls)
    async with server.run():
        with pytest.raises(PbxReplyError, match="too large"):
            await post(server)
    # Some of it stays in the buffers of the system.
    assert server.sent < HEAD_BYTES + OVERHEAD_BYTES + 16 * MEGABYTE


class BothFamilies(AbstractResolver):
    """Knows every name as a host with an IPv6 and an IPv4 address."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
            for address, kind in (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET))
        ]

    @override
    async def close(self) -> None:
        """Hold nothing that would have to be closed."""


@pytest.mark.parametrize("hosts", [["::1"], ["127.0.0.1"], ["::1", "127.0.0.1"]], ids=str)
async def test_whichever_address_answers(
    socket_enabled: None,
    certificate: Certificate,
    tls: ssl.SSLContext | None,
    hosts: list[str],
) -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])
    server = Server(_flooding("interim responses"), tls)
    connector = aiohttp.TCPConnector(
        force_close=True, resolver=BothFamilies(), socket_factory=limited_socket
    )
    async with server.run(*hosts), aiohttp.ClientSession(connector=connector) as session:
        address = Address("pbx.test", server.port, tls=tls is not None)
        client = HttpClient(session, address, certificate.fingerprint)
        with pytest.raises(PbxReplyError, match="too large"):
            await client.request("POST", "query")


async def test_body_that_is_cut_off_is_not_taken_for_whole(
    post: Post, certificate: Certificate
) -> None:
    """Each byte in a TLS record of its own, and no length that would tell that some are missing."""
    server = Server(_saying(OK + b"\r\n", *[b" "] * (OVERHEAD_BYTES // 20)), certificate.context())
    async with server.run():
        with pytest.raises(PbxReplyError, match="too large"):
            await post(server)


async def test_answer_in_small_chunks(post: Post, tls: ssl.SSLContext | None) -> None:
    """Chunks of 512 bytes, each in a TLS record of its own."""
    body = b"x" * 16 * MEGABYTE
    chunks = [_chunk(b"x" * 512)] * (len(body) // 512)
    server = Server(_saying(CHUNKED, *chunks, _chunk(b"")), tls)
    async with server.run():
        assert await post(server) == body
    assert server.sent > len(body)


async def test_short_answer_by_the_byte(post: Post, tls: ssl.SSLContext | None) -> None:
    """However clumsy a PBX is with an answer of ordinary length, it is read."""
    body = b"x" * 100_000
    server = Server(_saying(CHUNKED, *[_chunk(b"x")] * len(body), _chunk(b"")), tls)
    async with server.run():
        assert await post(server) == body


async def test_a_few_interim_responses(post: Post, tls: ssl.SSLContext | None) -> None:
    server = Server(_saying(INTERIM * 100, CHUNKED + _chunk(b"{}") + _chunk(b"")), tls)
    async with server.run():
        assert await post(server) == b"{}"


async def test_each_request_has_a_limit_of_its_own(post: Post, tls: ssl.SSLContext | None) -> None:
    bad = Server(_flooding("one chunk extension"), tls)
    good = Server(_saying(CHUNKED + _chunk(b"x" * 8 * MEGABYTE) + _chunk(b"")), tls)
    async with bad.run(), good.run():
        answers = await asyncio.gather(
            post(bad), post(good), post(bad), post(good), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [PbxReplyError, bytes] * 2
        assert await post(good) == answers[1]


async def test_what_else_a_session_is_used_for_has_no_limit(session: aiohttp.ClientSession) -> None:
    interim = INTERIM * (2 * HEAD_BYTES // len(INTERIM))
    server = Server(_saying(interim, CHUNKED + _chunk(b"{}") + _chunk(b"")))
    async with server.run(), session.get(f"http://127.0.0.1:{server.port}") as response:
        assert await response.read() == b"{}"
