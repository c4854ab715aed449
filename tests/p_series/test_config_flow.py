"""A P-Series is found and added: its login has its own step, and its errors name the cause."""

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.pbx import FAMILIES, Endpoint

from ..faults import ignore_failed_handshakes
from ..helpers import answer_flow, begin_flow, get_state
from ..simulator import Certificate, PSeriesSimulator
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET


@pytest.fixture(autouse=True)
def usual_ports(p_series: PSeriesSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the P-Series on the port where PBXs of every family are looked for."""
    endpoints = Endpoint(p_series.port, tls=True), Endpoint(p_series.port, tls=False)
    for family in FAMILIES:
        monkeypatch.setattr(type(family), "endpoints", endpoints)


async def _log_in(hass: HomeAssistant, secret: str = CLIENT_SECRET) -> ConfigFlowResult:
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host="127.0.0.1")
    assert form["step_id"] == "login_p_series"
    return await answer_flow(hass, flow_id, username=CLIENT_ID, password=secret)


@pytest.mark.parametrize("unknown_path", ["10001", "404", "html"])
async def test_from_the_host_to_its_messages(
    hass: HomeAssistant, p_series: PSeriesSimulator, unknown_path: str
) -> None:
    p_series.readings.unknown_path = unknown_path
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host="127.0.0.1")
    assert (form["step_id"], p_series.logins) == ("login_p_series", 0)
    form = await answer_flow(hass, flow_id, username=CLIENT_ID, password="wrong")
    assert form["errors"] == {"base": "client_refused"}
    assert p_series.logins == 1
    created = await answer_flow(hass, flow_id, username=f" {CLIENT_ID}", password=CLIENT_SECRET)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == "P-Series Software Edition (127.0.0.1)"
    entry = created["result"]
    assert entry.unique_id == p_series.serial_number
    assert entry.data["family"] == "p_series"
    assert entry.data["credentials"] == {"username": CLIENT_ID, "secret": CLIENT_SECRET}
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert get_state(hass, "sensor.sales_6400_messages").state == "0"
    assert p_series.tokens_alive == 1
    await hass.config_entries.async_unload(entry.entry_id)
    assert not p_series.tokens_alive


@pytest.mark.parametrize("tokens_count", [False, True])
async def test_search_does_not_use_up_the_failed_logins(
    hass: HomeAssistant, p_series: PSeriesSimulator, tokens_count: bool
) -> None:
    """Nobody says whether requests without a token count."""
    p_series.readings.token_failures_count = tokens_count
    for _ in range(4):
        await answer_flow(hass, await begin_flow(hass), host="127.0.0.1")
    assert not p_series.failures


async def test_certificate(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    certificate = Certificate.make()
    await p_series.stop()
    p_series.tls = await hass.async_add_executor_job(certificate.context)
    await p_series.start()
    flow_id = await begin_flow(hass)
    with ignore_failed_handshakes(hass.loop):
        form = await answer_flow(hass, flow_id, host="127.0.0.1")
        assert form["step_id"] == "certificate"
        assert (await answer_flow(hass, flow_id))["step_id"] == "login_p_series"
        created = await answer_flow(hass, flow_id, username=CLIENT_ID, password=CLIENT_SECRET)
        assert created["type"] is FlowResultType.CREATE_ENTRY
        entry = created["result"]
        assert entry.data["fingerprint"] == certificate.fingerprint
        await hass.config_entries.async_unload(entry.entry_id)


async def test_token(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    """A bare token lives for half an hour, so it is refused in words."""
    form = await answer_flow(hass, await begin_flow(hass), host="127.0.0.1", token="a token")
    assert form["errors"] == {"token": "token_not_supported"}
    assert not p_series.logins


async def test_chosen_api(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    for api, error in (("v1.1.0", "not_a_pbx"), ("asterisk", "not_a_pbx")):
        form = await answer_flow(
            hass, await begin_flow(hass), host="127.0.0.1", advanced={"api": api}
        )
        assert form["errors"] == {"base": error}
    form = await answer_flow(
        hass, await begin_flow(hass), host="127.0.0.1", advanced={"api": "p_series"}
    )
    assert form["step_id"] == "login_p_series"


async def test_model_without_the_api(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    await p_series.stop()
    p_series.readings.has_api = False
    await p_series.start()
    form = await _log_in(hass)
    assert form["errors"] == {"base": "api_not_offered"}


async def test_firmware_without_voicemail(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    await p_series.stop()
    p_series.readings.has_voicemail = False
    await p_series.start()
    form = await _log_in(hass)
    assert form["errors"] == {"base": "firmware_too_old"}
    assert not p_series.tokens_alive


async def test_all_tokens_in_use(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    p_series.max_tokens = 0
    form = await _log_in(hass)
    assert form["errors"] == {"base": "token_limit"}


async def test_address_that_is_not_allowed(hass: HomeAssistant, p_series: PSeriesSimulator) -> None:
    p_series.allowed = False
    form = await _log_in(hass)
    assert form["errors"] == {"base": "client_refused"}


async def test_blocked_until_an_administrator_lifts_it(
    hass: HomeAssistant, p_series: PSeriesSimulator
) -> None:
    for _ in range(5):
        form = await _log_in(hass, "wrong")
        assert form["errors"] == {"base": "client_refused"}
    form = await answer_flow(hass, await begin_flow(hass), host="127.0.0.1")
    assert form["errors"] == {"base": "blocked"}
    p_series.blocked.clear()
    p_series.failures.clear()
    created = await _log_in(hass)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    await hass.config_entries.async_unload(created["result"].entry_id)


async def test_new_secret(
    hass: HomeAssistant, p_series: PSeriesSimulator, p_series_entry: MockConfigEntry
) -> None:
    """One attempt with the old one, and none after a restart: a person answers."""
    p_series.client_secret = "new"
    await hass.config_entries.async_setup(p_series_entry.entry_id)
    await hass.async_block_till_done()
    await hass.config_entries.async_reload(p_series_entry.entry_id)
    assert p_series.logins == 1
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "login_p_series"
    done = await answer_flow(hass, flow["flow_id"], username=CLIENT_ID, password="new")
    assert done["reason"] == "reauth_successful"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    await hass.config_entries.async_unload(p_series_entry.entry_id)
