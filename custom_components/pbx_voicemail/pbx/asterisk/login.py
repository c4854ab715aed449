"""Signs a manager user in."""

from hashlib import md5
from typing import Final

from ..client import Credentials
from ..errors import PbxRejectedError, PbxReplyError
from .errors import LoginInUseError, ManagerRefusedError
from .web_server import MAX_SHORT_BYTES, Fields, ManagerResponse, WebServer

_IN_USE: Final = "Login Already In Use"
_REFUSED: Final = "Authentication failed"


class Login:
    """Gets sessions, for as long as the user is not refused.

    A refused login is the last: Asterisk says the same of a wrong name, a wrong secret and an
    address that is not permitted, and what reads its log may ban this address.
    """

    def __init__(self, web: WebServer, credentials: Credentials) -> None:
        """Take the user."""
        self._web = web
        self._credentials = credentials
        self._is_refused = False

    async def sign_in(self) -> str:
        """Sign in, and return the cookie of the session. Raises PbxError.

        The secret itself is not sent: it answers a challenge.
        """
        username, secret = self._credentials.username, self._credentials.secret
        if self._is_refused or not username:
            raise ManagerRefusedError(None)
        challenged = await self._act("Challenge", {"AuthType": "MD5"})
        challenge = challenged.reply.fields.get("Challenge")
        if not challenge or not challenged.cookie:
            raise PbxReplyError("the manager gave no challenge")
        key = md5((challenge + secret).encode(), usedforsecurity=False).hexdigest()
        fields = {"AuthType": "MD5", "Username": username, "Key": key, "Events": "off"}
        await self._act("Login", fields, challenged.cookie)
        return challenged.cookie

    async def _act(self, action: str, fields: Fields, cookie: str = "") -> ManagerResponse:
        response = await self._web.act(action, fields, cookie=cookie, max_bytes=MAX_SHORT_BYTES)
        if not response.reply.is_error:
            return response
        if response.reply.message == _IN_USE:
            raise LoginInUseError
        if response.reply.message == _REFUSED:
            self._is_refused = True
            raise ManagerRefusedError(None)
        raise PbxRejectedError(None)
