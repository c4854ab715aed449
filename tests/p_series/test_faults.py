"""Faults between Home Assistant and a P-Series at every stage: the errors, and that they pass."""

from functools import partial
import json

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from ..conftest import INTEGRATION
from ..faults import FAULTS, Fault, SlowFault, respond
from ..helpers import call_action, get_message_from, get_state
from ..simulator import PSeriesSimulator
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET
from .test_home_assistant import poll

TEXTS = json.loads((INTEGRATION / "translations" / "en.json").read_text())["exceptions"]

_HEAVY = {
    *("too much", "no end", "gzip bomb", "nesting", "TLS on the port"),
    *(f"HTTP {status}" for status in (303, 307, 308, 405, 429, 502, 503)),
}
"""What only takes time here: HTTP is the same for all families."""

_REFUSALS = {"HTTP 400"}
"""What this family takes for a refusal."""


def _refusal(errcode: int, errmsg: str = "FAILURE", kind: str = "rejected") -> Fault:
    body = f'{{"errcode":{errcode},"errmsg":"{errmsg}"}}'
    return Fault(f"errcode {errcode} {errmsg}", kind, partial(respond, body=body))


P_SERIES_FAULTS = [
    *(
        fault
        for fault in FAULTS
        if fault.kind in ("cannot_connect", "not_a_pbx", "redirected")
        and not isinstance(fault, SlowFault)
        and not fault.succeeds_at
        and fault.name not in _HEAVY | _REFUSALS
    ),
    *(_refusal(errcode) for errcode in (-1, -2, 2, 10009, 40002, 60101, 70082, 70084, 99999)),
    _refusal(10004, "TOKEN EXPIRED"),
    _refusal(-1, "TOKEN INVALID"),
    _refusal(10005, "ACCESS DENIED"),
    _refusal(10001, "INTERFACE NOT EXISTED", kind="firmware_too_old"),
    _refusal(70004, "IP BLOCKED", kind="blocked"),
    Fault("no errcode", "not_a_pbx", partial(respond, body='{"voicemail_list":[]}')),
    Fault(
        "text for a list",
        "not_a_pbx",
        partial(respond, body='{"errcode":0,"voicemail_list":"none"}'),
    ),
]


@pytest.mark.parametrize("fault", P_SERIES_FAULTS, ids=str)
async def test_fault(
    hass: HomeAssistant,
    p_series: PSeriesSimulator,
    p_series_entry: MockConfigEntry,
    fault: Fault,
) -> None:
    """Nothing is taken for an empty mailbox, and no token is wasted."""
    async with fault.inject(p_series, "vm/query"):
        await hass.config_entries.async_setup(p_series_entry.entry_id)
    assert p_series_entry.state is ConfigEntryState.SETUP_RETRY
    text = TEXTS[fault.kind]["message"]
    assert str(p_series_entry.reason).startswith(text.split("{")[0].rstrip("."))
    await hass.config_entries.async_reload(p_series_entry.entry_id)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    message = await get_message_from(hass, "7001")

    async with fault.inject(p_series, "vm/query"):
        for _ in range(3):
            await poll(hass, p_series_entry)
            assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
        with pytest.raises(HomeAssistantError):
            await call_action(hass, "delete_message", message_id=message["message_id"])
    assert p_series.most_tokens <= 2
    assert p_series.tokens_alive
    await hass.config_entries.async_reload(p_series_entry.entry_id)
    await poll(hass, p_series_entry)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    await hass.config_entries.async_unload(p_series_entry.entry_id)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (_refusal(-1), "client_refused"),
        (_refusal(10001), "api_not_offered"),
        (_refusal(60002, "MAX LIMITATION EXCEEDED"), "token_limit"),
        (_refusal(70004), "blocked"),
        (Fault("html", "", partial(respond, body="<html>")), "not_a_pbx"),
        (Fault("no token", "", partial(respond, body='{"errcode":0}')), "not_a_pbx"),
        (Fault("HTTP 401", "", partial(respond, status=401)), "client_refused"),
    ],
    ids=str,
)
async def test_fault_at_the_login(
    hass: HomeAssistant, p_series: PSeriesSimulator, fault: Fault, kind: str
) -> None:
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    answer = partial(hass.config_entries.flow.async_configure, flow["flow_id"])
    await answer({"host": f"http://{p_series.address}"})
    login = {"username": CLIENT_ID, "password": CLIENT_SECRET}
    async with fault.inject(p_series, "get_token"):
        form = await answer(login)
        assert form["errors"] == {"base": kind}
        assert p_series.requests.count("/openapi/v1.0/get_token") == 1
    created = await answer(login)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(created["result"].entry_id)
