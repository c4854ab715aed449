"""What tests say over and over: time passes, and a state is this or that."""

import asyncio
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.auth.models import User
from homeassistant.core import Context, HomeAssistant, State, SupportsResponse
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import FIXTURES
from .simulator import Simulator


async def poll(hass: HomeAssistant) -> None:
    """Let Home Assistant ask the PBX again, and wait for what it brings."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await hass.async_block_till_done(wait_background_tasks=True)


async def leave(
    pbx: Simulator,
    extension: str,
    caller: str = '"Ann" <6000>',
    received: datetime = datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
    recording: Path = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav",
) -> None:
    """Leave a message."""
    await asyncio.to_thread(
        pbx.spool.leave,
        extension,
        caller,
        received=received,
        recording=recording,
        duration=4,
    )


async def an_hour_passes(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let an hour pass, in steps over which a token stays alive."""
    for _ in range(3):
        freezer.tick(timedelta(minutes=21))
        await poll(hass)


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return a state that must be there."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state


async def act(
    hass: HomeAssistant, action: str, *, user: User | None = None, **data: Any
) -> dict[str, Any]:
    """Do one of the integration's actions, as an automation does or a user, and return the answer."""
    handler = hass.services.async_services_for_domain(DOMAIN)[action]
    answers = handler.supports_response is not SupportsResponse.NONE
    answer = await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        context=Context(user_id=user.id if user else None),
        return_response=answers,
    )
    return dict(answer or {})


async def message_of(hass: HomeAssistant, caller: str) -> dict[str, Any]:
    """Return a caller's only message: of 7001 it is the recorded 101/msg0000."""
    messages: list[dict[str, Any]] = (await act(hass, "get_messages"))["messages"]
    (message,) = [message for message in messages if message["caller"] == caller]
    return message


async def latest_of(hass: HomeAssistant, extension: str) -> str:
    """Return the id of an extension's latest message."""
    answer = await act(hass, "get_messages", extension=extension, limit=1)
    return str(answer["messages"][0]["message_id"])


def crowd(pbx: Simulator, messages: int, extension: str = "101") -> None:
    """Have the PBX tell thousands of messages of one extension, and give out their recordings."""
    told = [
        {
            "voicemailfile": f"msg{number:04}.wav",
            "messagefrom": f'"Caller {number}" <{number}>',
            "voicemaildate": f"{datetime(2026, 11, 1) + timedelta(seconds=number)}",
            "voicemaillength": "4",
        }
        for number in range(messages)
    ]
    mailbox = {"extid": extension, "voicemail": told}
    reply = json.dumps({"status": "Success", "voicemails": [mailbox]}).encode()
    recording = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"

    async def answer(request: web.Request) -> web.StreamResponse | None:
        match request.path.rsplit("/", 1)[1]:
            case "query" if "voicemail" in request.path:
                return web.Response(body=reply)
            case "get_random":
                return web.json_response({"status": "Success", "random": "1"})
            case "download":
                return web.FileResponse(recording)
            case _:
                return None

    pbx.intercept = answer
