"""The API of one PBX: signed in, and in the version that the PBX understands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from ..client import Connection
from ..errors import (
    PbxAuthError,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from ..http import MAX_REPLY_BYTES, SIGN_OUT_TIMEOUT, HttpResponse
from .login import Login, Refusals
from .requests import MAX_SHORT_BYTES, Requests
from .versions import API_VERSIONS, ApiVersion

_GUESS_SECONDS: Final = 10 * 60
"""How often a new token is tried because of an errno that may or may not mean the token."""

_API: Final = "api"
_REFUSALS: Final = "refusals"


@dataclass(frozen=True, slots=True)
class _Question:
    """What a PBX is asked for, in whatever version, and an answer that it gave before."""

    path: str
    body: Mapping[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    known: bytes = b""
    max_bytes: int = MAX_REPLY_BYTES


class Api:
    """Asks one PBX, with a token.

    With an API user, a token is got when it is first needed, and one that has expired is
    renewed, once for all who wait. A bare token is used for as long as it lasts.
    """

    def __init__(self, connection: Connection) -> None:
        """Take how to reach the PBX, and what is known of it from earlier."""
        chosen, remembered = connection.api, connection.remembered
        self._versions = [one for one in API_VERSIONS if chosen in (None, one.name)]
        likely = chosen or remembered.get(_API)
        self.version = next((one for one in self._versions if one.name == likely), None)
        """The version that the PBX speaks, None until it has been asked something."""
        self.token = connection.credentials.token
        self.has_user = connection.credentials.username is not None
        self._requests = Requests(connection)
        self._login = Login(
            self._requests,
            connection.credentials,
            Refusals.parse(remembered.get(_REFUSALS, "")),
            has_worked=connection.has_worked,
        )
        self._signing_in = asyncio.Lock()
        self._next_guess = 0.0

    def remember(self) -> Mapping[str, str]:
        """Return what is worth keeping for the next start."""
        kept = {
            _API: self.version.name if self.version else "",
            _REFUSALS: str(self._login.refusals),
        }
        return {name: value for name, value in kept.items() if value}

    async def ask[AnswerT](
        self,
        path: str,
        read: Callable[[bytes], Awaitable[AnswerT]],
        body: Mapping[str, str] | None = None,
        known: bytes = b"",
        max_bytes: int = MAX_REPLY_BYTES,
        **query: str,
    ) -> AnswerT:
        """Return what `read` makes of the reply; it raises what the reply means.

        A reply that is the same as a `known` one is that very object.
        """
        question = _Question(path, body, query, known, max_bytes)
        version = self.version or await self.find_version()
        try:
            return await self._ask_in(version, question, read)
        except PbxReplyError, PbxUnsupportedError:
            # New firmware may speak another version.
            with suppress(PbxError):
                await self.find_version()
            if self.version is version or self.version is None:
                raise
            version = self.version
        return await self._ask_in(version, question, read)

    async def ask_once[AnswerT](
        self, path: str, read: Callable[[bytes], Awaitable[AnswerT]], body: Mapping[str, str]
    ) -> AnswerT:
        """Ask for what must not be done twice: as `ask`, but whatever comes back stands."""
        version = self.version or await self.find_version()
        question = _Question(path, body, max_bytes=MAX_SHORT_BYTES)
        return await read(await self._post(version, question))

    async def download(self, path: str, query: Mapping[str, str]) -> HttpResponse:
        """Return the response to a GET. It is sent once: what it asks for is given out once."""
        version = self.version or await self.find_version()
        return await self._requests.download(version, path, {"token": self.token or "", **query})

    async def find_version(self) -> ApiVersion:
        """Find out which version the PBX speaks, without a login and without a token.

        A reply that the token is missing proves the version. A PBX may answer another
        version's path, too, with a page, or with an object that says it does not know it.
        """
        failures: list[PbxError] = []
        likely: list[ApiVersion] = []
        for version in self._versions:
            try:
                await self._requests.ask_without_token(version)
            except (PbxUnsupportedError, PbxReplyError) as err:
                failures.append(err)
            except PbxRejectedError as err:
                likely.append(version)
                if isinstance(err, PbxAuthError) and err.errno:
                    break
            else:
                likely.append(version)
                break
        else:
            likely = likely[:1]
        if not likely:
            raise failures[0]
        self.version = likely[-1]
        return self.version

    async def try_version(self, version: ApiVersion) -> None:
        """Speak another version from now on, if the PBX understands it and it may be spoken."""
        if version not in self._versions:
            return
        try:
            await self._requests.ask_without_token(version)
        except PbxUnsupportedError, PbxReplyError:
            return
        except PbxRejectedError:
            pass
        self.version = version

    async def sign_out(self) -> None:
        """Give back a token that was got by a login. Failing to does no harm."""
        if not self.has_user or self.token is None or self.version is None:
            return
        token, self.token = self.token, None
        with suppress(PbxError):
            await self._requests.post(
                self.version,
                "logout",
                {"token": token},
                max_bytes=MAX_SHORT_BYTES,
                timeout=SIGN_OUT_TIMEOUT,
            )

    async def _ask_in[AnswerT](
        self,
        version: ApiVersion,
        question: _Question,
        read: Callable[[bytes], Awaitable[AnswerT]],
    ) -> AnswerT:
        if not self.has_user:
            return await read(await self._post(version, question))
        token = self.token or await self._sign_in(version, None)
        try:
            return await read(await self._post(version, question))
        except PbxRejectedError as err:
            if not self._may_be_the_token(err):
                raise
        await self._sign_in(version, token)
        try:
            return await read(await self._post(version, question))
        except PbxAuthError as err:
            # The password is good, so asking a person for another one would not help.
            raise PbxRejectedError(err.errno) from err

    def _may_be_the_token(self, refusal: PbxRejectedError) -> bool:
        """Return whether a new token is worth trying.

        OpenVox does not document its errnos, so an expired token may go by any of them.
        """
        if isinstance(refusal, PbxAuthError):
            return True
        if isinstance(refusal, PbxLockedError | PbxUnsupportedError):
            return False
        if monotonic() < self._next_guess:
            return False
        self._next_guess = monotonic() + _GUESS_SECONDS
        return True

    async def _sign_in(self, version: ApiVersion, stale: str | None) -> str:
        async with self._signing_in:
            if self.token is None or self.token == stale:
                self.token = None
                self.token = await self._login.get_token(version)
            return self.token

    async def _post(self, version: ApiVersion, question: _Question) -> bytes:
        return await self._requests.post(
            version,
            question.path,
            {"token": self.token or "", **question.query},
            question.body,
            known=question.known,
            max_bytes=question.max_bytes,
        )
