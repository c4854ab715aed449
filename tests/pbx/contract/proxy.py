"""What is between a client and its PBX, and can go wrong."""

import asyncio
from contextlib import suppress
from typing import Self


class Proxy:
    """A port that leads to a PBX, for as long as a test does not say otherwise.

    Set `answer` to have bytes answered in the PBX's place, or `is_silent` for no answer at all.
    """

    def __init__(self, port: int) -> None:
        """Take the port of the PBX."""
        self.port = 0
        self.answer: bytes | None = None
        self.is_silent = False
        self.connections = 0
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to accept connections; after a stop, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and break those that there are."""
        if self._server:
            self._server.close()
            self._server = None
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            if self.is_silent:
                await asyncio.Event().wait()
            elif self.answer is not None:
                await reader.read(64 * 1024)
                writer.write(self.answer)
                await writer.drain()
            else:
                await self._pass_on(reader, writer)
        except OSError:
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))
        finally:
            target_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
