"""Getting in and staying in: the token, its renewal, and the dialect that a PBX speaks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from time import monotonic, time
from typing import TYPE_CHECKING, Final, Self

from ..errors import (
    PbxAuthError,
    PbxError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from ..http import MAX_LIST_BYTES, MAX_REPLY_BYTES, SIGN_OUT_TIMEOUT, Download, Transport
from .dialect import Dialect
from .reply import decode, text

_WRONG_PASSWORD: Final = "20003"  # noqa: S105
"""Yeastar's errno for a wrong user or password. It has no other meaning."""

_REFUSED_LOGIN: Final = "30003"
"""The errno in OpenVox's sample of a failed login. Yeastar's table says "not running"."""

_MAX_REFUSALS: Final = 3
"""After so many refused logins a person is asked. Five lock this address out."""

_LOGIN_PAUSES: Final = (0, 30, 300)
"""How long after so many refused logins the next one has to wait, in seconds."""

_FIRST_RETRY: Final = 10
_LONGEST_RETRY: Final = 30

_MAX_SHORT_BYTES: Final = 64 * 1024
"""Answers to logins and the like are a line long."""

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
class Refusals:
    """How many logins were refused in a row, and when the last one was, in Unix time."""

    count: int = 0
    latest: float = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """What a PBX is asked for, in whatever dialect, and an answer that it gave before."""

    path: str
    body: Mapping[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    known: bytes = b""
    max_bytes: int = MAX_REPLY_BYTES


class Access:
    """Asks one PBX with a token, in a dialect it understands.

    With an API user, a token is got when it is first needed, and one that is gone is
    renewed, once for all who wait. A bare token is used for as long as it lasts.

    Five refused logins lock this address out. So one that is refused for its password is
    the last, and so is any that is refused before the password `has_worked`. A password
    that has is not doubted by a PBX that starts, and refuses whatever it is asked for a
    while. It is then asked without a token until it says that it misses one, as it does
    when it is up, and no more than three logins are tried, however long that takes.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        dialects: Sequence[Dialect],
        dialect: Dialect | None,
        *,
        has_worked: bool = False,
        refusals: Refusals | None = None,
    ) -> None:
        """Take the dialects that the PBX may speak, and what is known from earlier."""
        self.token = credentials.token
        self.refusals = refusals or Refusals()
        self.dialect = dialect
        self._transport = transport
        self._credentials = credentials
        self._dialects = dialects
        self._signing_in = asyncio.Lock()
        self._has_worked = has_worked
        self._refused: PbxLoginError | None = None
        self._retries = 0
        self._next_guess = 0.0

    async def ask[AnswerT](
        self,
        path: str,
        read: Callable[[bytes], Awaitable[AnswerT]],
        body: Mapping[str, str] | None = None,
        known: bytes = b"",
        max_bytes: int = MAX_REPLY_BYTES,
        **query: str,
    ) -> AnswerT:
        """Return what `read` makes of the answer; it raises what the answer means.

        An answer that is the same as a `known` one is that very object.
        """
        question = _Question(path, body, query, known, max_bytes)
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
        question = _Question(path, body, max_bytes=_MAX_SHORT_BYTES)
        return await read(await self._post(dialect, question))

    async def download(self, path: str, query: Mapping[str, str], max_bytes: int) -> Download:
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
                await self._ask_without_token(dialect)
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

    async def try_dialect(self, dialect: Dialect) -> None:
        """Speak another dialect from now on, if the PBX understands it and it may be spoken."""
        if dialect not in self._dialects:
            return
        try:
            await self._ask_without_token(dialect)
        except PbxUnsupportedError, PbxReplyError:
            return
        except PbxRejectedError:
            pass
        self.dialect = dialect

    async def sign_out(self) -> None:
        """Give back a token that was got by a login. Failing to is no harm."""
        if self._credentials.username is None or self.token is None or self.dialect is None:
            return
        token, self.token = self.token, None
        with suppress(PbxError):
            await self._transport.post(
                _path(self.dialect, "logout"),
                {"token": token},
                max_bytes=_MAX_SHORT_BYTES,
                timeout=SIGN_OUT_TIMEOUT,
            )

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
        if self.refusals.count:
            await self._wait_until_ready(dialect)
        if TYPE_CHECKING:
            assert self._credentials.username is not None
        body = {
            "username": self._credentials.username,
            "password": self._credentials.password_md5,
            "port": _REPORT_PORT,
        }
        try:
            reply = decode(
                await self._transport.post(
                    _path(dialect, "login"), {"type": "json"}, body, max_bytes=_MAX_SHORT_BYTES
                )
            )
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            raise await self._judge(dialect, err) from err
        if not (token := text(reply.get("token"))):
            raise PbxReplyError("the reply to the login has no token")
        self._has_worked, self.refusals, self._retries = True, Refusals(), 0
        return token

    async def _judge(self, dialect: Dialect, refusal: PbxRejectedError) -> PbxRejectedError:
        """Return what a refused login means: the end of all logins, or one more try later."""
        self.refusals = Refusals(self.refusals.count + 1, time())
        is_password = refusal.errno == _WRONG_PASSWORD or (
            refusal.errno == _REFUSED_LOGIN
            and (not self._has_worked or await self._misses_token(dialect))
        )
        if is_password:
            self._refused = PbxLoginError(refusal.errno)
        elif not self._has_worked or self.refusals.count >= _MAX_REFUSALS:
            self._refused = PbxLoginRejectedError(refusal.errno)
        return self._refused or self._not_ready(refusal.errno)

    async def _wait_until_ready(self, dialect: Dialect) -> None:
        """Raise PbxNotReadyError unless another login is worth its risk.

        A PBX that does not say that it misses a token is asked again after a while, for
        OpenVox documents none of its errnos.
        """
        if await self._misses_token(dialect):
            return
        waited = time() - self.refusals.latest
        # A clock that was set back says nothing about how long it was.
        if 0 <= waited < _LOGIN_PAUSES[min(self.refusals.count, _MAX_REFUSALS - 1)]:
            raise self._not_ready(None)

    async def _misses_token(self, dialect: Dialect) -> bool:
        """Tell whether a PBX that is asked without a token says so, as it does when it is up."""
        try:
            await self._ask_without_token(dialect)
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            return isinstance(err, PbxAuthError) and err.errno is not None
        return True

    def _not_ready(self, errno: str | None) -> PbxNotReadyError:
        pause = min(_FIRST_RETRY * 2**self._retries, _LONGEST_RETRY)
        self._retries = min(self._retries + 1, _MAX_REFUSALS)
        return PbxNotReadyError(errno, pause)

    async def _ask_without_token(self, dialect: Dialect) -> None:
        body = await self._transport.post(
            _path(dialect, "voicemail/query"), {"token": ""}, max_bytes=MAX_LIST_BYTES
        )
        # One that lets anybody in answers with all its messages.
        await asyncio.to_thread(decode, body)

    async def _post(self, dialect: Dialect, question: _Question) -> bytes:
        return await self._transport.post(
            _path(dialect, question.path),
            {"token": self.token or "", **question.query},
            question.body,
            known=question.known,
            max_bytes=question.max_bytes,
        )


def _path(dialect: Dialect, path: str) -> str:
    return f"api/{dialect.version}/{path}"
