"""Logins: what a refused one means, and when another one is worth its risk.

Five refused logins lock this address out for ten minutes (OpenVox UC API, "Login"), and no
errno is documented that tells a wrong password from a PBX that is starting.
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
from .reply import decode, text
from .requests import MAX_SHORT_BYTES, Requests
from .versions import ApiVersion

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

_REPORT_PORT: Final = "8260"
"""Documented as required: where event reports would go if anybody listened."""


def stored_secret(password: str) -> str:
    """Return the MD5 of a password, which the API wants instead (OpenVox UC API, "Login").

    It is as good as the password, and as secret.
    """
    return md5(password.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many logins were refused in a row, and when the last one was, in Unix time."""

    count: int = 0
    latest: float = 0

    @classmethod
    def parse(cls, stored: str) -> Self:
        """Read what `str` wrote; anything else counts as no refusals."""
        count, _, latest = stored.partition("@")
        try:
            return cls(int(count), float(latest))
        except ValueError:
            return cls()

    @override
    def __str__(self) -> str:
        """Return it as text, empty if there were none."""
        return f"{self.count}@{self.latest:.0f}" if self.count else ""


class Login:
    """Signs an API user in.

    A login that is refused for its password is the last, and so is any that is refused before
    the password has worked. A password that has is not doubted because of a PBX that is
    starting, and refuses whatever it is asked for a while. It is then asked without a token
    until it says that the token is missing, as it does when it is up, and no more than three
    logins are tried, however long that takes.
    """

    def __init__(
        self, requests: Requests, credentials: Credentials, refusals: Refusals, *, has_worked: bool
    ) -> None:
        """Take the user, and what is known of earlier logins."""
        self.refusals = refusals
        self._requests = requests
        self._credentials = credentials
        self._has_worked = has_worked
        self._refused: PbxLoginError | None = None
        self._retries = 0

    async def get_token(self, version: ApiVersion) -> str:
        """Sign in, and return the token. Raises PbxError."""
        if self._refused:
            raise type(self._refused)(self._refused.errno)
        if self.refusals.count:
            await self._wait_until_ready(version)
        if TYPE_CHECKING:
            assert self._credentials.username is not None
        body = {
            "username": self._credentials.username,
            "password": self._credentials.secret,
            "port": _REPORT_PORT,
        }
        try:
            reply = decode(
                await self._requests.post(
                    version, "login", {"type": "json"}, body, max_bytes=MAX_SHORT_BYTES
                )
            )
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            raise await self._judge(version, err) from err
        if not (token := text(reply.get("token"))):
            raise PbxReplyError("the reply to the login has no token")
        self._has_worked, self.refusals, self._retries = True, Refusals(), 0
        return token

    async def _judge(self, version: ApiVersion, refusal: PbxRejectedError) -> PbxRejectedError:
        """Return what a refused login means: the end of all logins, or one more try later."""
        self.refusals = Refusals(self.refusals.count + 1, time())
        is_password = refusal.errno == _WRONG_PASSWORD or (
            refusal.errno == _REFUSED_LOGIN and (not self._has_worked or await self._is_up(version))
        )
        if is_password:
            self._refused = PbxLoginError(refusal.errno)
        elif not self._has_worked or self.refusals.count >= _MAX_REFUSALS:
            self._refused = PbxLoginRejectedError(refusal.errno)
        return self._refused or self._not_ready(refusal.errno)

    async def _wait_until_ready(self, version: ApiVersion) -> None:
        """Raise PbxNotReadyError unless another login is worth its risk.

        A PBX that does not say that the token is missing is asked again after a while, since
        OpenVox documents none of its errnos.
        """
        if await self._is_up(version):
            return
        waited = time() - self.refusals.latest
        # A clock that was set back says nothing about how long it was.
        if 0 <= waited < _LOGIN_PAUSES[min(self.refusals.count, _MAX_REFUSALS - 1)]:
            raise self._not_ready(None)

    async def _is_up(self, version: ApiVersion) -> bool:
        """Return whether a PBX that is asked without a token says that it is missing."""
        try:
            await self._requests.ask_without_token(version)
        except PbxLockedError:
            raise
        except PbxRejectedError as err:
            return isinstance(err, PbxAuthError) and err.errno is not None
        return True

    def _not_ready(self, errno: str | None) -> PbxNotReadyError:
        pause = min(_FIRST_RETRY * 2**self._retries, _LONGEST_RETRY)
        self._retries = min(self._retries + 1, _MAX_REFUSALS)
        return PbxNotReadyError(errno, pause)
