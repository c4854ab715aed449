"""The API of a Yeastar P-Series, as strict as its documentation.

Where that is silent, `Readings` chooses between the answers that are possible.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
import json
import re
import secrets
from typing import override

from aiohttp import WSMsgType, web

from ..loopback import LoopbackServer
from .server import Interceptor
from .spool import INBOX, OLD, Spool, SpooledMessage

CLIENT_ID = "FzrNeQ1wPuR8sJbVkLt6ydXc3GmHhA5o"
CLIENT_SECRET = "q7WnYx2sEcK9vTgBzRm4uJdLfPh8aNo1"

_ACCESS_LIFE = timedelta(seconds=1800)
_REFRESH_LIFE = timedelta(seconds=86400)
_LINK_LIFE = timedelta(minutes=30)
_MAX_TOKENS = 8
_MAX_FAILURES = 5
_CALL_ENDED = 30012
_NUMBER = re.compile(r'^(?:"(?P<name>.*)" )?<?(?P<number>[^<>]*)>?$')

type Reply = dict[str, object]


@dataclass(slots=True)
class Readings:
    """What the documentation leaves open. The defaults are what it makes likely."""

    refresh_kills: bool = True
    """Whether a refresh ends the access token before it, and frees its place."""
    del_kills_refresh: bool = True
    """Whether giving an access token back ends its refresh token as well."""
    token_failures_count: bool = False
    """Whether requests with a wrong token, or none, count as failed attempts."""
    blocks_with: str = "errcode"
    """How a blocked address is answered: `errcode`, or `403`, the HTTP status."""
    limit_errcode: int = 60002
    bad_login_errcode: int = -1
    unknown_path: str = "10001"
    """What is answered to paths that do not exist: `10001`, `404` or `html`."""
    page_size: int = 20
    """How large pages are by default."""
    max_page_size: int = 10_000
    refuses_large_pages: bool = False
    """Whether a larger page is refused, instead of made smaller."""
    pages_count: str = "messages of each"
    """What pages count: `messages of each` mailbox, `messages` of all, or `mailboxes`."""
    page_too_many: str = "empty"
    """What is answered to a page after the last: `empty`, `refused` or `last`."""
    newest_first: bool = True
    repeats: bool = False
    """Whether a message may be on two pages."""
    empty_mailbox: str = "[]"
    """How a mailbox without messages is listed: `[]`, `null`, `absent` data, or `left out`."""
    unknown_number: str = "refused"
    """What is answered to a number without mailbox: `refused`, `failed`, `ignored`, or for the
    others alone, `partial` or `partial unnamed`: without saying which number it is."""
    status_type: type = int
    """The only type in which `vm_status` is accepted."""
    time_format: str = "%d/%m/%Y %I:%M:%S %p"
    download_marks: bool = False
    """Whether playing a message marks it as read."""
    link_needs_its_token: bool = False
    """Whether a link works with the token only that it was asked for with."""
    stale_link: str = "json"
    """How a link that has expired is answered: `json` or `html`, both with status 200."""
    delete_of_nothing: int = 60001
    event_as_text: bool = True
    """Whether what an event says is text instead of an object."""
    event_before_message: float = 0
    """By how many seconds an event may be early."""
    socket_ends_with_token: bool = True
    has_timestamp: bool = True
    has_voicemail: bool = True
    """Whether the firmware is new enough for `vm/…`."""
    has_groups: bool = True
    has_api: bool = True


class _Refused(Exception):
    """Makes the reply one with an errcode, and perhaps a list of invalid parameters."""

    def __init__(self, errcode: int, errmsg: str = "FAILURE", *values: str) -> None:
        super().__init__(errmsg)
        self.reply: Reply = {"errcode": errcode, "errmsg": errmsg}
        if values:
            self.reply["invalid_param_list"] = [
                {"value": value, "validation_type": "not_exist"} for value in values
            ]


@dataclass(slots=True, eq=False)
class _Token:
    access: str
    refresh: str
    issued: datetime
    is_alive: bool = True
    refreshes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group with a mailbox, or with a list of members who get copies."""

    number: str
    name: str
    mode: str = "share"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class PSeriesSimulator(LoopbackServer):
    """A P-Series on the loopback interface.

    `extensions` are numbers and names; those in `without_mailbox` have none. A test can set
    `intercept` to reply instead of the PBX, finds all requests in `requests`, and the largest
    number of tokens that were alive at a time in `most_tokens`.
    """

    spool: Spool
    extensions: dict[str, str] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    without_mailbox: set[str] = field(default_factory=set)
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    model: str = "P-Series Software Edition"
    serial_number: str = "3631A2124365"
    firmware: str = "83.20.0.21"
    clock: Callable[[], datetime] = _now
    readings: Readings = field(default_factory=Readings)
    allowed: bool = True
    max_tokens: int = _MAX_TOKENS
    intercept: Interceptor | None = None
    requests: list[str] = field(default_factory=list)
    queries: list[Mapping[str, str]] = field(default_factory=list)
    logins: int = 0
    most_tokens: int = 0
    refused_tokens: int = 0
    copies: int = 0
    loses_links: bool = False
    is_mute: bool = False
    change_rows: Callable[[list[Reply]], list[Reply]] | None = None
    heartbeats: int = 0

    def __post_init__(self) -> None:
        """Start with no tokens."""
        self.blocked: set[str] = set()
        self.failures: dict[str, int] = {}
        self._tokens: list[_Token] = []
        self._links: dict[str, tuple[str, str, datetime]] = {}
        self._sockets: dict[web.WebSocketResponse, _Token] = {}
        self._lock = asyncio.Lock()

    @property
    def tokens_alive(self) -> int:
        """How many access tokens are valid now."""
        return sum(self._is_alive(token) for token in self._tokens)

    @property
    def listeners(self) -> int:
        """How many WebSockets are open."""
        return len(self._sockets)

    @override
    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._middleware])
        routes = [
            web.post("/openapi/v1.0/get_token", self._answer(self._get_token)),
            web.post("/openapi/v1.0/refresh_token", self._answer(self._refresh_token)),
            web.get("/openapi/v1.0/del_token", self._answer(self._del_token)),
            web.get("/openapi/v1.0/system/information", self._answer(self._information)),
            web.get("/openapi/v1.0/extension/list", self._answer(self._extension_list)),
            web.get("/openapi/v1.0/subscribe", self._subscribe),
            web.get("/api/download/{file}", self._file),
        ]
        if self.readings.has_groups:
            path = "/openapi/v1.0/vm_group/list"
            routes.append(web.get(path, self._answer(self._group_list)))
        if self.readings.has_voicemail:
            routes += [
                web.get("/openapi/v1.0/vm/query", self._answer(self._query)),
                web.get("/openapi/v1.0/vm/download", self._answer(self._download)),
                web.get("/openapi/v1.0/vm/delete", self._answer(self._delete)),
                web.post("/openapi/v1.0/vm/update", self._answer(self._update)),
            ]
        app.router.add_routes(routes if self.readings.has_api else [])
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    @override
    async def stop(self) -> None:
        await self.drop_sockets()
        await super().stop()

    def revoke_tokens(self) -> None:
        """Make all tokens invalid, as a reboot does."""
        self._tokens.clear()

    async def drop_sockets(self) -> None:
        """Close all WebSockets."""
        for socket in list(self._sockets):
            await socket.close()

    async def report_call(self, called: str, caller: str = "", status: str = "VOICEMAIL") -> None:
        """Tell whoever listens that a call has ended."""
        call = {
            "call_id": f"{self.clock().timestamp():.0f}.14",
            "time_start": f"{self.clock():%Y-%m-%d %H:%M:%S}",
            "call_from": caller,
            "call_to": called,
            "call_duration": 12,
            "talk_duration": 0,
            "status": status,
            "type": "Internal",
        }
        say = json.dumps(call) if self.readings.event_as_text else call
        event = json.dumps({"type": _CALL_ENDED, "sn": self.serial_number, "msg": say})
        for socket, token in list(self._sockets.items()):
            if self.readings.socket_ends_with_token and not self._is_alive(token):
                await socket.close()
            elif not socket.closed:
                await socket.send_str(event)

    async def send(self, text: str) -> None:
        """Send a text to whoever listens."""
        for socket in list(self._sockets):
            await socket.send_str(text)

    # What every request has to have.

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(request.path)
        if self.intercept and (response := await self.intercept(request)):
            return response
        if not request.headers.get("User-Agent"):
            return web.Response(status=400)
        if request.path.startswith("/openapi") and request.remote in self.blocked:
            if self.readings.blocks_with == "403":
                return web.Response(status=403)
            return web.json_response({"errcode": 70004, "errmsg": "IP BLOCKED"})
        response = await handler(request)
        if isinstance(response, web.Response):
            response.force_close()
        return response

    def _answer(
        self, handler: Callable[[web.Request], Awaitable[Reply]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                reply = {"errcode": 0, "errmsg": "SUCCESS", **await handler(request)}
            except _Refused as refused:
                reply = refused.reply
            dumps = partial(json.dumps, ensure_ascii=False)
            return web.json_response(reply, dumps=dumps)

        return answer

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        if not request.path.startswith("/openapi/") or self.readings.unknown_path == "html":
            return web.Response(text="<html>P-Series</html>", content_type="text/html")
        if self.readings.unknown_path == "404":
            return web.Response(status=404)
        return web.json_response({"errcode": 10001, "errmsg": "INTERFACE NOT EXISTED"})

    # Signing in.

    def _is_alive(self, token: _Token) -> bool:
        return token.is_alive and self.clock() < token.issued + _ACCESS_LIFE

    def _fail(self, request: web.Request) -> None:
        remote = request.remote or ""
        self.failures[remote] = self.failures.get(remote, 0) + 1
        if self.failures[remote] >= _MAX_FAILURES:
            self.blocked.add(remote)

    def _issue(self, request: web.Request) -> Reply:
        self.failures.pop(request.remote or "", None)
        if self.tokens_alive >= self.max_tokens:
            raise _Refused(self.readings.limit_errcode, "MAX LIMITATION EXCEEDED")
        token = _Token(secrets.token_hex(16), secrets.token_hex(16), self.clock())
        self._tokens.append(token)
        self.most_tokens = max(self.most_tokens, self.tokens_alive)
        return {
            "access_token_expire_time": int(_ACCESS_LIFE.total_seconds()),
            "access_token": token.access,
            "refresh_token_expire_time": int(_REFRESH_LIFE.total_seconds()),
            "refresh_token": token.refresh,
        }

    async def _get_token(self, request: web.Request) -> Reply:
        body = await _body(request)
        self.logins += 1
        if not self.allowed:
            raise _Refused(10005, "ACCESS DENIED")
        if (body.get("username"), body.get("password")) != (self.client_id, self.client_secret):
            self._fail(request)
            raise _Refused(self.readings.bad_login_errcode, "FAILURE", "password")
        return self._issue(request)

    async def _refresh_token(self, request: web.Request) -> Reply:
        body = await _body(request)
        for token in self._tokens:
            is_fresh = token.refreshes and self.clock() < token.issued + _REFRESH_LIFE
            if token.refresh == body.get("refresh_token") and is_fresh:
                token.refreshes = False
                if self.readings.refresh_kills:
                    token.is_alive = False
                return self._issue(request)
        self._fail(request)
        raise _Refused(10004, "REFRESH TOKEN EXPIRED")

    async def _del_token(self, request: web.Request) -> Reply:
        token = self._check_token(request)
        token.is_alive = False
        if self.readings.del_kills_refresh:
            token.refreshes = False
        return {}

    def _check_token(self, request: web.Request) -> _Token:
        for token in self._tokens:
            if token.access == request.query.get("access_token") and self._is_alive(token):
                self.failures.pop(request.remote or "", None)
                return token
        self.refused_tokens += 1
        if self.readings.token_failures_count:
            self._fail(request)
        raise _Refused(10004, "TOKEN EXPIRED")

    # Lists.

    async def _information(self, request: web.Request) -> Reply:
        self._check_token(request)
        data: Reply = {
            "device_name": "PBX",
            "model_name": self.model,
            "sn": self.serial_number,
            "firmware_version": self.firmware,
            "system_time": f"{self.clock() + timedelta(hours=8):%Y/%m/%d %H:%M:%S}",
            "up_time": 5000,
        }
        if self.readings.has_timestamp:
            data |= {
                "system_date_format": "YYYY/MM/DD",
                "system_time_format": "hh:mm:ss",
                "timestamp": int(self.clock().timestamp()),
            }
        return {"data": data}

    async def _extension_list(self, request: web.Request) -> Reply:
        self._check_token(request)
        rows: list[Reply] = [
            {
                "id": number,
                "number": extension,
                "caller_id_name": name,
                "role_name": "Employee",
                "email_addr": f"{extension}@example.com",
                "mobile_number": "15550100",
                "presence_status": "available",
            }
            for number, (extension, name) in enumerate(sorted(self.extensions.items()), 1)
        ]
        return {"total_number": len(rows), "data": self._page_of(rows, request)}

    async def _group_list(self, request: web.Request) -> Reply:
        self._check_token(request)
        rows: list[Reply] = [
            {
                "id": number,
                "number": group.number,
                "name": group.name,
                "type": "custom",
                "mode": group.mode,
                "member_list": [],
                "messages": {"total": 0, "unread": 0},
            }
            for number, group in enumerate(self.groups, 1)
        ]
        return {"total_number": len(rows), "vm_group_list": self._page_of(rows, request)}

    def _page_of(self, rows: Sequence[Reply], request: web.Request) -> Sequence[Reply]:
        size = self._page_size(request)
        begin = (int(request.query.get("page", 1)) - 1) * size
        return rows[begin : begin + size]

    @property
    def _mailboxes(self) -> set[str]:
        shared = {group.number for group in self.groups if group.mode == "share"}
        return (self.extensions.keys() | shared) - self.without_mailbox

    async def _query(self, request: web.Request) -> Reply:
        self._check_token(request)
        self.queries.append(dict(request.query))
        if not (asked := request.query.get("number", "")):
            raise _Refused(40001, "PARAMETER MISSING", "number")
        numbers = asked.split(",")
        missing = [number for number in numbers if number not in self._mailboxes]
        how = self.readings.unknown_number
        is_alone = how == "partial" and len(numbers) == 1
        if missing and (how in ("refused", "failed") or is_alone):
            raise _Refused(-1) if how == "failed" else _Refused(40002, "INVALID", *missing)
        present = [number for number in numbers if number not in missing]
        messages = await asyncio.to_thread(self._messages_of, present)
        rows = self._page(request, messages)
        reply: Reply = {"voicemail_list": self.change_rows(rows) if self.change_rows else rows}
        if missing and how != "ignored":
            named = missing if how == "partial" else ()
            reply |= _Refused(1, "PARTIAL SUCCESS", *named).reply
        return reply

    def _messages_of(self, numbers: Iterable[str]) -> dict[str, list[SpooledMessage]]:
        return {
            number: sorted(
                (m for folder in (INBOX, OLD) for m in self.spool.messages(number, folder)),
                key=lambda message: message.id,
                reverse=self.readings.newest_first,
            )
            for number in numbers
        }

    def _page(
        self, request: web.Request, messages: Mapping[str, Sequence[SpooledMessage]]
    ) -> list[Reply]:
        size = self._page_size(request)
        begin = (int(request.query.get("page", 1)) - 1) * size
        rows: dict[str, Sequence[SpooledMessage]] = dict(messages)
        match self.readings.pages_count:
            case "messages of each":
                longest = max((len(found) for found in messages.values()), default=0)
                begin = self._begin(begin, size, longest)
                rows = {n: self._cut(found, begin, size) for n, found in messages.items()}
            case "messages":
                flat = [(n, message) for n, found in messages.items() for message in found]
                cut = self._cut(flat, self._begin(begin, size, len(flat)), size)
                there = {number for number, _ in cut} | (set() if begin else messages.keys())
                rows = {n: [m for number, m in cut if number == n] for n in messages if n in there}
                rows = {n: found for n, found in rows.items() if found or not messages[n]}
            case _:
                begin = self._begin(begin, size, len(messages))
                rows = dict(list(messages.items())[begin : begin + size])
        return [
            self._mailbox_row(number, len(messages[number]), found)
            for number, found in rows.items()
            if messages[number] or self.readings.empty_mailbox != "left out"
        ]

    def _page_size(self, request: web.Request) -> int:
        size = int(request.query.get("page_size", self.readings.page_size))
        if size <= self.readings.max_page_size:
            return size
        if self.readings.refuses_large_pages:
            raise _Refused(40002, "INVALID", "page_size")
        return self.readings.max_page_size

    def _mailbox_row(self, number: str, total: int, found: Sequence[SpooledMessage]) -> Reply:
        row: Reply = {"number": number, "total_number": total}
        if found or self.readings.empty_mailbox == "[]":
            row["data"] = [self._row(number, message) for message in found]
        elif self.readings.empty_mailbox == "null":
            row["data"] = None
        return row

    def _begin(self, begin: int, size: int, count: int) -> int:
        if begin and begin >= count:
            if self.readings.page_too_many == "refused":
                raise _Refused(40002, "INVALID", "page")
            if self.readings.page_too_many == "last":
                return max(0, (count - 1) // size * size)
        return begin

    def _cut[RowT](self, rows: Sequence[RowT], begin: int, size: int) -> Sequence[RowT]:
        return rows[max(0, begin - (begin and self.readings.repeats)) : begin + size]

    def _row(self, number: str, message: SpooledMessage) -> Reply:
        match = _NUMBER.match(message.caller)
        caller = match["number"] if match else message.caller
        size = self.spool.size(number, message)
        group = any(group.number == number for group in self.groups)
        return {
            "msg_id": message.id,
            "file_name": f"{message.name}.wav",
            "is_read": int(message.folder == OLD),
            "duration": message.duration,
            "size": size,
            "group_voicemail_read_status": [] if group else None,
            "name": (match["name"] if match else "") or caller,
            "number": caller,
            "time": f"{message.received + timedelta(hours=8):{self.readings.time_format}}",
        }

    # Single messages.

    def find(self, message_id: str) -> tuple[str, SpooledMessage]:
        """Return the mailbox of a message, and the message."""
        for number in sorted(self._mailboxes):
            for folder in (INBOX, OLD):
                for message in self.spool.messages(number, folder):
                    if message.id == message_id:
                        return number, message
        raise _Refused(60001, "NOT FOUND", message_id)

    async def _download(self, request: web.Request) -> Reply:
        token = self._check_token(request)
        number, message = await asyncio.to_thread(self.find, request.query.get("msg_id", ""))
        self.copies += 1
        when = f"{self.clock():%Y%m%d%H%M%S}"
        name = f"PBX-Voicemail-{self.firmware}-download-{when}-{secrets.token_hex(3)}.wav"
        self._links[name] = message.id, token.access, self.clock() + _LINK_LIFE
        if self.readings.download_marks and message.folder == INBOX:
            await asyncio.to_thread(self.spool.move, number, message.name)
        return {"file": name, "download_resource_url": f"/api/download/{name}"}

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            token = self._check_token(request)
            message_id = self._linked(request.match_info["file"], token)
            number, message = await asyncio.to_thread(self.find, message_id)
        except _Refused:
            if self.readings.stale_link == "html":
                return web.Response(text="<html>Not found</html>", content_type="text/html")
            return web.json_response({"errcode": 60001, "errmsg": "NOT FOUND"})
        path = await asyncio.to_thread(self.spool.recording, number, message.name, message.folder)
        assert path
        return web.FileResponse(path, headers={"Content-Type": "audio/x-wav"})

    def _linked(self, name: str, token: _Token) -> str:
        """Return the id of the message that a link leads to."""
        message_id, access, expires = self._links.get(name, ("", "", self.clock()))
        is_of_token = access == token.access or not self.readings.link_needs_its_token
        is_of_token &= not self.loses_links
        if self.clock() >= expires or not is_of_token:
            raise _Refused(60001)
        return message_id

    async def _delete(self, request: web.Request) -> Reply:
        self._check_token(request)
        async with self._lock:
            try:
                number, message = await asyncio.to_thread(self.find, request.query.get("id", ""))
            except _Refused:
                if self.readings.delete_of_nothing:
                    raise
                return {}
            await asyncio.to_thread(self.spool.delete, number, message.name, message.folder)
        return {}

    async def _update(self, request: web.Request) -> Reply:
        body = await _body(request)
        self._check_token(request)
        status = body.get("vm_status")
        if type(status) is not self.readings.status_type or str(status) != "1":
            raise _Refused(40002, "INVALID", str(status))
        async with self._lock:
            number, message = await asyncio.to_thread(self.find, str(body.get("id")))
            if message.folder == INBOX:
                await asyncio.to_thread(self.spool.move, number, message.name)
        return {}

    # Events.

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        try:
            token = self._check_token(request)
        except _Refused as refused:
            return web.json_response(refused.reply)
        socket = web.WebSocketResponse(timeout=1, receive_timeout=60)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                if message.data == "heartbeat":
                    self.heartbeats += 1
                    if self.is_mute:
                        continue
                    await socket.send_str("heartbeat response")
                elif _CALL_ENDED in json.loads(message.data)["topic_list"]:
                    self._sockets[socket] = token
                    await socket.send_json({"errcode": 0, "errmsg": "SUCCESS"})
        except TimeoutError:
            pass
        finally:
            self._sockets.pop(socket, None)
            await socket.close()
        return socket


async def _body(request: web.Request) -> Mapping[str, object]:
    try:
        body = await request.json()
    except ValueError:
        raise _Refused(40001, "NOT JSON") from None
    if not isinstance(body, dict):
        raise _Refused(40001, "NOT AN OBJECT")
    return body
