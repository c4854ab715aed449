"""A real Asterisk is found and added: its login has its own step, and its errors name the cause."""

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest

from custom_components.pbx_voicemail.pbx import Endpoint, family

from ..faults import ignore_failed_handshakes
from ..helpers import answer_flow, begin_flow
from .fixtures import CERTIFICATE, Put
from .program import Asterisk
from .settings import SECRET, USERNAME
from .test_set_up import RELOAD_MANAGER


@pytest.fixture(autouse=True)
def usual_ports(asterisk: Asterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the Asterisk on the ports where it is looked for."""
    endpoints = Endpoint(asterisk.ports.tls, tls=True), Endpoint(asterisk.ports.web, tls=False)
    monkeypatch.setattr(type(family("asterisk")), "endpoints", endpoints)
    monkeypatch.setattr(type(family("s_series")), "endpoints", endpoints)


async def test_from_the_host_to_its_messages(
    hass: HomeAssistant, asterisk: Asterisk, mailbox: str, put: Put
) -> None:
    """TLS is preferred, though its certificate has to be confirmed first."""
    put(mailbox, callers=("6000", "6001"))
    flow_id = await begin_flow(hass)
    with ignore_failed_handshakes(hass.loop):
        form = await answer_flow(hass, flow_id, host="127.0.0.1")
        assert form["step_id"] == "certificate"
        form = await answer_flow(hass, flow_id)
        assert form["step_id"] == "login_asterisk"
        form = await answer_flow(hass, flow_id, username=USERNAME, password="wrong")
        assert form["step_id"] == "login_asterisk"
        assert form["errors"] == {"base": "manager_refused"}
        form = await answer_flow(hass, flow_id, username=USERNAME, password=SECRET)
        assert form["step_id"] == "extensions"
        created = await answer_flow(hass, flow_id, extensions=[mailbox])
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == "Asterisk (127.0.0.1)"
    assert created["data"] == {
        "host": "127.0.0.1",
        "port": asterisk.ports.tls,
        "ssl": True,
        "verify_ssl": True,
        "api": "auto",
        "family": "asterisk",
        "fingerprint": CERTIFICATE.fingerprint,
        "credentials": {"username": USERNAME, "secret": SECRET},
        "remembered": created["data"]["remembered"],
    }
    entry = created["result"]
    assert entry.unique_id is None
    (state,) = [
        state
        for state in hass.states.async_all("sensor")
        if state.attributes.get("extension") == mailbox
    ]
    assert state.state == "2"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_token(hass: HomeAssistant, asterisk: Asterisk) -> None:
    """It has none, and says so instead of taking it for a wrong one."""
    answers = {"host": f"http://127.0.0.1:{asterisk.ports.web}", "token": "a token"}
    form = await answer_flow(hass, await begin_flow(hass), **answers)
    assert form["errors"] == {"token": "token_not_supported"}


async def test_manager_that_is_not_on_the_web(hass: HomeAssistant, asterisk: Asterisk) -> None:
    """That says more than that this is no PBX of another family."""
    with asterisk.set_up(RELOAD_MANAGER, has_web_manager=False):
        form = await answer_flow(
            hass, await begin_flow(hass), host=f"http://127.0.0.1:{asterisk.ports.web}"
        )
    assert form["errors"] == {"base": "manager_not_on_web"}


async def test_another_api_is_chosen(hass: HomeAssistant, asterisk: Asterisk) -> None:
    answers = {"host": f"http://127.0.0.1:{asterisk.ports.web}", "advanced": {"api": "v0.0.1"}}
    form = await answer_flow(hass, await begin_flow(hass), **answers)
    assert form["errors"] == {"base": "not_a_pbx"}
