"""Requests to an Asterisk's own web server, without a thought for sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Final
from urllib.parse import urlencode

import aiohttp

from ..client import Connection
from ..errors import PbxConnectionError, PbxReplyError
from ..http import DOWNLOAD_TIMEOUT, MAX_REPLY_BYTES, TIMEOUT, HttpClient, HttpResponse
from .ami import Reply
from .errors import ManagerNotOnWebError

MAX_SHORT_BYTES: Final = 64 * 1024
"""Replies to logins and the like are a few lines."""

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_COOKIE: Final = re.compile(r'mansession_id="?([0-9a-f]{1,8})"?(?:;|\Z)')
_VERSION: Final = re.compile(r"Asterisk/(?:certified[/-])?([0-9A-Za-z][0-9A-Za-z.-]{0,40})")
_MAX_HEADER: Final = 256
_SHUTTING_DOWN: Final = "Asterisk is shutting down"

type Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ManagerResponse:
    """A reply of the manager's, how long it is, and the cookie that came with it, "" for none."""

    reply: Reply
    size: int
    cookie: str


class WebServer:
    """The web server of one Asterisk. A `prefix` of its paths is part of the address."""

    def __init__(self, connection: Connection) -> None:
        """Take how to reach it."""
        self.version: str | None = None
        """The version of Asterisk, None until it has said it, or if it hides it."""
        self._http = HttpClient(
            connection.session,
            connection.address,
            connection.fingerprint,
            old_tls=connection.old_tls,
        )

    async def act(
        self,
        action: str,
        fields: Fields | None = None,
        *,
        cookie: str = "",
        max_bytes: int = MAX_REPLY_BYTES,
        timeout: aiohttp.ClientTimeout = TIMEOUT,  # noqa: ASYNC109
    ) -> ManagerResponse:
        """Return what the manager replies to an action.

        The fields are in the body, so that no log of URLs has them. Raises PbxError if there
        is no reply, or if it is not the manager's.
        """
        response = await self._http.request(
            "POST",
            "rawman",
            data=urlencode({"action": action, **(fields or {})}).encode(),
            headers={**_FORM, **_cookie_header(cookie)},
            max_bytes=max_bytes,
            timeout=timeout,
        )
        is_asterisk = self._read_server(response)
        if response.status in (403, 404) and is_asterisk:
            raise ManagerNotOnWebError
        if response.status == 503 and is_asterisk:
            raise PbxConnectionError("the PBX is shutting down")
        if response.status != 200:
            raise PbxReplyError(f"the answer is HTTP {response.status}")
        reply = Reply.parse(response.body)
        if reply.is_error and reply.message == _SHUTTING_DOWN:
            raise PbxConnectionError("the PBX is shutting down")
        return ManagerResponse(reply, len(response.body), _read_cookie(response))

    async def get(self, path: str, *, cookie: str, max_bytes: int) -> HttpResponse:
        """Return the response to a request for a file below `static`, whatever its status."""
        return await self._http.request(
            "GET",
            f"static/{path}",
            headers=_cookie_header(cookie),
            max_bytes=max_bytes,
            timeout=DOWNLOAD_TIMEOUT,
        )

    def _read_server(self, response: HttpResponse) -> bool:
        """Note the version, and return whether the server calls itself an Asterisk."""
        server = response.headers.get("Server", "")[:_MAX_HEADER]
        if match := _VERSION.match(server):
            # Debian appends what it changed: 22.10.1+dfsg.
            self.version = match[1]
        return server.startswith("Asterisk")


def _cookie_header(cookie: str) -> Mapping[str, str]:
    return {"Cookie": f"mansession_id={cookie}"} if cookie else {}


def _read_cookie(response: HttpResponse) -> str:
    for header in response.headers.getall("Set-Cookie", ()):
        if match := _COOKIE.match(header[:_MAX_HEADER]):
            return match[1]
    return ""
