"""Signs in, and decides after a refusal whether another attempt is safe.

Five refused attempts in a row block this address until an administrator of the PBX lifts it
("Remove Blocked API IP Addresses"), so a client secret that was refused is never sent again.
"""

from contextlib import suppress
from time import monotonic, time
from typing import Final

from ..client import Credentials
from ..errors import (
    PbxAuthError,
    PbxError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnsupportedError,
)
from ..http import SIGN_OUT_TIMEOUT
from .errors import ApiNotOfferedError, BlockedError, ClientRefusedError, TokenLimitError
from .reply import decode
from .requests import MAX_SHORT_BYTES, Requests
from .tokens import Tokens

_BUSY: Final = frozenset({"2", "-2", "70082"})
"""Errcodes with which a PBX may say that it is starting or overloaded."""

_MAX_BUSY: Final = 2
"""How often in a row it is believed: any refusal may count as a failed attempt."""

_BUSY_SECONDS: Final = 60
"""How long to leave it alone then, and twice as long the second time."""


class Login:
    """Gets tokens, for as long as the client is not refused."""

    def __init__(self, requests: Requests, credentials: Credentials, *, has_worked: bool) -> None:
        """Use the client ID and secret. `has_worked` is whether they were accepted before."""
        self._requests = requests
        self._credentials = credentials
        self._has_worked = has_worked
        self._refused_with: str | None = None
        self._is_refused = False
        self._busy = 0
        self._limit_until = 0.0

    async def sign_in(self) -> Tokens:
        """Return new tokens for the client ID and secret. Raises PbxError."""
        username, secret = self._credentials.username, self._credentials.secret
        if self._is_refused or not username:
            raise ClientRefusedError(self._refused_with)
        if (left := self._limit_until - monotonic()) > 0:
            raise TokenLimitError(None, left)
        try:
            tokens = await self._get_tokens("get_token", username=username, password=secret)
        except BlockedError:
            raise
        except TokenLimitError as err:
            self._limit_until = monotonic() + (err.retry_after or 0)
            raise
        except PbxUnsupportedError:
            raise ApiNotOfferedError from None
        except PbxRejectedError as err:
            raise self._judge(err) from err
        self._has_worked, self._busy = True, 0
        return tokens

    async def refresh(self, tokens: Tokens) -> Tokens | None:
        """Return new tokens for a refresh token, None if the PBX does not accept it.

        Raises PbxError if that remains unknown, or if this address is blocked.
        """
        try:
            return await self._get_tokens("refresh_token", refresh_token=tokens.refresh)
        except BlockedError:
            raise
        except PbxRejectedError:
            return None

    async def sign_out(self, tokens: Tokens) -> bool:
        """Give an access token back. Returns whether the PBX has answered; never raises."""
        with suppress(PbxError):
            await self._requests.ask(
                "del_token",
                {"access_token": tokens.access},
                max_bytes=MAX_SHORT_BYTES,
                timeout=SIGN_OUT_TIMEOUT,
            )
            return True
        return False

    async def _get_tokens(self, path: str, **body: str) -> Tokens:
        now = time()
        reply = decode(await self._requests.ask(path, body=body, max_bytes=MAX_SHORT_BYTES))
        if (tokens := Tokens.parse(reply, now)) is None:
            raise PbxReplyError("the reply has no token")
        return tokens

    def _judge(self, refusal: PbxRejectedError) -> PbxRejectedError:
        """Return the error for a refusal. Most are the last: the secret is not sent again."""
        is_known_client = self._has_worked and not isinstance(refusal, PbxAuthError)
        if is_known_client and refusal.errno in _BUSY and self._busy < _MAX_BUSY:
            self._busy += 1
            return PbxNotReadyError(refusal.errno, _BUSY_SECONDS * self._busy)
        self._is_refused, self._refused_with = True, refusal.errno
        return ClientRefusedError(refusal.errno)
