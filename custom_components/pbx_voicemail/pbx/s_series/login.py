"""Signs in, and decides after a refused login whether another attempt is safe.

Five refused logins lock out the address for ten minutes (OpenVox UC API, "Login"), and no
documented errno distinguishes a wrong password from a PBX that is still starting.
"""

from dataclasses import dataclass
from hashlib import md5
from time import time
from typing import TYPE_CHECKING, Final, Self, override

from ..client import Credentials
from ..errors import (
    PbxAuthError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
)
from ..json_values import as_text
from .reply import decode
from .requests import MAX_SHORT_BYTES, Requests
from .versions import ApiVersion

_WRONG_PASSWORD: Final = "20003"  # noqa: S105
"""Yeastar's errno for a wrong user name or password, which has no other meaning."""

_REFUSED_LOGIN: Final = "30003"
"""The errno of a failed login in OpenVox's documentation. In Yeastar's it is "not running"."""

_MAX_REFUSALS: Final = 3
"""After so many refused logins the user has to act. Five lock out this address."""

_LOGIN_PAUSES: Final = (0, 30, 300)
"""How many seconds the next login has to wait, by the number of refused ones."""

_MIN_RETRY_SECONDS: Final = 10
_MAX_RETRY_SECONDS: Final = 30

_REPORT_PORT: Final = "8260"
"""A required parameter: the port for event reports, which nothing listens to here."""


def stored_secret(password: str) -> str:
    """Return the MD5 hash of a password, which the API expects (OpenVox UC API, "Login").

    It has to be kept secret, since it can be used in place of the password.
    """
    return md5(password.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Refusals:
    """The number of logins refused in a row, and the Unix time of the last one."""

    count: int = 0
    latest: float = 0

    @classmethod
    def parse(cls, stored: str) -> Self:
        """Parse the result of `str`. Any other text means no refusals."""
        count, _, latest = stored.partition("@")
        try:
            return cls(int(count), float(latest))
        except ValueError:
            return cls()

    @override
    def __str__(self) -> str:
        """Return the text for `parse`, empty if there are no refusals."""
        # Rounded down: a time in the future would look as if the clock had been set back.
        return f"{self.count}@{int(self.latest)}" if self.count else ""


class Login:
    """Signs in an API user.

    No further login is sent after one that was refused because of the password, or after any
    refused one if the password has never worked. A password that has worked may be refused by a
    PBX that is still starting. Then the PBX is queried without a token until it says that the
    token is missing, which means that it has started, and at most three logins are sent.
    """

    def __init__(
        self, requests: Requests, credentials: Credentials, refusals: Refusals, *, has_worked: bool
    ) -> None:
        """Use the credentials, and what is known about earlier logins."""
        self.refusals = refusals
        self._requests = requests
        self._credentials = credentials
        self._has_worked = has_worked
        self._final_error: PbxLoginError | None = None
        self._retries = 0

    async def get_token(self, version: ApiVersion) -> str:
        """Sign in, and return the token. Raises PbxError."""
        if self._final_error:
            raise type(self._final_error)(self._final_error.errno)
        if self.refusals.count:
            await self._check_ready(version)
        if TYPE_CHECKING:
            assert self._credentials.username is not None
        body = {
            "username": self._credentials.username,
            "password": self._credentials.secret,
            "port": _REPORT_PORT,
        }
        try:
            response = await self._requests.post(
                version, "login", {"type": "json"}, body, max_bytes=MAX_SHORT_BYTES
            )
            reply = decode(response.body)
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            raise await self._handle_refusal(version, err) from err
        if not (token := as_text(reply.get("token"))):
            raise PbxReplyError("the reply to the login has no token")
        self._has_worked, self.refusals, self._retries = True, Refusals(), 0
        return token

    async def _handle_refusal(
        self, version: ApiVersion, refusal: PbxRejectedError
    ) -> PbxRejectedError:
        """Return the error for a refused login, and keep it if there must be no other login."""
        self.refusals = Refusals(self.refusals.count + 1, time())
        is_password = refusal.errno == _WRONG_PASSWORD or (
            refusal.errno == _REFUSED_LOGIN
            and (not self._has_worked or await self._has_started(version))
        )
        if is_password:
            self._final_error = PbxLoginError(refusal.errno)
        elif not self._has_worked or self.refusals.count >= _MAX_REFUSALS:
            self._final_error = PbxLoginRejectedError(refusal.errno)
        return self._final_error or self._not_ready(refusal.errno)

    async def _check_ready(self, version: ApiVersion) -> None:
        """Raise PbxNotReadyError unless another login is worth the risk.

        If the PBX does not say that the token is missing, a login is sent after a pause all the
        same, since OpenVox does not document its errnos.
        """
        if await self._has_started(version):
            return
        waited = time() - self.refusals.latest
        # A negative time means that the clock was set back.
        if 0 <= waited < _LOGIN_PAUSES[min(self.refusals.count, _MAX_REFUSALS - 1)]:
            raise self._not_ready(None)

    async def _has_started(self, version: ApiVersion) -> bool:
        """Return whether the PBX says that the token is missing, or answers without one."""
        try:
            await self._requests.query_without_token(version)
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            return isinstance(err, PbxAuthError) and err.errno is not None
        return True

    def _not_ready(self, errno: str | None) -> PbxNotReadyError:
        delay = min(_MIN_RETRY_SECONDS * 2**self._retries, _MAX_RETRY_SECONDS)
        self._retries = min(self._retries + 1, _MAX_REFUSALS)
        return PbxNotReadyError(errno, delay)
