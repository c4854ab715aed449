"""What many tests do: poll, leave messages, call actions and read states."""

import asyncio
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.auth.models import User
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import Context, HomeAssistant, State, SupportsResponse
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import FIXTURES
from .simulator import Simulator


async def poll(hass: HomeAssistant) -> None:
    """Make the next poll due, and wait for its results."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await hass.async_block_till_done(wait_background_tasks=True)


async def leave_message(
    pbx: Simulator,
    extension: str,
    caller: str = '"Ann" <6000>',
    received: datetime = datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
    recording: Path = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav",
) -> None:
    """Leave a message on the simulated PBX."""
    await asyncio.to_thread(
        pbx.spool.leave,
        extension,
        caller,
        received=received,
        recording=recording,
        duration=4,
    )


async def pass_one_hour(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Poll for an hour, in steps in which the token does not expire."""
    for _ in range(3):
        freezer.tick(timedelta(minutes=21))
        await poll(hass)


async def begin_flow(hass: HomeAssistant) -> str:
    """Begin to add a PBX, and return the id of the flow, which asks for its address."""
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "user"
    return form["flow_id"]


async def answer_flow(hass: HomeAssistant, flow_id: str, **answers: Any) -> ConfigFlowResult:
    """Submit the form of a flow."""
    result = await hass.config_entries.flow.async_configure(flow_id, answers)
    await hass.async_block_till_done()
    return result


def get_state(hass: HomeAssistant, entity_id: str) -> State:
    """Return a state, which must exist."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state


async def call_action(
    hass: HomeAssistant, action: str, *, user: User | None = None, **data: Any
) -> dict[str, Any]:
    """Call an action of the integration, as a user or as an automation. Return the response."""
    handler = hass.services.async_services_for_domain(DOMAIN)[action]
    has_response = handler.supports_response is not SupportsResponse.NONE
    response = await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        context=Context(user_id=user.id if user else None),
        return_response=has_response,
    )
    return dict(response or {})


async def get_message_from(hass: HomeAssistant, caller: str) -> dict[str, Any]:
    """Return the only message from a caller. That from 7001 is the recorded 101/msg0000."""
    messages: list[dict[str, Any]] = (await call_action(hass, "get_messages"))["messages"]
    (message,) = [message for message in messages if message["caller"] == caller]
    return message


async def get_latest_id(hass: HomeAssistant, extension: str) -> str:
    """Return the id of an extension's latest message."""
    response = await call_action(hass, "get_messages", extension=extension, limit=1)
    return str(response["messages"][0]["message_id"])


def serve_many_messages(pbx: Simulator, messages: int, extension: str = "101") -> None:
    """Make the PBX list thousands of messages of one extension, and serve a recording for each."""
    entries = [
        {
            "voicemailfile": f"msg{number:04}.wav",
            "messagefrom": f'"Caller {number}" <{number}>',
            "voicemaildate": f"{datetime(2026, 11, 1) + timedelta(seconds=number)}",
            "voicemaillength": "4",
        }
        for number in range(messages)
    ]
    mailbox = {"extid": extension, "voicemail": entries}
    reply = json.dumps({"status": "Success", "voicemails": [mailbox]}).encode()
    recording = FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav"

    async def respond(request: web.Request) -> web.StreamResponse | None:
        match request.path.rsplit("/", 1)[1]:
            case "query" if "voicemail" in request.path:
                return web.Response(body=reply)
            case "get_random":
                return web.json_response({"status": "Success", "random": "1"})
            case "download":
                return web.FileResponse(recording)
            case _:
                return None

    pbx.intercept = respond
