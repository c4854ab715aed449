"""The phone book: callers have its names wherever they are shown."""

from datetime import datetime
import logging
from pathlib import Path
import tempfile
from typing import Any

from aiohttp import FormData
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import ServiceValidationError, Unauthorized
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_capture_events,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from .helpers import call_action, get_message_from, get_state, leave_message, poll
from .simulator import Simulator
from .test_media_source import ROOT, search, titles
from .test_websocket_api import Card

CALLER = "+493012345678"
FORMATTED = "030 12345678"
NAME = "Carol King"


def _vcard(name: str, number: str) -> str:
    return f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL:{number}\nEND:VCARD\n"


CAROL = _vcard(NAME, "030/1234 5678")


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Use real files: the fixture with this name would keep them in memory."""
    return {}


@pytest.fixture(autouse=True)
def own_upload_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep uploads apart from those of tests in other processes, which delete the folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
async def called(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    """Set Home Assistant to Germany, and leave a message of a German caller without a name."""
    await hass.config.async_update(country="DE")
    await leave_message(pbx, "104", CALLER)
    await poll(hass)


@pytest.fixture
async def imported(hass: HomeAssistant, called: None) -> None:
    assert await call_action(hass, "import_phone_book", vcard=CAROL) == {
        "contacts": 1,
        "numbers": 1,
    }


def _stored(hass: HomeAssistant, entry: MockConfigEntry) -> Path:
    return Path(hass.config.path(".storage", f"pbx_voicemail.{entry.entry_id}.phone_book"))


def _latest_name(hass: HomeAssistant) -> str | None:
    name: str | None = get_state(hass, "sensor.extension_104_messages").attributes[
        "latest_caller_name"
    ]
    return name


async def test_sensors(hass: HomeAssistant) -> None:
    assert get_state(hass, "sensor.extension_104_latest_caller").state == FORMATTED
    assert _latest_name(hass) is None
    await call_action(hass, "import_phone_book", vcard=CAROL)
    assert get_state(hass, "sensor.extension_104_latest_caller").state == NAME
    attributes = get_state(hass, "sensor.extension_104_messages").attributes
    assert attributes["latest_caller_name"] == NAME
    assert attributes["latest_caller"] == CALLER
    assert attributes["latest_caller_formatted"] == FORMATTED


async def test_only_what_shows_a_name_is_written(hass: HomeAssistant) -> None:
    before = {state.entity_id: state.last_reported for state in hass.states.async_all()}
    await call_action(hass, "import_phone_book", vcard=CAROL)
    written = {
        state.entity_id
        for state in hass.states.async_all()
        if state.last_reported != before[state.entity_id]
    }
    assert {entity_id for entity_id in written if "uc501" not in entity_id} == {
        "sensor.extension_104_messages",
        "sensor.extension_104_latest_caller",
    }


async def test_event(hass: HomeAssistant, pbx: Simulator, imported: None) -> None:
    # The message that was announced before is not announced again.
    announced = get_state(hass, "event.extension_104_new_message")
    assert announced.attributes["caller_name"] is None
    await poll(hass)
    assert get_state(hass, "event.extension_104_new_message") is announced

    changes = async_capture_events(hass, "state_changed")
    later = datetime.fromisoformat("2026-11-24T10:30:00+00:00")
    await leave_message(pbx, "104", CALLER, received=later)
    await poll(hass)
    names = [
        change.data["new_state"].attributes["caller_name"]
        for change in changes
        if change.data["entity_id"] == "event.extension_104_new_message"
    ]
    assert names == [NAME]


async def test_action(hass: HomeAssistant, imported: None) -> None:
    message = await get_message_from(hass, CALLER)
    assert message["caller_name"] == NAME
    assert (message["caller_formatted"], message["caller_e164"]) == (FORMATTED, CALLER)


async def test_number_in_another_country(hass: HomeAssistant) -> None:
    """A number is written as in the country that Home Assistant is set to, and dialled the same."""
    await hass.config.async_update(country="FR")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert get_state(hass, "sensor.extension_104_latest_caller").state == "+49 30 12345678"
    attributes = get_state(hass, "sensor.extension_104_messages").attributes
    assert attributes["latest_caller_formatted"] == "+49 30 12345678"
    message = await get_message_from(hass, CALLER)
    assert (message["caller_formatted"], message["caller_e164"]) == ("+49 30 12345678", CALLER)


async def test_media_browser(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    imported: None,
    hass_ws_client: WebSocketGenerator,
) -> None:
    assert await async_setup_component(hass, "media_source", {})
    client = await hass_ws_client()
    (title,) = await titles(client, f"{ROOT}/{connected.entry_id}/104")
    assert title.startswith(f"{NAME} ({FORMATTED}) · ")
    assert await search(client, "carol") == [title]


async def test_card(hass: HomeAssistant, hass_ws_client: WebSocketGenerator) -> None:
    card = Card(await hass_ws_client())
    await card.subscribe()
    await call_action(hass, "import_phone_book", vcard=CAROL)
    (message,) = (await card.receive())["messages"]
    assert (message["caller"], message["caller_name"]) == (CALLER, NAME)
    await call_action(hass, "import_phone_book", vcard=CAROL)
    await card.receive_nothing()


async def test_name_from_the_pbx_comes_first(hass: HomeAssistant) -> None:
    await call_action(hass, "import_phone_book", vcard=_vcard("Another", "6000"))
    assert (await get_message_from(hass, "6000"))["caller_name"] == "Ann Müller"


async def test_name_of_an_extension_comes_last(hass: HomeAssistant, pbx: Simulator) -> None:
    for caller in ("101", "103"):
        await leave_message(pbx, "104", caller)
    await poll(hass)
    assert (await get_message_from(hass, "101"))["caller_name"] == "Reception"
    # It has no name but its number.
    assert (await get_message_from(hass, "103"))["caller_name"] is None
    await call_action(hass, "import_phone_book", vcard=_vcard("Carol", "101"))
    assert (await get_message_from(hass, "101"))["caller_name"] == "Carol"


async def test_country_is_changed(hass: HomeAssistant, imported: None) -> None:
    await hass.config.async_update(country="FR")
    await hass.async_block_till_done()
    assert _latest_name(hass) is None
    await hass.config.async_update(country="DE")
    await hass.async_block_till_done()
    assert _latest_name(hass) == NAME


async def test_kept_until_the_pbx_is_removed(
    hass: HomeAssistant, connected: MockConfigEntry, imported: None
) -> None:
    assert await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    assert _latest_name(hass) == NAME
    stored = _stored(hass, connected)
    assert stored.stat().st_mode & 0o777 == 0o600
    await hass.config_entries.async_remove(connected.entry_id)
    assert not stored.exists()


async def test_in_no_log_and_no_diagnostics(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    await call_action(hass, "import_phone_book", vcard=CAROL)
    with pytest.raises(ServiceValidationError):
        await call_action(hass, "import_phone_book", vcard=f"BEGIN:VCARD\nFN:{NAME}\n")
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    client = await hass_client()
    response = await client.get(f"/api/diagnostics/config_entry/{connected.entry_id}")
    assert response.status == 200
    logged = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("custom_components", "phonenumbers", "vobject"))
    ]
    assert NAME not in await response.text() + "".join(logged)


async def test_import_from_a_file(hass: HomeAssistant, tmp_path: Path) -> None:
    file = tmp_path / "contacts.vcf"
    file.write_text(CAROL)
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "import_phone_book", filename=str(file))
    assert error.value.translation_key == "path_not_readable"
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    response = await call_action(hass, "import_phone_book", filename=str(file))
    assert response == {"contacts": 1, "numbers": 1}
    assert _latest_name(hass) == NAME


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({}, "vcard_or_file"),
        ({"vcard": CAROL, "filename": "/a.vcf"}, "vcard_or_file"),
        ({"vcard": "Carol King, 030 12345678"}, "no_contacts"),
        ({"filename": "missing.vcf"}, "vcards_unreadable"),
        ({"filename": ".storage"}, "vcards_unreadable"),
    ],
)
async def test_failed_import_changes_nothing(
    hass: HomeAssistant, imported: None, data: dict[str, Any], key: str
) -> None:
    hass.config.allowlist_external_dirs = {hass.config.config_dir}
    with pytest.raises(ServiceValidationError) as error:
        await call_action(hass, "import_phone_book", **data)
    assert error.value.translation_key == key
    assert _latest_name(hass) == NAME


async def test_only_administrators_import(hass: HomeAssistant, restricted: MockUser) -> None:
    with pytest.raises(Unauthorized):
        await call_action(hass, "import_phone_book", user=restricted, vcard=CAROL)
    assert _latest_name(hass) is None


async def _submit_options(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    vcards: str | None,
    **options: Any,
) -> ConfigFlowResult:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    if vcards is not None:
        upload = FormData()
        upload.add_field("file", vcards.encode(), filename="contacts.vcf")
        response = await (await hass_client()).post("/api/file_upload", data=upload)
        options["phone_book"] = (await response.json())["file_id"]
    answers = {"scan_interval": 30, **options}
    result = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    await hass.async_block_till_done()
    return result


async def test_options(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    done = await _submit_options(hass, hass_client, connected, CAROL)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert "phone_book" not in connected.options
    assert _latest_name(hass) == NAME

    await leave_message(pbx, "104", "9015112345678")
    await poll(hass)
    number = _vcard("Dave", "015112345678")
    await _submit_options(hass, hass_client, connected, number, dial_out="9")
    assert connected.options["dial_out"] == "9"
    assert (await get_message_from(hass, "9015112345678"))["caller_name"] == "Dave"


async def test_clear_in_the_options(
    hass: HomeAssistant, connected: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """Only a phone book with contacts can be deleted, and another one can be imported later."""
    form = await hass.config_entries.options.async_init(connected.entry_id)
    assert form["data_schema"]
    assert "clear_phone_book" not in form["data_schema"].schema
    await _submit_options(hass, hass_client, connected, CAROL)
    await _submit_options(hass, hass_client, connected, None, clear_phone_book=False)
    assert _latest_name(hass) == NAME
    await _submit_options(hass, hass_client, connected, None, clear_phone_book=True)
    assert _latest_name(hass) is None
    assert "clear_phone_book" not in connected.options
    assert NAME not in _stored(hass, connected).read_text()
    await _submit_options(hass, hass_client, connected, CAROL)
    assert _latest_name(hass) == NAME
    # A new file replaces the phone book anyway.
    dave = _vcard("Dave", CALLER)
    await _submit_options(hass, hass_client, connected, dave, clear_phone_book=True)
    assert _latest_name(hass) == "Dave"


async def test_options_while_the_pbx_is_not_loaded(
    hass: HomeAssistant, connected: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    assert await hass.config_entries.async_unload(connected.entry_id)
    # Saving the options sets the PBX up.
    await _submit_options(hass, hass_client, connected, CAROL)
    assert connected.state is ConfigEntryState.LOADED
    assert _latest_name(hass) == NAME


@pytest.mark.parametrize(
    ("vcards", "options", "errors"),
    [
        ("Carol King", {}, {"phone_book": "no_contacts"}),
        (CAROL, {"dial_out": "nine"}, {"dial_out": "invalid_dial_out"}),
        (None, {"phone_book": "0" * 32}, {"phone_book": "vcards_unreadable"}),
    ],
)
async def test_errors_in_the_options(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    vcards: str | None,
    options: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await _submit_options(hass, hass_client, connected, vcards, **options)
    assert form["errors"] == errors
    assert _latest_name(hass) is None
    answers = {"scan_interval": 60}
    done = await hass.config_entries.options.async_configure(form["flow_id"], answers)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
