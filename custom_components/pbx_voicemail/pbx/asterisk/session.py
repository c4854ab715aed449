"""A session with an Asterisk's manager: begun when it is needed, and anew when it is gone."""

import asyncio
from contextlib import suppress
import re
from time import monotonic
from typing import Final

import aiohttp

from ..client import Connection
from ..errors import PbxConnectionError, PbxError, PbxNotReadyError, PbxRejectedError
from ..http import MAX_REPLY_BYTES, SIGN_OUT_TIMEOUT, TIMEOUT, HttpResponse
from .errors import (
    AsteriskSetupError,
    AsteriskTooOldError,
    LoginInUseError,
    ManagerNotOnWebError,
    VoicemailNotLoadedError,
)
from .login import Login
from .web_server import MAX_SHORT_BYTES, Fields, ManagerResponse, WebServer

_START_SECONDS: Final = 120
"""How long an Asterisk that has worked may be starting before it counts as set up wrongly."""

_START_RETRY: Final = 3
"""When it makes sense to try again meanwhile, in seconds."""

_FIRST_VERSIONS: Final = {18: (18, 20), 20: (20, 5)}
"""The first of these branches to list single messages, as everything from 21 on does."""

_BRANCH: Final = re.compile(r"(\d{1,3})\.(\d{1,3})")


class Session:
    """One session, shared by all that is asked of an Asterisk.

    Asterisk forgets it after a minute without a request, and when it restarts. It does
    different actions in one session at the same time, so nothing waits for `WaitEvent`.
    """

    def __init__(self, connection: Connection, web: WebServer) -> None:
        """Take the user of the connection. Nothing is sent yet."""
        self.logins = 0
        """How many sessions there have been. Another number means another session."""
        self._web = web
        self._login = Login(web, connection.credentials)
        self._cookie: str | None = None
        self._signing_in = asyncio.Lock()
        self._has_worked = connection.has_worked
        self._unready_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session, as far as is known."""
        return self._cookie is not None

    async def ask(
        self,
        action: str,
        fields: Fields | None = None,
        *,
        missing: type[AsteriskSetupError],
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> ManagerResponse:
        """Return the reply to an action, after a login if the session is gone.

        Raises `missing` if the right to the action is: Asterisk says the same of that and of a
        session that is gone, so a login tells them apart. Also finds rights that were added.
        """
        response, is_new = await self.try_once(action, fields, max_bytes=max_bytes)
        if response.reply.is_denied and not is_new:
            response, _ = await self.try_once(action, fields, max_bytes=max_bytes)
        if response.reply.is_denied and self._has_worked:
            # Asterisk may have been restarted right after the login.
            response, _ = await self.try_once(action, fields, max_bytes=max_bytes)
        if response.reply.is_denied:
            raise missing
        if response.reply.is_unknown:
            raise self._unknown_action()
        if response.reply.is_error:
            raise PbxRejectedError(None)
        self._has_worked, self._unready_since = True, None
        return response

    async def try_once(
        self,
        action: str,
        fields: Fields | None = None,
        *,
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout = TIMEOUT,  # noqa: ASYNC109
    ) -> tuple[ManagerResponse, bool]:
        """Return the reply to an action, whatever it says, and whether the session is new.

        If it was denied, the next action is preceded by a login.
        """
        try:
            cookie, is_new = await self._sign_in()
            response = await self._web.act(
                action, fields, cookie=cookie, max_bytes=max_bytes, timeout=timeout
            )
        except (ManagerNotOnWebError, LoginInUseError) as err:
            raise self._judge(err) from None
        except PbxConnectionError:
            # Whatever was not ready before, starts anew.
            self._unready_since = None
            raise
        if response.reply.is_denied:
            await self._end(cookie)
        return response, is_new

    async def download(self, path: str, max_bytes: int) -> HttpResponse:
        """Return the response to a request for a private file, whatever its status.

        One with status 403 is tried again after a login.
        """
        cookie, is_new = await self._sign_in()
        while True:
            response = await self._web.get(path, cookie=cookie, max_bytes=max_bytes)
            if response.status != 403 or is_new or not path:
                return response
            await self._end(cookie)
            cookie, is_new = await self._sign_in()

    async def act_if_open(self, action: str, fields: Fields | None = None) -> None:
        """Send an action if there is a session, and do not wait long for it. Raises no PbxError."""
        if self._cookie:
            with suppress(PbxError):
                await self._web.act(
                    action,
                    fields,
                    cookie=self._cookie,
                    max_bytes=MAX_SHORT_BYTES,
                    timeout=SIGN_OUT_TIMEOUT,
                )

    async def sign_out(self) -> None:
        """End the session, if there is one. Failing to does no harm: it ends by itself."""
        if self._cookie:
            await self._end(self._cookie)

    async def _sign_in(self) -> tuple[str, bool]:
        """Return the cookie of the session, and whether it was begun for this call."""
        async with self._signing_in:
            if self._cookie:
                return self._cookie, False
            self._cookie = await self._login.sign_in()
            self.logins += 1
            return self._cookie, True

    async def _end(self, cookie: str) -> None:
        """End a session that may be gone. Where only one is allowed, the next needs it gone."""
        if self._cookie == cookie:
            self._cookie = None
        with suppress(PbxError):
            await self._web.act(
                "Logoff", cookie=cookie, max_bytes=MAX_SHORT_BYTES, timeout=SIGN_OUT_TIMEOUT
            )

    def _unknown_action(self) -> PbxError:
        """Return why an action is unknown that belongs to app_voicemail."""
        if match := _BRANCH.match(self._web.version or ""):
            version = (int(match[1]), int(match[2]))
            if version < _FIRST_VERSIONS.get(version[0], (20, 0)):
                return AsteriskTooOldError()
        return self._judge(VoicemailNotLoadedError())

    def _judge(self, error: AsteriskSetupError) -> PbxError:
        """Return the error, or that the Asterisk is not ready, if it may pass by itself.

        Starting, its web server answers before the manager does, and that before modules are
        loaded. A session that was not ended counts as signed in for a minute.
        """
        self._unready_since = self._unready_since or monotonic()
        if self._has_worked and monotonic() - self._unready_since < _START_SECONDS:
            return PbxNotReadyError(None, _START_RETRY)
        return error
