"""Playing, marking and deleting a message that a P-Series refuses, loses, or half sends."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
import pytest

from custom_components.pbx_voicemail.pbx import (
    Message,
    PbxAuthError,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxRejectedError,
)
from tests.simulator import PSeriesSimulator

from .conftest import RECORDING


@pytest.fixture
async def message(client: PbxClient) -> Message:
    """Return a message."""
    return (await client.mailboxes())["1001"].messages[0]


def _answer(
    pbx: PSeriesSimulator, path: str, answer: Callable[[web.Request], web.Response | None]
) -> None:
    """Have a path answered by something other than the PBX."""

    async def intercept(request: web.Request) -> web.Response | None:
        return answer(request) if path in request.path else None

    pbx.intercept = intercept


def _reply(errcode: int, errmsg: str = "FAILURE") -> Callable[[web.Request], web.Response]:
    return lambda request: web.json_response({"errcode": errcode, "errmsg": errmsg})


async def test_mark_that_is_refused_in_either_type(
    pbx: PSeriesSimulator, client: PbxClient, message: Message
) -> None:
    _answer(pbx, "vm/update", _reply(40002))
    for _ in range(2):
        with pytest.raises(PbxRejectedError):
            await client.mark_read(message)
    assert pbx.requests.count("/openapi/v1.0/vm/update") == 3


async def test_link_that_refuses_the_token(
    pbx: PSeriesSimulator, client: PbxClient, message: Message
) -> None:
    """It is not taken for the client secret, and uses up no other token."""
    _answer(pbx, "/api/download/", _reply(10004, "TOKEN EXPIRED"))
    with pytest.raises(PbxRejectedError) as raised:
        await client.recording(message)
    assert not isinstance(raised.value, PbxAuthError)
    assert pbx.logins == 1


@pytest.mark.parametrize("do", ["delete", "mark_read", "recording"])
@pytest.mark.parametrize(
    ("errcode", "kind"), [(10001, "firmware_too_old"), (70004, "blocked"), (-1, "rejected")]
)
async def test_what_is_refused(
    pbx: PSeriesSimulator, client: PbxClient, message: Message, do: str, errcode: int, kind: str
) -> None:
    path = {"delete": "vm/delete", "mark_read": "vm/update", "recording": "vm/download"}[do]
    _answer(pbx, path, _reply(errcode))
    with pytest.raises(PbxError) as raised:
        await getattr(client, do)(message)
    assert raised.value.kind == kind


async def test_message_that_goes_right_before_it_is_deleted(
    pbx: PSeriesSimulator, client: PbxClient, message: Message
) -> None:
    def delete(request: web.Request) -> None:
        pbx.spool.delete("1001", "msg0000")

    _answer(pbx, "vm/delete", delete)
    with pytest.raises(PbxGoneError):
        await client.delete(message)


async def test_mailbox_that_goes_before_its_message_is_played(
    pbx: PSeriesSimulator, client: PbxClient, message: Message
) -> None:
    pbx.without_mailbox.add("1001")
    with pytest.raises(PbxGoneError):
        await client.recording(message)


async def test_recording_that_ends_early(
    pbx: PSeriesSimulator, client: PbxClient, message: Message
) -> None:
    """HTTP does not tell, where the answer has no length."""
    audio = await asyncio.to_thread(RECORDING.read_bytes)
    sent = audio

    def hang_up(request: web.Request) -> web.Response:
        transport: Any = request.transport
        transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + sent)
        transport.close()
        return web.Response()

    _answer(pbx, "/api/download/", hang_up)
    assert await client.recording(message) == audio
    sent = audio[:-1000]
    with pytest.raises(PbxConnectionError):
        await client.recording(message)
