"""Every fault at every stage: the errors that users see, and that everything recovers."""

from datetime import timedelta
import gc
import json
import logging
from pathlib import Path
import socket
import tracemalloc
from typing import Any

from aiohttp import AsyncResolver, web
from freezegun import freeze_time
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import INTEGRATION, TOKEN
from .faults import FAULTS, Fault, TlsOnly
from .helpers import call_action, get_state, poll
from .simulator import Simulator

TEXTS = json.loads((INTEGRATION / "translations" / "en.json").read_text())["exceptions"]

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=str)


def test_number_of_faults() -> None:
    assert len(FAULTS) >= 80
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def _logged(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the log of the integration, without a token or a traceback in it."""
    assert TOKEN not in log.text
    records = [record for record in log.records if record.levelno >= logging.INFO]
    # This machine may have no FFmpeg.
    assert not [r.getMessage() for r in records if r.exc_info and r.name != "haffmpeg.core"]
    return [r.getMessage() for r in records if r.name.startswith("custom_components")]


@every_fault
async def test_dialog(
    hass: HomeAssistant, pbx: Simulator, fault: Fault, log: pytest.LogCaptureFixture
) -> None:
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    answers = {"host": f"http://{pbx.address}", "token": TOKEN}
    async with fault.inject(pbx):
        form = await hass.config_entries.flow.async_configure(form["flow_id"], answers)

    assert form["errors"] == {"base": fault.kind}
    assert form["data_schema"] is not None
    suggested = {key.schema: key.description for key in form["data_schema"].schema}
    assert suggested["host"] == {"suggested_value": answers["host"]}
    assert not suggested["token"]
    assert not _logged(log)

    created = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
    assert created["type"] is FlowResultType.CREATE_ENTRY


@every_fault
async def test_start(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    fault: Fault,
    log: pytest.LogCaptureFixture,
) -> None:
    async with fault.inject(pbx):
        await hass.config_entries.async_setup(entry.entry_id)
    text = TEXTS[fault.kind]["message"]
    assert str(entry.reason).startswith(text.split("{")[0].rstrip("."))
    assert not hass.states.async_all()

    if fault.kind == "invalid_auth":
        assert entry.state is ConfigEntryState.SETUP_ERROR
        assert _reauths(hass) == 1
        await hass.config_entries.async_reload(entry.entry_id)
    else:
        assert entry.state is ConfigEntryState.SETUP_RETRY
        await _ten_minutes_later(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    _logged(log)


@every_fault
async def test_polling(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    fault: Fault,
    log: pytest.LogCaptureFixture,
) -> None:
    before = {state.entity_id: state.state for state in hass.states.async_all()}
    log.clear()
    async with fault.inject(pbx):
        for _ in range(2):
            await poll(hass)
            assert {state.state for state in hass.states.async_all()} == {STATE_UNAVAILABLE}

    if fault.kind == "invalid_auth":
        assert _reauths(hass) == 1
        await hass.config_entries.async_reload(connected.entry_id)
        await hass.async_block_till_done()
    elif fault.kind == "locked":
        await _ten_minutes_later(hass)
    for _ in range(2):
        await poll(hass)
    assert {state.entity_id: state.state for state in hass.states.async_all()} == before
    lines = _logged(log)
    assert len(lines) == 2 if fault.is_temporary else lines
    assert TEXTS[fault.kind]["message"].split("{")[0].rstrip(".") in lines[0]
    if fault.is_temporary:
        assert lines[1] == "Fetching pbx_voicemail data recovered"


@every_fault
async def test_playing(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    fault: Fault,
    tmp_path: Path,
    log: pytest.LogCaptureFixture,
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    target = tmp_path / "recording.wav"
    messages = (await call_action(hass, "get_messages", extension="101"))["messages"]

    async def play(message_id: str) -> None:
        await call_action(hass, "save_recording", message_id=message_id, filename=str(target))

    for where, message in zip(("query", "get_random", "download"), messages, strict=True):
        if where in fault.succeeds_at:
            continue
        async with fault.inject(pbx, where):
            with pytest.raises(HomeAssistantError) as raised:
                await play(message["message_id"])
        assert raised.value.translation_key == _kind_for_a_message(fault, where)
        assert not target.exists()
        if raised.value.translation_key == "locked":
            return

        await play(message["message_id"])
        assert target.read_bytes().startswith(b"RIFF")
        target.unlink()
    _logged(log)


@every_fault
async def test_deleting(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    fault: Fault,
    log: pytest.LogCaptureFixture,
) -> None:
    messages = (await call_action(hass, "get_messages", extension="101"))["messages"]
    ids = [message["message_id"] for message in messages]
    for where in ("query", "delete"):
        if where in fault.succeeds_at:
            continue
        async with fault.inject(pbx, where):
            with pytest.raises(HomeAssistantError) as raised:
                await call_action(hass, "delete_message", message_id=ids[0])
        assert raised.value.translation_key == _kind_for_a_message(fault, where)
        assert len(pbx.spool.messages("101")) == len(ids)
        if raised.value.translation_key == "locked":
            return

        await call_action(hass, "delete_message", message_id=ids.pop(0))
        await hass.async_block_till_done()
        left = (await call_action(hass, "get_messages", extension="101"))["messages"]
        assert [message["message_id"] for message in left] == ids
    _logged(log)


async def _send_zeros(request: web.Request) -> web.Response:
    return web.Response(body=bytes(8 * 1024 * 1024))


@pytest.mark.parametrize(
    "fault",
    [
        *(fault for fault in FAULTS if fault.name in ("too much", "no end")),
        Fault("megabytes of zeros", "not_a_pbx", _send_zeros),
    ],
    ids=str,
)
async def test_large_reply_is_not_kept_in_memory(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, fault: Fault
) -> None:
    """Not even by the error that Home Assistant stores."""
    await poll(hass)
    gc.collect()
    tracemalloc.start()
    async with fault.inject(pbx):
        await poll(hass)
        assert {state.state for state in hass.states.async_all()} == {STATE_UNAVAILABLE}
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The buffers of the simulated PBX are included.
    assert held < 5 * 1024 * 1024


def _kind_for_a_message(fault: Fault, where: str) -> str:
    """Return the error that a fault is where a message is asked for.

    That the PBX has none is a fault in a poll, and here its answer. After a question that
    was answered, a token is good, and nobody is locked out.
    """
    if where == "query":
        return "message_gone" if fault.name in ("nothing there", "errno '10006'") else fault.kind
    if fault.kind == "invalid_auth" or (fault.kind == "locked" and where != "delete"):
        return "rejected"
    return fault.kind


async def test_unknown_host_name(
    hass: HomeAssistant,
    pbx: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
) -> None:
    """In the config flow and at set-up. Later it is known again."""
    known = False

    async def resolve(*_: object, **__: object) -> list[dict[str, Any]]:
        if not known:
            raise OSError(None, "Domain name not found")
        found = {"hostname": "pbx.test", "host": "127.0.0.1", "port": port}
        return [{**found, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    port = int(pbx.address.rpartition(":")[2])
    monkeypatch.setattr(AsyncResolver, "resolve", resolve)
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    answers = {"host": f"http://pbx.test:{port}", "token": TOKEN}
    form = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
    assert form["errors"] == {"base": "cannot_connect"}

    data = {"host": "pbx.test", "port": port, "credentials": {"token": TOKEN}, "family": "s_series"}
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id="a09805021987",
        minor_version=2,
        data={
            **data,
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "remembered": {"api": "v0.0.1"},
        },
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert not _logged(log)

    known = True
    await _ten_minutes_later(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_tls_only_from_now_on(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """A repair issue tells the user to enable TLS."""
    (fault,) = [fault for fault in FAULTS if isinstance(fault, TlsOnly)]
    issue = DOMAIN, f"tls_offered_{connected.entry_id}"
    async with fault.inject(pbx):
        await poll(hass)
        assert ir.async_get(hass).async_get_issue(*issue)
        form = await connected.start_reconfigure_flow(hass)
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"host": pbx.address}
        )
        assert form["step_id"] == "certificate"
        done = await hass.config_entries.flow.async_configure(form["flow_id"], {})
        assert done["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        assert connected.state is ConfigEntryState.LOADED
        assert connected.data["ssl"]
        assert not ir.async_get(hass).async_get_issue(*issue)


async def test_no_issue_without_tls(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    async with FAULTS[0].inject(pbx):
        await poll(hass)
    assert not ir.async_get(hass).issues


async def _ten_minutes_later(hass: HomeAssistant) -> None:
    with freeze_time(dt_util.utcnow() + timedelta(minutes=10), tick=True):
        await poll(hass)


def _reauths(hass: HomeAssistant) -> int:
    flows = hass.config_entries.flow.async_progress()
    return sum(flow["context"]["source"] == "reauth" for flow in flows)
