"""Getting in and staying in: the token, its renewal, and the dialect that a PBX speaks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from time import monotonic
from typing import TYPE_CHECKING, Final, Self

from .dialect import Dialect
from .errors import (
    PbxAuthError,
    PbxError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from .reply import decode, text
from .transport import Transport

_WRONG_PASSWORD: Final = frozenset({"20003", "30003"})
"""Refused logins: Yeastar's errno for it, and the one in OpenVox's sample of a failed login."""

_REPORT_PORT: Final = "8260"
"""Documented as required: where event reports would go if anybody listened."""

_GUESS_SECONDS: Final = 10 * 60


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lets us in: a token that somebody got from the PBX, or an API user.

    The password is kept as the MD5 that the API wants (OpenVox UC API, "Login"). It is
    as good as the password, and as secret.
    """

    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password_md5: str = field(default="", repr=False)

    @classmethod
    def of_user(cls, username: str, password: str) -> Self:
        """Return those of an API user, by the password as typed."""
        digest = md5(password.encode(), usedforsecurity=False).hexdigest()
        return cls(username=username, password_md5=digest)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a PBX is asked for, in whatever dialect, and an answer that it gave before."""

    path: str
    body: Mapping[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    known: bytes = b""


class Access:
    """Asks one PBX with a token, in a dialect it understands.

    With an API user, a token is got when it is first needed, and one that is gone is
    renewed, once for all who wait. After one refused login none is tried again: five of
    them lock this address out. A bare token is used for as long as it lasts.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        dialects: Sequence[Dialect],
        dialect: Dialect | None,
    ) -> None:
        """Take the dialects that the PBX may speak, and the one it was last known by."""
        self.token = credentials.token
        self.dialect = dialect
        self._transport = transport
        self._credentials = credentials
        self._dialects = dialects
        self._signing_in = asyncio.Lock()
        self._refused: PbxLoginError | None = None
        self._next_guess = 0.0

    async def ask[AnswerT](
        self,
        path: str,
        read: Callable[[bytes], Awaitable[AnswerT]],
        body: Mapping[str, str] | None = None,
        known: bytes = b"",
        **query: str,
    ) -> AnswerT:
        """Return what `read` makes of the answer; it raises what the answer means.

        An answer that is the same as a `known` one is that very object.
        """
        question = _Question(path, body, query, known)
        dialect = self.dialect or await self.find_dialect()
        try:
            return await self._ask_in(dialect, question, read)
        except PbxReplyError, PbxUnsupportedError:
            # New firmware may speak another dialect.
            with suppress(PbxError):
                await self.find_dialect()
            if self.dialect is dialect or self.dialect is None:
                raise
            dialect = self.dialect
        return await self._ask_in(dialect, question, read)

    async def ask_once[AnswerT](
        self,
        path: str,
        read: Callable[[bytes], Awaitable[AnswerT]],
        body: Mapping[str, str],
    ) -> AnswerT:
        """Ask for what must not be done twice: as `ask`, but whatever comes back stands."""
        dialect = self.dialect or await self.find_dialect()
        return await read(await self._post(dialect, _Question(path, body)))

    async def download(self, path: str, query: Mapping[str, str], max_bytes: int) -> bytes:
        """Return what a GET brings. It is sent once: what it asks for is given out once."""
        dialect = self.dialect or await self.find_dialect()
        return await self._transport.get(
            _path(dialect, path), {"token": self.token or "", **query}, max_bytes
        )

    async def find_dialect(self) -> Dialect:
        """Find out which dialect the PBX speaks, without a login and without a token.

        That it misses the token is a good answer. A PBX may answer another dialect's path,
        too, with a page, or with an object that says it does not know it.
        """
        failures: list[PbxError] = []
        likely: list[Dialect] = []
        for dialect in self._dialects:
            try:
                decode(
                    await self._transport.post(_path(dialect, "voicemail/query"), None, token="")
                )
            except (PbxUnsupportedError, PbxReplyError) as err:
                failures.append(err)
            except PbxRejectedError as err:
                likely.append(dialect)
                if isinstance(err, PbxAuthError) and err.errno:
                    break
            else:
                likely.append(dialect)
                break
        else:
            likely = likely[:1]
        if not likely:
            raise failures[0]
        self.dialect = likely[-1]
        return self.dialect

    async def sign_out(self) -> None:
        """Give back a token that was got by a login. Failing to is no harm."""
        if self._credentials.username is None or self.token is None or self.dialect is None:
            return
        token, self.token = self.token, None
        with suppress(PbxError):
            await self._transport.post(_path(self.dialect, "logout"), None, token=token)

    async def _ask_in[AnswerT](
        self,
        dialect: Dialect,
        question: _Question,
        read: Callable[[bytes], Awaitable[AnswerT]],
    ) -> AnswerT:
        if self._credentials.username is None:
            return await read(await self._post(dialect, question))
        token = self.token or await self._sign_in(dialect, None)
        try:
            return await read(await self._post(dialect, question))
        except PbxRejectedError as err:
            if not self._may_be_the_token(err):
                raise
        await self._sign_in(dialect, token)
        try:
            return await read(await self._post(dialect, question))
        except PbxAuthError as err:
            # The password is good, so a person could not mend this by giving another.
            raise PbxRejectedError(err.errno) from err

    def _may_be_the_token(self, refusal: PbxRejectedError) -> bool:
        """Tell whether a new token is worth trying.

        OpenVox does not document its errnos, so a dead token may go by any of them.
        """
        if isinstance(refusal, PbxAuthError):
            return True
        if isinstance(refusal, PbxLockedError | PbxUnsupportedError):
            return False
        if monotonic() < self._next_guess:
            return False
        self._next_guess = monotonic() + _GUESS_SECONDS
        return True

    async def _sign_in(self, dialect: Dialect, stale: str | None) -> str:
        async with self._signing_in:
            if self.token is None or self.token == stale:
                self.token = None
                self.token = await self._login(dialect)
            return self.token

    async def _login(self, dialect: Dialect) -> str:
        if self._refused:
            raise type(self._refused)(self._refused.errno)
        if TYPE_CHECKING:
            assert self._credentials.username is not None
        body = {
            "username": self._credentials.username,
            "password": self._credentials.password_md5,
            "port": _REPORT_PORT,
        }
        try:
            reply = decode(await self._transport.post(_path(dialect, "login"), body, type="json"))
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            known = err.errno in _WRONG_PASSWORD
            self._refused = (PbxLoginError if known else PbxLoginRejectedError)(err.errno)
            raise self._refused from err
        if not (token := text(reply.get("token"))):
            raise PbxReplyError("the reply to the login has no token")
        return token

    async def _post(self, dialect: Dialect, question: _Question) -> bytes:
        return await self._transport.post(
            _path(dialect, question.path),
            question.body,
            question.known,
            token=self.token or "",
            **question.query,
        )


def _path(dialect: Dialect, path: str) -> str:
    return f"api/{dialect.version}/{path}"
