"""A PBX of each family, to which the same things can be done."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import override

import aiohttp

from custom_components.pbx_voicemail.pbx import (
    Address,
    Capability,
    Connection,
    Credentials,
    Family,
    Mailbox,
    Message,
    PbxClient,
)
from tests.asterisk import manager
from tests.asterisk.program import Asterisk, make_tone
from tests.simulator import PSeriesSimulator, Simulator, Spool
from tests.simulator.spool import INBOX, OLD

from .proxy import Proxy

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
NAME = "Ann Müller"


@dataclass(kw_only=True, eq=False)
class Harness(ABC):
    """One PBX behind a proxy. `extension` is a mailbox that only one test uses."""

    family: Family
    session: aiohttp.ClientSession
    proxy: Proxy
    extension: str
    folder: Path
    username: str
    password: str
    reports_everything: bool = True
    """Whether a PBX that reports changes also reports what is heard and deleted."""
    locks_out_for_good: bool = False
    clients: list[PbxClient] = field(default_factory=list)

    @property
    @abstractmethod
    def spool(self) -> Spool:
        """Where the PBX keeps its mailboxes."""

    @abstractmethod
    async def remove(self, caller: str) -> None:
        """Have somebody delete a message by telephone."""

    @abstractmethod
    async def hear(self, caller: str) -> None:
        """Have somebody listen to a message by telephone."""

    @abstractmethod
    async def forget_sessions(self) -> None:
        """Have the PBX forget who is signed in."""

    async def leave(self, caller: str, *, received: datetime | None = None) -> None:
        """Leave a message, with audio that tells who called: a higher number called later."""
        recording = self.folder / f"{caller}.wav"
        recording.write_bytes(audio_of(caller))
        self.spool.leave(
            self.extension,
            f'"{NAME}" <{caller}>',
            received=received or NOON + timedelta(minutes=int(caller)),
            recording=recording,
            duration=int(caller) % 100,
        )

    @property
    def connection(self) -> Connection:
        """How to reach the PBX, without credentials."""
        return Connection(session=self.session, address=Address("127.0.0.1", self.proxy.port))

    def make_client(self, *, password: str | None = None, id_key: bytes = b"a key") -> PbxClient:
        """Make a client."""
        secret = self.family.stored_secret(self.password if password is None else password)
        credentials = Credentials(username=self.username, secret=secret)
        client = self.family.create(
            replace(self.connection, credentials=credentials, id_key=id_key)
        )
        self.clients.append(client)
        return client

    async def look(self, client: PbxClient) -> Mailbox:
        """Return the mailbox."""
        mailboxes = await client.mailboxes([self.extension])
        return mailboxes.get(self.extension, Mailbox(self.extension))

    @asynccontextmanager
    async def polled(
        self, client: PbxClient
    ) -> AsyncIterator[Callable[[Callable[[Mailbox], bool]], Awaitable[Mailbox]]]:
        """Poll as Home Assistant does: at once where changes are reported, else all the time."""
        changed = asyncio.Event()
        listener = None
        if Capability.PUSH in client.capabilities and self.reports_everything:
            listener = asyncio.create_task(client.listen(changed.set))
            await changed.wait()

        async def poll_until(is_right: Callable[[Mailbox], bool]) -> Mailbox:
            async with asyncio.timeout(10):
                while not is_right(found := await self.look(client)):
                    if listener:
                        await changed.wait()
                        changed.clear()
            return found

        yield poll_until
        if listener:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    async def close(self) -> None:
        """Sign all clients out."""
        for client in self.clients:
            await client.close()


@dataclass(kw_only=True, eq=False)
class SimulatorHarness(Harness):
    """A simulated PBX."""

    simulator: Simulator | PSeriesSimulator

    @property
    @override
    def spool(self) -> Spool:
        return self.simulator.spool

    @override
    async def remove(self, caller: str) -> None:
        self.spool.delete(self.extension, *_find(self.spool, self.extension, caller))

    @override
    async def hear(self, caller: str) -> None:
        name, folder = _find(self.spool, self.extension, caller)
        self.spool.move(self.extension, name, folder=folder)

    @override
    async def forget_sessions(self) -> None:
        self.simulator.revoke_tokens()


@dataclass(kw_only=True, eq=False)
class PSeriesHarness(SimulatorHarness):
    """The simulated P-Series, which reports new messages and nothing else."""

    reports_everything: bool = False
    locks_out_for_good: bool = True


@dataclass(kw_only=True, eq=False)
class AsteriskHarness(Harness):
    """A real Asterisk."""

    asterisk: Asterisk

    @property
    @override
    def spool(self) -> Spool:
        return self.asterisk.spool()

    @override
    async def remove(self, caller: str) -> None:
        name, folder = _find(self.spool, self.extension, caller)
        await manager.remove(self.asterisk, self.extension, folder, int(name.removeprefix("msg")))

    @override
    async def hear(self, caller: str) -> None:
        name, folder = _find(self.spool, self.extension, caller)
        await manager.move(
            self.asterisk, self.extension, folder, OLD, int(name.removeprefix("msg"))
        )

    @override
    async def forget_sessions(self) -> None:
        await asyncio.to_thread(self.asterisk.kill)
        await asyncio.to_thread(self.asterisk.start)


def audio_of(caller: str) -> bytes:
    """Return the WAV file of a message."""
    return make_tone(int(caller), seconds=0.05)


def is_from(*callers: str) -> Callable[[Mailbox], bool]:
    """Return what tells whether the messages of a mailbox are from these callers, newest first."""
    return lambda mailbox: [message.caller for message in mailbox.messages] == list(callers)


def _find(spool: Spool, extension: str, caller: str) -> tuple[str, str]:
    return next(
        (message.name, message.folder)
        for folder in (INBOX, OLD)
        for message in spool.messages(extension, folder)
        if f"<{caller}>" in message.caller
    )


def message_of(mailbox: Mailbox, caller: str) -> Message:
    """Return the message of a caller."""
    return next(message for message in mailbox.messages if message.caller == caller)
