"""A web server on the loopback interface, for what a test connects to."""

from abc import ABC, abstractmethod
import ssl
from typing import ClassVar, Self

from aiohttp import web


class LoopbackServer(ABC):
    """A web server on a free port, or on a given one. It can be switched off and on.

    If `tls` is set when it starts, it only accepts TLS connections.
    """

    tls: ssl.SSLContext | None = None
    port: int = 0
    """Where it listens, or did before it was stopped."""
    shutdown_seconds: ClassVar[float] = 1
    """How long it waits for requests that are still being answered when it stops."""
    _runner: web.AppRunner | None = None

    @abstractmethod
    def _make_app(self) -> web.Application:
        """Return what is served."""

    @property
    def address(self) -> str:
        """The address, as `host:port`."""
        return f"127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Start to listen, on the same port as before if it was stopped."""
        self._runner = web.AppRunner(
            self._make_app(), access_log=None, shutdown_timeout=self.shutdown_seconds
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            "127.0.0.1",
            port or self.port,
            ssl_context=self.tls,
            reuse_address=True,
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, as if switched off."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        """Start on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()
