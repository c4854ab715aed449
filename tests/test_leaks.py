"""With a server that echoes requests, no secret is in a log or in an error."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
import logging
import traceback

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import PASSWORD, PASSWORD_MD5, TOKEN
from .helpers import call_action, get_message_from, poll
from .simulator import Simulator

CALLER = "SECRETCALLER 0612345678"
SECRETS = (TOKEN, PASSWORD_MD5, PASSWORD, CALLER)

type Echo = Callable[[bytes], bytes]


def _one_line(request: bytes) -> bytes:
    return request.replace(b"\r\n", b" ")


ECHOES: dict[str, Echo] = {
    "status line": lambda request: b"HTTP/1.1 200 " + _one_line(request) + b"\r\n\r\n",
    "version": lambda request: b"HTTP/3.7 " + _one_line(request) + b"\r\n\r\n",
    "status": lambda request: b"HTTP/1.1 " + _one_line(request) + b"\r\n\r\n",
    "header": lambda request: b"HTTP/1.1 200 OK\r\nX-Echo: \x01" + _one_line(request) + b"\r\n\r\n",
    "name of a header": lambda request: (
        b"HTTP/1.1 200 OK\r\n" + _one_line(request) + b": 1\r\n\r\n"
    ),
    "length": lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + _one_line(request) + b"\r\n\r\n"
    ),
    "location": lambda request: (
        b"HTTP/1.1 302 Found\r\nLocation: http://[" + _one_line(request) + b"\r\n\r\n"
    ),
    "cookie": lambda request: (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=" + _one_line(request) + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "chunk size": lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + request + b"\r\n"
    ),
    "miscounted chunk": lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n"
        b'{"status":"Success","voicemails":[{"extid":"101","voicemail":[{"messagefrom":"'
        + CALLER.encode()
        + b'"}]}]}\r\n0\r\n\r\n'
    ),
    "encoding": lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n" + request
    ),
    "body": lambda request: (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + str(len(request)).encode() + b"\r\n\r\n" + request
    ),
    "broken JSON": lambda request: (
        b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"Success","x":"' + request
    ),
    "errno": lambda request: (
        b'HTTP/1.1 200 OK\r\n\r\n{"status":"Failed","errno":"'
        + _one_line(request).replace(b'"', b"")
        + b'"}'
    ),
    "not HTTP": lambda request: request,
}
every_echo = pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)


@asynccontextmanager
async def _server(port: int, echo: Echo) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(65536)
        if request.startswith(b"\x16"):
            # A handshake.
            writer.transport.abort()
            return
        writer.write(echo(request))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    yield
    server.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log everything, and check the log of the integration and all errors in it."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    for record in caplog.get_records("call"):
        if DOMAIN not in record.name:
            continue
        _check(record.getMessage())
        if record.exc_info and record.exc_info[1]:
            check_error(record.exc_info[1])


def _check(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def check_error(error: BaseException | None) -> None:
    """Check an error with its causes and contexts, even suppressed ones."""
    while error is not None:
        _check("".join(traceback.format_exception(error)))
        _check(repr(error) + repr(vars(error)))
        if error.__context__ is not error.__cause__:
            check_error(error.__context__)
        error = error.__cause__


@every_echo
async def test_dialog(
    hass: HomeAssistant, pbx: Simulator, echo: Echo, log: pytest.LogCaptureFixture
) -> None:
    await pbx.stop()
    answers = {"host": f"http://{pbx.address}"}
    async with _server(int(pbx.address.partition(":")[2]), echo):
        form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], {**answers, "token": TOKEN}
        )
        assert form["errors"]
        _check(str(form["errors"]) + str(form["description_placeholders"]))
        form = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
        if form["step_id"] == "login":
            form = await hass.config_entries.flow.async_configure(
                form["flow_id"], {"username": "api", "password": PASSWORD}
            )
            _check(str(form["errors"]) + str(form["description_placeholders"]))


@every_echo
@pytest.mark.parametrize("with_user", [False, True], ids=["token", "user"])
async def test_start_and_polling(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    echo: Echo,
    with_user: bool,
    log: pytest.LogCaptureFixture,
) -> None:
    if with_user:
        login = {"username": "api", "secret": PASSWORD_MD5}
        hass.config_entries.async_update_entry(entry, data={**entry.data, "credentials": login})
    await hass.config_entries.async_setup(entry.entry_id)
    await pbx.stop()
    pbx.revoke_tokens()
    async with _server(int(pbx.address.partition(":")[2]), echo):
        for _ in range(2):
            await poll(hass)
        check_error(entry.runtime_data.last_exception)
        await hass.config_entries.async_reload(entry.entry_id)
        _check(str(entry.reason))
    await hass.async_block_till_done()


@every_echo
@pytest.mark.parametrize("action", ["transcribe_message", "delete_message"])
async def test_playing_and_deleting(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    echo: Echo,
    action: str,
    log: pytest.LogCaptureFixture,
) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await pbx.stop()
    async with _server(int(pbx.address.partition(":")[2]), echo):
        with pytest.raises(HomeAssistantError) as raised:
            await call_action(hass, action, message_id=message_id)
        check_error(raised.value)
