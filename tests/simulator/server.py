"""The HTTP API of an OpenVox UC or Yeastar S-Series PBX, as strict as its documentation.

The sources are the OpenVox UC API (v0.0.1) and Yeastar's S-Series API v1.1.0, whose errnos are
used where OpenVox's documentation has none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from hashlib import md5
import json
from pathlib import Path
import re
import secrets
from typing import override

from aiohttp import web

from ..loopback import LoopbackServer
from .spool import INBOX, Spool, SpooledMessage

_TOKEN_LIFE = timedelta(minutes=30)
_LOCK = timedelta(minutes=10)
_MAX_FAILED_LOGINS = 5
_RANDOM_LIFE = timedelta(seconds=30)
OPENVOX = "v0.0.1"
YEASTAR = "v1.1.0"

USERNAME = "api"
PASSWORD = "secret"

_FIRMWARE = "4.1.1"
_EARLIEST = datetime.min.replace(tzinfo=UTC)

_NUMBER = re.compile(r"<([^<>]*)>$")

type Reply = Mapping[str, object]
type Interceptor = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class _Failed(Exception):
    """Makes the reply `Failed`, with an errno."""


@dataclass(slots=True)
class _FailedLogins:
    count: int = 0
    locked_until: datetime = _EARLIEST


@dataclass(frozen=True, slots=True)
class _Ticket:
    """The download that a random string allows."""

    address: str
    selector: tuple[str, str, str]
    expires: datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Quirks:
    """How a PBX differs from its documentation.

    `closes_silently` is whether it closes connections without announcing it, and
    `accepts_any_version` whether it ignores the version in the path. `replacements` are texts in
    replies, and the bytes that are sent instead. `refusal` is the reply to everything while the
    PBX starts: an errno, an empty text for none, or an HTTP status. `recording` changes audio
    before it is sent, and `sends_length` is whether the response has a Content-Length.
    """

    closes_silently: bool = False
    accepts_any_version: bool = False
    replacements: Mapping[str, bytes] = field(default_factory=dict)
    refusal: str | int | None = None
    recording: Callable[[bytes], bytes] | None = None
    sends_length: bool = True


class Simulator(LoopbackServer):
    """A PBX on the loopback interface.

    `extensions` are numbers and names; every mailbox of the spool is an extension as well.
    `token` is one that is valid from the start, and messages are listed from `folders`. With
    `names`, callers have names, as in Asterisk, else only numbers, as documented. `version` is
    that of the API, and `other_version_reply` is the reply to any other: `html` or an errno.

    A test can set `intercept` to reply instead of the PBX. It finds the paths of all requests in
    `requests`, the tokens that came with them in `tokens`, and the number of logins in `logins`.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        extensions: Mapping[str, str] | None = None,
        token: str | None = None,
        username: str = USERNAME,
        password: str = PASSWORD,
        zone: tzinfo = UTC,
        model: str = "UC501",
        serial_number: str = "a09805021987",
        folders: Iterable[str] = (INBOX,),
        names: bool = False,
        version: str = OPENVOX,
        other_version_reply: str = "html",
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Configure the PBX."""
        self.spool = spool
        self.extensions = dict(extensions or {})
        self.username = username
        self.password = password
        self.zone = zone
        self.model = model
        self.serial_number = serial_number
        self.firmware = _FIRMWARE
        self.names = names
        self.version = version
        self.other_version_reply = other_version_reply
        self.clock = clock
        self.intercept: Interceptor | None = None
        self.quirks = Quirks()
        self.clock_error = timedelta()
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.logins = 0
        self._folders = tuple(folders)
        self._tokens = {token: clock()} if token else {}
        self._failed_logins: dict[str, _FailedLogins] = {}
        self._tickets: dict[str, _Ticket] = {}

    @override
    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._middleware])
        app.on_response_prepare.append(self._prepare)
        api = "/api/{version}"
        app.router.add_routes(
            [
                web.route("*", f"{api}/login", _answer(self._login)),
                web.route("*", f"{api}/logout", _answer(self._logout)),
                web.route("*", f"{api}/heartbeat", _answer(self._heartbeat)),
                web.route("*", f"{api}/deviceinfo/query", _answer(self._device_info)),
                web.route("*", f"{api}/extensionlist/query", _answer(self._extension_list)),
                web.route("*", f"{api}/voicemail/query", _answer(self._query)),
                web.route("*", f"{api}/voicemail/get_random", _answer(self._get_random)),
                web.route("*", f"{api}/voicemail/delete", _answer(self._delete)),
                web.get(f"{api}/voicemail/download", _answer(self._download)),
            ]
        )
        return app

    def revoke_tokens(self) -> None:
        """Make all tokens invalid, as a reboot does."""
        self._tokens.clear()

    def issue_token(self, token: str) -> None:
        """Make a token valid, as if a login had created it."""
        self._tokens[token] = self.clock()

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(request.path)
        self.logins += request.path.endswith("/login")
        if token := request.query.get("token"):
            self.tokens.append(token)
        if self.intercept and (response := await self.intercept(request)):
            return response
        if self.quirks.refusal is not None:
            return refuse(self.quirks.refusal)
        if (
            request.match_info.get("version") != self.version
            and not self.quirks.accepts_any_version
        ):
            if self.other_version_reply == "html":
                return web.Response(text="<html>Not found</html>", content_type="text/html")
            return web.json_response({"status": "Failed", "errno": self.other_version_reply})
        return await handler(request)

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        if self.quirks.closes_silently:
            response.headers.pop("Connection", None)
        if self.quirks.replacements and isinstance(response, web.Response) and response.text:
            body = response.text.encode()
            for text, sent in self.quirks.replacements.items():
                body = body.replace(text.encode(), sent)
            response.body = body
            response.headers["Content-Length"] = str(len(body))

    async def _login(self, request: web.Request) -> Reply:
        parameters = await _body(request)
        failed_logins = self._failed_logins.setdefault(request.remote or "", _FailedLogins())
        if self.clock() < failed_logins.locked_until:
            raise _Failed("20002")
        _require(parameters, "username", "password", "port")
        expected = md5(self.password.encode(), usedforsecurity=False).hexdigest()
        if (parameters["username"], parameters["password"]) != (self.username, expected):
            failed_logins.count += 1
            if failed_logins.count >= _MAX_FAILED_LOGINS:
                failed_logins.count = 0
                failed_logins.locked_until = self.clock() + _LOCK
            raise _Failed("20003" if self.version == YEASTAR else "30003")
        failed_logins.count = 0
        token = secrets.token_hex(16)
        self.issue_token(token)
        return {"token": token}

    async def _logout(self, request: web.Request) -> Reply:
        await self._authenticate(request)
        del self._tokens[request.query["token"]]
        return {}

    async def _heartbeat(self, request: web.Request) -> Reply:
        _require(await self._authenticate(request), "ipaddr", "port")
        return {}

    async def _device_info(self, request: web.Request) -> Reply:
        await self._authenticate(request)
        return {
            "deviceinfo": {
                "devicename": self.model,
                "sn": self.serial_number,
                "hardwarever": "3.1",
                "firmwarever": self.firmware,
                "systemtime": self._system_time(),
                "uptime": "2020-Mar-23-08:33:22",
                "extensionstatus": f"{len(await self._numbers())}/300",
            }
        }

    def _system_time(self) -> str:
        now = (self.clock() + self.clock_error).astimezone(self.zone)
        shown = f"{now:%Y-%m-%d %H:%M:%S}"
        if self.version == OPENVOX:
            return shown
        minutes = round((now.utcoffset() or timedelta()) / timedelta(minutes=1))
        hours, rest = divmod(abs(minutes), 60)
        return f"{shown} UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest}" if rest else "")

    async def _extension_list(self, request: web.Request) -> Reply:
        await self._authenticate(request)
        return {
            "extlist": [
                {
                    "extnumber": number,
                    "status": "Registered",
                    "type": "pjsip",
                    "username": self.extensions.get(number, number),
                    "agentid": "",
                }
                for number in await self._numbers()
            ]
        }

    async def _query(self, request: web.Request) -> Reply:
        parameters = await self._authenticate(request)
        numbers = await self._numbers()
        if "extid" in parameters:
            chosen = parameters["extid"].split(",")
            if not set(chosen) <= set(numbers):
                raise _Failed("10006")
            numbers = chosen
        voicemails = await asyncio.to_thread(self._mailboxes, numbers)
        return {"voicemails": voicemails} if voicemails else {}

    async def _get_random(self, request: web.Request) -> Reply:
        parameters = await self._authenticate(request)
        path = await self._recording_of(parameters)
        random = secrets.token_hex(16)
        self._tickets[random] = _Ticket(
            address=parameters.get("allowedip") or request.remote or "",
            selector=_selector(parameters),
            expires=self.clock() + _RANDOM_LIFE,
        )
        return {"extid": parameters["extid"], "voicemailfile": path.name, "random": random}

    async def _download(self, request: web.Request) -> web.StreamResponse:
        self._check_token(request)
        _require(request.query, "extid", "voicemailfile", "random")
        ticket = self._tickets.pop(request.query["random"], None)
        if (
            ticket is None
            or self.clock() > ticket.expires
            or (request.remote, _selector(request.query)) != (ticket.address, ticket.selector)
        ):
            raise _Failed("20017")
        path = await self._recording_of(request.query)
        if (change := self.quirks.recording) is None:
            return web.FileResponse(path, headers={"Content-Type": "audio/x-wav"})
        body = change(await asyncio.to_thread(path.read_bytes))
        if self.quirks.sends_length:
            return web.Response(body=body, content_type="audio/x-wav")
        assert request.transport is not None
        request.transport.write(b"HTTP/1.0 200 OK\r\nContent-Type: audio/x-wav\r\n\r\n" + body)
        request.transport.close()
        return web.Response()

    async def _delete(self, request: web.Request) -> Reply:
        parameters = await self._authenticate(request)
        if parameters.get("voicemailfile") == "all":
            for message in await asyncio.to_thread(self._messages, parameters.get("extid", "")):
                await asyncio.to_thread(
                    self.spool.delete, parameters["extid"], "msg0000", message.folder
                )
            return {}
        path = await self._recording_of(parameters)
        await asyncio.to_thread(self.spool.delete, parameters["extid"], path.stem, path.parent.name)
        return {}

    async def _authenticate(self, request: web.Request) -> dict[str, str]:
        parameters = await _body(request)
        self._check_token(request)
        return parameters

    def _check_token(self, request: web.Request) -> None:
        token = request.query.get("token")
        if not token:
            raise _Failed("20005")
        if token not in self._tokens:
            raise _Failed("20004")
        if self.clock() - self._tokens[token] > _TOKEN_LIFE:
            raise _Failed("20006")
        self._tokens[token] = self.clock()

    async def _numbers(self) -> list[str]:
        return sorted({*self.extensions, *await asyncio.to_thread(self.spool.mailboxes)})

    async def _recording_of(self, parameters: Mapping[str, str]) -> Path:
        """Return the current file of a message. On Yeastar, its status is needed as well."""
        _require(parameters, "extid", "voicemailfile")
        extension, name, status = _selector(parameters)
        if self.version == YEASTAR and status not in ("read", "unread"):
            raise _Failed("20016")
        if extension not in await self._numbers():
            raise _Failed("10006")
        folders = [
            folder
            for folder in self._folders
            if self.version == OPENVOX or (folder == INBOX) == (status == "unread")
        ]
        for folder in folders:
            path = await asyncio.to_thread(
                self.spool.recording, extension, name.removesuffix(".wav"), folder
            )
            if path:
                return path
        raise _Failed("20018")

    def _messages(self, extension: str) -> list[SpooledMessage]:
        return [
            message
            for folder in self._folders
            for message in self.spool.messages(extension, folder)
        ]

    def _mailboxes(self, extensions: Iterable[str]) -> list[Reply]:
        return [
            {"extid": extension, "voicemail": [self._entry(m) for m in messages]}
            for extension in extensions
            if (messages := self._messages(extension))
        ]

    def _entry(self, message: SpooledMessage) -> Reply:
        number = _NUMBER.search(message.caller)
        read = "unread" if message.folder == INBOX else "read"
        return ({"voicemailstatus": read} if self.version == YEASTAR else {}) | {
            "voicemailfile": f"{message.name}.wav",
            "messagefrom": message.caller if self.names or not number else number[1],
            "voicemaildate": f"{message.received.astimezone(self.zone):%Y-%m-%d %H:%M:%S}",
            "voicemaillength": str(message.duration),
        }


def refuse(refusal: str | int) -> web.Response:
    """Return a refusal: with an errno, without one if it is empty, or with an HTTP status."""
    if isinstance(refusal, int):
        return web.Response(status=refusal)
    return web.json_response({"status": "Failed"} | ({"errno": refusal} if refusal else {}))


def _answer(
    handler: Callable[[web.Request], Awaitable[Reply | web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Wrap a handler, so that its result or error becomes a reply with HTTP status 200."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            reply = await handler(request)
        except _Failed as failed:
            reply = {"status": "Failed", "errno": str(failed)}
        else:
            if isinstance(reply, web.StreamResponse):
                return reply
            reply = {"status": "Success", **reply}
        return web.json_response(
            reply,
            dumps=partial(json.dumps, ensure_ascii=False),
            headers={"Server": "Boa/0.94", "Access-control-allow-origin": "*"},
        )

    return answer


async def _body(request: web.Request) -> dict[str, str]:
    """Return the parameters of a POST request: a JSON object, or nothing."""
    if request.method != "POST":
        raise _Failed("20001")
    text = await request.text()
    if not text:
        return {}
    try:
        parameters = json.loads(text)
    except ValueError:
        raise _Failed("20000") from None
    if not isinstance(parameters, dict):
        raise _Failed("20000")
    return {key: str(value) for key, value in parameters.items()}


def _selector(parameters: Mapping[str, str]) -> tuple[str, str, str]:
    return parameters["extid"], parameters["voicemailfile"], parameters.get("voicemailstatus", "")


def _require(parameters: Mapping[str, str], *names: str) -> None:
    if not all(parameters.get(name) for name in names):
        raise _Failed("10004")
