"""Connecting a PBX, and giving it a new token: every answer, every error, every recovery."""

from typing import Any

import aiohttp
from aiohttp import web
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import client as client_module

from .bad_answers import BAD_ANSWERS, BadAnswer
from .conftest import TOKEN
from .simulator import Simulator


async def _begin(hass: HomeAssistant) -> str:
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "user"
    return form["flow_id"]


async def _answer(hass: HomeAssistant, flow_id: str, **answers: Any) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow_id, answers)
    await hass.async_block_till_done()
    return result


def _suggested(form: ConfigFlowResult) -> dict[str, Any]:
    assert form["data_schema"] is not None
    return {
        key.schema: key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def test_host_and_token_are_a_complete_answer(hass: HomeAssistant, pbx: Simulator) -> None:
    created = await _answer(hass, await _begin(hass), host=pbx.address, token=f" {TOKEN}\n")

    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == "UC501 (127.0.0.1)"
    host, port = pbx.address.split(":")
    assert created["data"] == {
        "host": host,
        "port": int(port),
        "ssl": False,
        "verify_ssl": True,
        "token": TOKEN,
    }
    assert created["result"].unique_id == "a09805021987"
    state = hass.states.get("sensor.reception_101_messages")
    assert state is not None
    assert state.state == "3"


async def test_more_settings(hass: HomeAssistant, pbx: Simulator) -> None:
    host, port = pbx.address.split(":")
    created = await _answer(
        hass,
        await _begin(hass),
        host=host,
        token=TOKEN,
        advanced={"port": int(port), "ssl": False, "verify_ssl": False},
    )
    assert created["data"]["port"] == int(port)
    assert created["data"]["verify_ssl"] is False


async def test_address_wins_over_more_settings(hass: HomeAssistant, pbx: Simulator) -> None:
    created = await _answer(
        hass,
        await _begin(hass),
        host=f"http://{pbx.address}/",
        token=TOKEN,
        advanced={"port": 1, "ssl": True},
    )
    assert created["data"]["ssl"] is False
    assert created["data"]["port"] == int(pbx.address.split(":")[1])


async def test_impossible_port(hass: HomeAssistant, pbx: Simulator) -> None:
    with pytest.raises(InvalidData):
        await _answer(hass, await _begin(hass), host="pbx", token=TOKEN, advanced={"port": 70000})


async def test_same_pbx_twice(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    aborted = await _answer(hass, await _begin(hass), host=pbx.address, token=TOKEN)
    assert aborted["type"] is FlowResultType.ABORT
    assert aborted["reason"] == "already_configured"


async def test_pbx_that_tells_nothing_about_itself(hass: HomeAssistant, pbx: Simulator) -> None:
    async def without_device_info(request: web.Request) -> web.Response | None:
        if request.path.endswith("deviceinfo/query"):
            return web.json_response({"status": "Failed", "errno": "10003"})
        return None

    pbx.intercept = without_device_info
    created = await _answer(hass, await _begin(hass), host=pbx.address, token=TOKEN)
    assert created["title"] == "PBX (127.0.0.1)"
    assert created["result"].unique_id == pbx.address


@pytest.mark.parametrize("host", ["", "two words", "ftp://pbx", "pbx:99999"])
async def test_no_host_in_it(hass: HomeAssistant, pbx: Simulator, host: str) -> None:
    flow_id = await _begin(hass)
    form = await _answer(hass, flow_id, host=host, token=TOKEN)
    assert form["errors"] == {"host": "invalid_host"}
    await _recover(hass, flow_id, pbx)


@pytest.mark.parametrize("bad", BAD_ANSWERS, ids=str)
async def test_bad_answers(
    hass: HomeAssistant, pbx: Simulator, bad: BadAnswer, caplog: pytest.LogCaptureFixture
) -> None:
    flow_id = await _begin(hass)
    pbx.intercept = bad.answer
    form = await _answer(hass, flow_id, host=pbx.address, token=TOKEN)

    assert form["errors"] == {"base": bad.kind}
    assert _suggested(form)["host"] == pbx.address
    assert "token" not in _suggested(form)
    assert TOKEN not in caplog.text

    pbx.intercept = None
    await _recover(hass, flow_id, pbx)


async def test_errno_is_in_the_text(hass: HomeAssistant, pbx: Simulator) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30003"})

    pbx.intercept = refuse
    form = await _answer(hass, await _begin(hass), host=pbx.address, token=TOKEN)
    assert form["description_placeholders"] == {"errno": "30003"}


async def test_wrong_token(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await _begin(hass)
    for token in ("wrong", ""):
        form = await _answer(hass, flow_id, host=pbx.address, token=token)
        assert form["errors"] == {"base": "invalid_auth"}
    await _recover(hass, flow_id, pbx)


async def test_closed_port(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await _begin(hass)
    await pbx.stop()
    form = await _answer(hass, flow_id, host=pbx.address, token=TOKEN)
    assert form["errors"] == {"base": "cannot_connect"}

    await pbx.start()
    await _recover(hass, flow_id, pbx)


async def test_tls_on_a_plain_port(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await _begin(hass)
    form = await _answer(hass, flow_id, host=f"https://{pbx.address}", token=TOKEN)
    assert form["errors"] == {"base": "ssl_error"}
    await _recover(hass, flow_id, pbx)


async def test_time_out(
    hass: HomeAssistant, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow_id = await _begin(hass)
    with monkeypatch.context() as patch:
        patch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(total=1e-9))
        form = await _answer(hass, flow_id, host=pbx.address, token=TOKEN)
    assert form["errors"] == {"base": "timeout"}
    await _recover(hass, flow_id, pbx)


async def _recover(hass: HomeAssistant, flow_id: str, pbx: Simulator) -> None:
    """Finish in the same dialog."""
    created = await _answer(hass, flow_id, host=pbx.address, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY


NEW_TOKEN = "70f477822e6a379d7359b2d926ea95a5"


async def _begin_reauth(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    form = await entry.start_reauth_flow(hass)
    assert form["step_id"] == "reauth_confirm"
    assert form["description_placeholders"] == {"name": entry.title}
    return str(form["flow_id"])


async def test_new_token(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    flow_id = await _begin_reauth(hass, connected)
    pbx.revoke_tokens()
    form = await _answer(hass, flow_id, token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert connected.data["token"] == TOKEN

    pbx.issue_token(NEW_TOKEN)
    done = await _answer(hass, flow_id, token=f"{NEW_TOKEN} ")

    assert done["reason"] == "reauth_successful"
    assert connected.data["token"] == NEW_TOKEN
    state = hass.states.get("sensor.reception_101_messages")
    assert state is not None
    assert state.state == "3"


async def test_new_token_of_another_pbx(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    flow_id = await _begin_reauth(hass, connected)
    pbx.serial_number = "another"
    pbx.issue_token(NEW_TOKEN)
    done = await _answer(hass, flow_id, token=NEW_TOKEN)
    assert done["reason"] == "wrong_pbx"
    assert connected.data["token"] == TOKEN


@pytest.mark.parametrize("serial_number", ["", "a09805021987"])
async def test_new_token_of_a_pbx_known_by_its_address(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, serial_number: str
) -> None:
    hass.config_entries.async_update_entry(entry, unique_id=pbx.address)
    flow_id = await _begin_reauth(hass, entry)
    pbx.serial_number = serial_number
    pbx.issue_token(NEW_TOKEN)
    done = await _answer(hass, flow_id, token=NEW_TOKEN)
    assert done["reason"] == "reauth_successful"
