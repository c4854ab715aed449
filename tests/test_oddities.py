"""Unusual replies that are still valid: their messages are shown, and no others are lost."""

from collections.abc import Mapping
import json
from typing import Any

from aiohttp import web
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import TOKEN
from .helpers import call_action, get_state, poll
from .simulator import Simulator, Spool


def _message(**changes: Any) -> dict[str, Any]:
    return {
        "voicemailfile": "msg0000.wav",
        "messagefrom": "6000",
        "voicemaildate": "2026-11-24 10:00:00",
        "voicemaillength": "4",
        **changes,
    }


def _mailbox(extension: Any, *messages: Mapping[str, Any]) -> dict[str, Any]:
    return {"extid": extension, "voicemail": list(messages or [_message()])}


# The mailboxes in a reply, and the expected messages by extension: caller, year, seconds.
ODDITIES: dict[str, tuple[Any, dict[str, list[tuple[str | None, str | None, int | None]]]]] = {
    "an extension with a zero": ([_mailbox("0101")], {"0101": [("6000", "2026", 4)]}),
    "an extension as a number": ([_mailbox(102)], {"102": [("6000", "2026", 4)]}),
    "an extension without a number": (
        [_mailbox(""), _mailbox("101")],
        {"101": [("6000", "2026", 4)]},
    ),
    "an extension that is nothing": (
        [_mailbox(None), _mailbox("101")],
        {"101": [("6000", "2026", 4)]},
    ),
    "an extension like a path": ([_mailbox("../x")], {}),
    "an extension of 300 digits": ([_mailbox("1" * 300)], {}),
    "an extension with letters": ([_mailbox("Büro-1")], {"Büro-1": [("6000", "2026", 4)]}),
    "an extension twice": (
        [_mailbox("101"), _mailbox("101", _message(messagefrom="7001"))],
        {"101": [("7001", "2026", 4), ("6000", "2026", 4)]},
    ),
    "an object for the list": (_mailbox("101"), {"101": [("6000", "2026", 4)]}),
    "an object for the messages": (
        [{"extid": "101", "voicemail": _message()}],
        {"101": [("6000", "2026", 4)]},
    ),
    "a message without content": ([_mailbox("101", {})], {"101": [(None, None, None)]}),
    "unknown fields": ([_mailbox("101", _message(colour="red"))], {"101": [("6000", "2026", 4)]}),
    "a date in 1970": (
        [_mailbox("101", _message(voicemaildate="1970-01-01 00:00:00"))],
        {"101": [("6000", "1970", 4)]},
    ),
    "a date in 2038": (
        [_mailbox("101", _message(voicemaildate="2038-01-20 03:14:08"))],
        {"101": [("6000", "2038", 4)]},
    ),
    "the last of all dates": (
        [_mailbox("101", _message(voicemaildate="9999-12-31 23:59:59"))],
        {"101": [("6000", None, 4)]},
    ),
    "February 30th": (
        [_mailbox("101", _message(voicemaildate="2026-02-30 10:00:00"))],
        {"101": [("6000", None, 4)]},
    ),
    "a length beyond 64 bits": (
        [_mailbox("101", _message(voicemaillength=10**30))],
        {"101": [("6000", "2026", None)]},
    ),
    "a length that is negative": (
        [_mailbox("101", _message(voicemaillength="-4"))],
        {"101": [("6000", "2026", None)]},
    ),
    "lists in every field": (
        [_mailbox("101", {field: ["x"] for field in _message()})],
        {"101": [(None, None, None)]},
    ),
    "truth for every field": (
        [_mailbox("101", dict.fromkeys(_message(), True))],
        {"101": [(None, None, None)]},
    ),
    "a caller of a megabyte": (
        [_mailbox("101", _message(messagefrom="9" * 1_000_000))],
        {"101": [("9" * 255, "2026", 4)]},
    ),
    "nobody has messages": ([], {}),
    "no list": (None, {}),
}


@pytest.mark.parametrize("oddity", ODDITIES)
async def test_oddities(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    oddity: str,
) -> None:
    mailboxes, expected = ODDITIES[oddity]
    before = {state.entity_id: state.state for state in hass.states.async_all()}
    caplog.clear()

    async def respond(request: web.Request) -> web.Response:
        body = json.dumps({"status": "Success", "voicemails": mailboxes})
        return web.Response(text=body, content_type="text/plain")

    pbx.intercept = respond
    await poll(hass)
    assert {
        state.attributes["extension"]: state.state
        for state in hass.states.async_all("sensor")
        if "latest_caller" in state.attributes
    } == {
        **dict.fromkeys(("101", "102", "103", "104"), "0"),
        **{number: str(len(messages)) for number, messages in expected.items()},
    }
    for number, messages in expected.items():
        answer = await call_action(hass, "get_messages", extension=number)
        assert [
            (found["caller"], found["received"] and found["received"][:4], found["duration"])
            for found in answer["messages"]
        ] == messages
    assert get_state(hass, "sensor.uc501_messages").state == str(sum(map(len, expected.values())))

    pbx.intercept = None
    await poll(hass)
    after = {state.entity_id: state.state for state in hass.states.async_all()}
    events = {name for name in before if name.startswith("event.")}
    assert {name: after[name] for name in before.keys() - events} == {
        name: before[name] for name in before.keys() - events
    }
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


async def test_duplicate_keys(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async def respond(request: web.Request) -> web.Response:
        box = json.dumps([_mailbox("101")])
        return web.Response(text=f'{{"status":"Failed","status":"Success","voicemails":{box}}}')

    pbx.intercept = respond
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "1"


async def test_same_pbx_at_two_addresses(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, recorded: Spool
) -> None:
    async with Simulator(recorded, extensions=pbx.extensions, token=TOKEN) as same:
        form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
        done = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"host": same.address, "token": TOKEN}
        )
    assert done["reason"] == "already_configured"
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


async def test_reply_for_another_extension(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """Mailboxes that were not requested are ignored."""
    hass.config_entries.async_update_entry(connected, options={"extensions": ["101"]})
    await hass.config_entries.async_reload(connected.entry_id)

    async def respond(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success", "voicemails": [_mailbox("102")]})

    pbx.intercept = respond
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "0"
    assert not hass.states.get("sensor.workshop_102_messages")
