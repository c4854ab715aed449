"""The API of one PBX: requests with a valid token, in the version that the PBX supports."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from ..client import Connection
from ..comparison import KnownBody
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

_UNKNOWN_ERRNO_SECONDS: Final = 10 * 60
"""How often at most an unknown errno leads to a new login."""

_API: Final = "api"
_REFUSALS: Final = "refusals"


@dataclass(frozen=True, slots=True)
class _Request:
    """A request in any version. `known` is the body of the last response to it."""

    path: str
    body: Mapping[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    known: KnownBody | None = None
    max_bytes: int = MAX_REPLY_BYTES


def version_in(remembered: Mapping[str, str]) -> ApiVersion | None:
    """Return the version that `Api.remember` returned, None if it is unknown."""
    name = remembered.get(_API)
    return next((version for version in API_VERSIONS if version.name == name), None)


class Api:
    """Sends requests to one PBX, with a token.

    With an API user, it signs in for the first request and when a token has expired, once for
    all requests that wait for it. Without one, it uses the given token as long as it is valid.
    """

    def __init__(self, connection: Connection) -> None:
        """Use a connection, and what an earlier run remembered."""
        chosen, remembered = connection.api, connection.remembered
        self._versions = [version for version in API_VERSIONS if chosen in (None, version.name)]
        likely = chosen or remembered.get(_API)
        self.version = next((version for version in self._versions if version.name == likely), None)
        """The version that the PBX supports, None before the first request."""
        self.token = connection.credentials.token
        self.has_user = connection.credentials.username is not None
        self._requests = Requests(connection)
        self._login = Login(
            self._requests,
            connection.credentials,
            Refusals.parse(remembered.get(_REFUSALS, "")),
            has_worked=connection.has_worked,
        )
        self._sign_in_lock = asyncio.Lock()
        self._next_unknown_errno = 0.0

    def remember(self) -> Mapping[str, str]:
        """Return what is worth storing for the next start."""
        remembered = {
            _API: self.version.name if self.version else "",
            _REFUSALS: str(self._login.refusals),
        }
        return {name: value for name, value in remembered.items() if value}

    async def request[ResultT](
        self,
        path: str,
        read: Callable[[HttpResponse], Awaitable[ResultT]],
        body: Mapping[str, str] | None = None,
        known: KnownBody | None = None,
        max_bytes: int = MAX_REPLY_BYTES,
        **query: str,
    ) -> ResultT:
        """Return what `read` returns for the response. It raises the error in it, if any.

        The response is compared with what is known.
        """
        request = _Request(path, body, query, known, max_bytes)
        version = self.version or await self.find_version()
        try:
            return await self._request_in(version, request, read)
        except PbxReplyError, PbxUnsupportedError:
            # The PBX may have new firmware, with another version.
            with suppress(PbxError):
                await self.find_version()
            if self.version is version or self.version is None:
                raise
            version = self.version
        return await self._request_in(version, request, read)

    async def request_once[ResultT](
        self, path: str, read: Callable[[HttpResponse], Awaitable[ResultT]], body: Mapping[str, str]
    ) -> ResultT:
        """Do as `request` does, but never send a request twice. For requests that change things."""
        version = self.version or await self.find_version()
        request = _Request(path, body, max_bytes=MAX_SHORT_BYTES)
        return await read(await self._post(version, request))

    async def download(self, path: str, query: Mapping[str, str]) -> HttpResponse:
        """Return the response to a GET. It is never sent twice, since the PBX answers once."""
        version = self.version or await self.find_version()
        return await self._requests.download(version, path, {"token": self.token or "", **query})

    async def find_version(self) -> ApiVersion:
        """Find out which version the PBX supports, without signing in or sending a token.

        If the reply says that the token is missing, the PBX supports the version. It may answer
        requests in other versions, too: with a web page, or with an unknown errno.
        """
        failures: list[PbxError] = []
        likely: list[ApiVersion] = []
        for version in self._versions:
            try:
                await self._requests.query_without_token(version)
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
        """Use another version from now on, if the PBX supports it and the user did not choose one."""
        if version not in self._versions:
            return
        try:
            await self._requests.query_without_token(version)
        except PbxUnsupportedError, PbxReplyError:
            return
        except PbxRejectedError:
            pass
        self.version = version

    async def sign_out(self) -> None:
        """Return a token from a login to the PBX. Never raises."""
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

    async def _request_in[ResultT](
        self,
        version: ApiVersion,
        request: _Request,
        read: Callable[[HttpResponse], Awaitable[ResultT]],
    ) -> ResultT:
        if not self.has_user:
            return await read(await self._post(version, request))
        token = self.token or await self._sign_in(version, None)
        try:
            return await read(await self._post(version, request))
        except PbxRejectedError as err:
            if not self._may_have_expired(err):
                raise
        await self._sign_in(version, token)
        try:
            return await read(await self._post(version, request))
        except PbxAuthError as err:
            # The login has worked, so another password would not help.
            raise PbxRejectedError(err.errno) from err

    def _may_have_expired(self, refusal: PbxRejectedError) -> bool:
        """Return whether the token may have expired, so that a new one is worth a try.

        OpenVox does not document its errnos, so any of them may mean that.
        """
        if isinstance(refusal, PbxAuthError):
            return True
        if isinstance(refusal, PbxLockedError | PbxUnsupportedError):
            return False
        if monotonic() < self._next_unknown_errno:
            return False
        self._next_unknown_errno = monotonic() + _UNKNOWN_ERRNO_SECONDS
        return True

    async def _sign_in(self, version: ApiVersion, expired: str | None) -> str:
        async with self._sign_in_lock:
            if self.token is None or self.token == expired:
                self.token = None
                self.token = await self._login.get_token(version)
            return self.token

    async def _post(self, version: ApiVersion, request: _Request) -> HttpResponse:
        return await self._requests.post(
            version,
            request.path,
            {"token": self.token or "", **request.query},
            request.body,
            known=request.known,
            max_bytes=request.max_bytes,
        )
