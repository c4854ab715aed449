"""Requests with a token: one for everything, replaced before it expires."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final

from ..client import Connection
from ..errors import PbxAuthError, PbxRejectedError
from ..http import MAX_LIST_BYTES, HttpResponse, WebSocket
from ..json_values import JsonObject
from .errors import BlockedError
from .login import Login
from .reply import ACCESS_DENIED, decode
from .requests import Body, Query, Requests
from .tokens import Tokens

_BLOCKED_SECONDS: Final = 10 * 60
"""How long nothing is sent after the PBX has blocked this address."""

_DOUBTFUL_SECONDS: Final = 10 * 60
"""How long there is no new token after a refusal that may be about something else."""


class Session:
    """Signs in when the first request needs it, and when a token is refused.

    A PBX has eight tokens to give at a time for one client ID ("Get Access Token"). So there is
    one, which is kept for the next run unless it could be given back.
    """

    def __init__(self, connection: Connection) -> None:
        """Use a connection, and the tokens that an earlier run has left."""
        self._requests = Requests(connection)
        self._login = Login(
            self._requests, connection.credentials, has_worked=connection.has_worked
        )
        self._tokens = Tokens.restore(connection.tokens)
        self._lock = asyncio.Lock()
        self._next_token = 0.0
        self._blocked_until = 0.0

        self.logins = 0
        """How many times tokens were got, one way or the other."""

    @property
    def requests(self) -> int:
        """How many requests have been sent."""
        return self._requests.count

    @property
    def seconds_left(self) -> float:
        """In how many seconds the token has to be replaced."""
        return self._tokens.seconds_left if self._tokens else 0

    def store(self) -> Mapping[str, str]:
        """Return the tokens, to be kept for the next run. They are secret."""
        return self._tokens.store() if self._tokens else {}

    async def ask(
        self, path: str, query: Query | None = None, body: Body | None = None
    ) -> JsonObject:
        """Return the reply to a request. Raises the error in it, and any other PbxError.

        It is sent again only if the PBX has refused it because of its token.
        """

        async def send(token: str) -> JsonObject:
            full = {"access_token": token, **(query or {})}
            return decode(await self._requests.ask(path, full, body))

        return await self._with_token(send)

    async def ask_for_list[ResultT](
        self, path: str, query: Query, read: Callable[[bytes], Awaitable[ResultT]], known: bytes
    ) -> ResultT:
        """Return what `read` makes of the reply, which may be large. It raises the error in it.

        If the reply equals `known`, `read` gets that very object.
        """

        async def send(token: str) -> ResultT:
            full = {"access_token": token, **query}
            return await read(
                await self._requests.ask(path, full, known=known, max_bytes=MAX_LIST_BYTES)
            )

        return await self._with_token(send)

    async def download(self, path: str) -> HttpResponse:
        """Return the response to a request for a file. It is sent once."""
        return await self._requests.download(path, {"access_token": await self._get_token()})

    @asynccontextmanager
    async def websocket(self, path: str) -> AsyncIterator[WebSocket]:
        """Keep a WebSocket open. Raises PbxError."""
        token = await self._get_token()
        try:
            async with self._requests.websocket(path, {"access_token": token}) as socket:
                yield socket
        except PbxAuthError as err:
            if self._may_be_the_token(err):
                await self._forget(token)
                self._next_token = monotonic() + _DOUBTFUL_SECONDS
            raise _not_the_client(err) from err

    async def sign_out(self) -> None:
        """Give the token back, if there is one. It is kept if the PBX does not answer."""
        async with self._lock:
            if self._tokens and await self._login.sign_out(self._tokens):
                self._tokens = None

    async def _get_token(self) -> str:
        """Return a token that is good for some minutes. Raises PbxError."""
        async with self._lock:
            if monotonic() < self._blocked_until:
                raise BlockedError(None)
            if self._tokens and self._tokens.seconds_left > 0:
                return self._tokens.access
            with self._noting_block():
                return await self._new_token()

    async def _new_token(self) -> str:
        refreshed = None
        if self._tokens and self._tokens.can_refresh:
            refreshed = await self._login.refresh(self._tokens)
        self._tokens = None
        self._tokens = refreshed or await self._login.sign_in()
        self.logins += 1
        return self._tokens.access

    @contextmanager
    def _noting_block(self) -> Iterator[None]:
        try:
            yield
        except BlockedError:
            self._blocked_until = monotonic() + _BLOCKED_SECONDS
            raise

    async def _with_token[ResultT](self, send: Callable[[str], Awaitable[ResultT]]) -> ResultT:
        token = await self._get_token()
        try:
            with self._noting_block():
                return await send(token)
        except PbxRejectedError as err:
            if not self._may_be_the_token(err):
                if isinstance(err, PbxAuthError):
                    raise _not_the_client(err) from err
                raise
        await self._forget(token)
        token = await self._get_token()
        try:
            with self._noting_block():
                return await send(token)
        except PbxAuthError as err:
            # Each new token takes the place of one that lives on for all we know.
            self._next_token = monotonic() + _DOUBTFUL_SECONDS
            raise _not_the_client(err) from err

    async def _forget(self, token: str) -> None:
        """Drop a token that was refused, and give it back: it may take a place all the same."""
        async with self._lock:
            if self._tokens and self._tokens.access == token:
                tokens, self._tokens = self._tokens, None
                await self._login.sign_out(tokens)

    def _may_be_the_token(self, refusal: PbxRejectedError) -> bool:
        """Return whether a new token is worth a try."""
        is_token = isinstance(refusal, PbxAuthError)
        if not (is_token or refusal.errno == ACCESS_DENIED) or monotonic() < self._next_token:
            return False
        # HTTP 400, 401 and 403 have no errcode.
        if not is_token or refusal.errno is None:
            self._next_token = monotonic() + _DOUBTFUL_SECONDS
        return True


def _not_the_client(refusal: PbxAuthError) -> PbxRejectedError:
    """Return a refusal as one that is not about the client secret: only logins are."""
    return PbxRejectedError(refusal.errno)
