"""Connecting a PBX, and giving it a new token: every answer, every error, every recovery."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail import config_flow
from custom_components.pbx_voicemail.config.lock_out import async_note_lock_out
from custom_components.pbx_voicemail.pbx import Connection, Endpoint, families
from custom_components.pbx_voicemail.pbx.s_series import SSeries

from .conftest import PASSWORD, PASSWORD_MD5, TOKEN
from .helpers import answer_flow, begin_flow, get_state, poll
from .simulator import Simulator, Spool


def _suggested(form: ConfigFlowResult) -> dict[str, Any]:
    assert form["data_schema"] is not None
    return {
        key.schema: key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def test_host_and_token_are_a_complete_flow(hass: HomeAssistant, pbx: Simulator) -> None:
    created = await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=f" {TOKEN}\n")

    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == "UC501 (127.0.0.1)"
    host, port = pbx.address.split(":")
    assert created["data"] == {
        "host": host,
        "port": int(port),
        "ssl": False,
        "verify_ssl": True,
        "api": "auto",
        "family": "s_series",
        "credentials": {"token": TOKEN},
        "remembered": {"api": "v0.0.1"},
    }
    assert created["result"].unique_id == "a09805021987"
    state = hass.states.get("sensor.reception_101_messages")
    assert state is not None
    assert state.state == "3"


async def test_more_settings(hass: HomeAssistant, pbx: Simulator) -> None:
    host, port = pbx.address.split(":")
    created = await answer_flow(
        hass,
        await begin_flow(hass),
        host=host,
        token=TOKEN,
        advanced={"port": int(port), "ssl": False, "verify_ssl": False},
    )
    assert created["data"]["port"] == int(port)
    assert created["data"]["verify_ssl"] is False


async def test_address_wins_over_more_settings(hass: HomeAssistant, pbx: Simulator) -> None:
    created = await answer_flow(
        hass,
        await begin_flow(hass),
        host=f"http://{pbx.address}/",
        token=TOKEN,
        advanced={"port": 1},
    )
    assert created["data"]["ssl"] is False
    assert created["data"]["port"] == int(pbx.address.split(":")[1])


async def test_impossible_port(hass: HomeAssistant, pbx: Simulator) -> None:
    with pytest.raises(InvalidData):
        await answer_flow(
            hass, await begin_flow(hass), host="pbx", token=TOKEN, advanced={"port": 70000}
        )


async def test_same_pbx_twice(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    aborted = await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=TOKEN)
    assert aborted["type"] is FlowResultType.ABORT
    assert aborted["reason"] == "already_configured"


async def test_pbx_that_tells_nothing_about_itself(hass: HomeAssistant, pbx: Simulator) -> None:
    async def without_device_info(request: web.Request) -> web.Response | None:
        if request.path.endswith("deviceinfo/query"):
            return web.json_response({"status": "Failed", "errno": "10003"})
        return None

    pbx.intercept = without_device_info
    created = await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=TOKEN)
    assert created["title"] == "PBX (127.0.0.1)"
    assert created["result"].unique_id is None


@pytest.mark.parametrize("host", ["", "two words", "ftp://pbx", "pbx:99999"])
async def test_no_host_in_it(hass: HomeAssistant, pbx: Simulator, host: str) -> None:
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=host, token=TOKEN)
    assert form["errors"] == {"host": "invalid_host"}
    await _recover(hass, flow_id, pbx)


async def test_errno_is_in_the_text(hass: HomeAssistant, pbx: Simulator) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"status": "Failed", "errno": "30003"})

    pbx.intercept = refuse
    form = await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=TOKEN)
    assert form["description_placeholders"] == {"errno": "30003"}


async def test_wrong_token(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=pbx.address, token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    await _recover(hass, flow_id, pbx)


async def test_tls_on_a_plain_port(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=f"https://{pbx.address}", token=TOKEN)
    assert form["errors"] == {"base": "ssl_error"}
    await _recover(hass, flow_id, pbx)


async def _recover(hass: HomeAssistant, flow_id: str, pbx: Simulator) -> None:
    """Finish in the same dialog."""
    created = await answer_flow(hass, flow_id, host=pbx.address, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY


NEW_TOKEN = "70f477822e6a379d7359b2d926ea95a5"


async def _begin_login(hass: HomeAssistant, pbx: Simulator, **advanced: Any) -> str:
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=pbx.address, token="", advanced=advanced)
    assert form["step_id"] == "login"
    return flow_id


async def test_signing_in_with_user_and_password(
    hass: HomeAssistant, pbx: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    flow_id = await _begin_login(hass, pbx)
    created = await answer_flow(hass, flow_id, username=" api ", password=PASSWORD)

    assert created["type"] is FlowResultType.CREATE_ENTRY
    host, port = pbx.address.split(":")
    assert created["data"] == {
        "host": host,
        "port": int(port),
        "ssl": False,
        "verify_ssl": True,
        "api": "auto",
        "family": "s_series",
        "credentials": {"username": "api", "secret": PASSWORD_MD5},
        "remembered": {"api": "v0.0.1"},
    }
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    # One for the dialog, given back, and one for good.
    assert pbx.logins == 2
    assert pbx.requests.count("/api/v0.0.1/logout") == 1
    assert PASSWORD_MD5 not in caplog.text


async def test_host_alone_leads_to_the_login(hass: HomeAssistant, pbx: Simulator) -> None:
    form = await answer_flow(hass, await begin_flow(hass), host=pbx.address)
    assert form["step_id"] == "login"
    assert pbx.logins == 0


async def test_no_pbx_there_is_told_before_the_login(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await begin_flow(hass)
    await pbx.stop()
    form = await answer_flow(hass, flow_id, host=pbx.address)
    assert form["step_id"] == "user"
    assert form["errors"] == {"base": "cannot_connect"}


async def test_wrong_password(hass: HomeAssistant, pbx: Simulator) -> None:
    flow_id = await _begin_login(hass, pbx)
    form = await answer_flow(hass, flow_id, username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert _suggested(form) == {"username": "api"}
    assert pbx.logins == 1

    created = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_locked_out(
    hass: HomeAssistant, pbx: Simulator, freezer: FrozenDateTimeFactory
) -> None:
    pbx.clock = dt_util.utcnow
    flow_id = await _begin_login(hass, pbx)
    for error in [*["invalid_auth"] * 5, "locked"]:
        form = await answer_flow(hass, flow_id, username="api", password="wrong")
        assert form["errors"] == {"base": error}
    # Nothing is asked before the lock-out is over.
    pbx.requests.clear()
    form = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert form["errors"] == {"base": "locked"}
    assert pbx.requests == []
    freezer.tick(timedelta(minutes=11))
    created = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_same_pbx_twice_by_login(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    flow_id = await _begin_login(hass, pbx)
    aborted = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert aborted["reason"] == "already_configured"


@pytest.mark.parametrize("api", ["auto", "v1.1.0"])
async def test_the_other_dialect(hass: HomeAssistant, pbx: Simulator, api: str) -> None:
    pbx.version, pbx.model = "v1.1.0", "Yeastar S100"
    flow_id = await _begin_login(hass, pbx, api=api)
    created = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert created["data"]["api"] == api
    assert created["data"]["remembered"] == {"api": "v1.1.0"}
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "3"


async def test_the_wrong_dialect(hass: HomeAssistant, pbx: Simulator) -> None:
    form = await answer_flow(
        hass, await begin_flow(hass), host=pbx.address, token=TOKEN, advanced={"api": "v1.1.0"}
    )
    assert form["errors"] == {"base": "not_a_pbx"}


async def test_impossible_dialect(hass: HomeAssistant, pbx: Simulator) -> None:
    with pytest.raises(InvalidData):
        await answer_flow(hass, await begin_flow(hass), host="pbx", advanced={"api": "v2"})


async def test_few_extensions_are_all_followed(hass: HomeAssistant, pbx: Simulator) -> None:
    pbx.extensions |= {str(number): "" for number in range(200, 221)}
    created = await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["options"] == {}


@pytest.mark.parametrize(
    ("answer", "options", "devices"),
    [
        ({}, {}, 27),
        ({"extensions": []}, {}, 27),
        ({"extensions": ["101", "200"]}, {"extensions": ["101", "200"]}, 3),
    ],
)
async def test_choice_of_many_extensions(
    hass: HomeAssistant,
    pbx: Simulator,
    device_registry: dr.DeviceRegistry,
    answer: dict[str, Any],
    options: dict[str, Any],
    devices: int,
) -> None:
    pbx.extensions |= {str(number): "" for number in range(200, 222)}
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=pbx.address, token=TOKEN)
    assert form["step_id"] == "extensions"
    assert form["description_placeholders"] == {"count": "26"}

    created = await answer_flow(hass, flow_id, **answer)
    assert created["options"] == options
    entry_id = created["result"].entry_id
    assert len(dr.async_entries_for_config_entry(device_registry, entry_id)) == devices


async def _begin_reauth(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    form = await entry.start_reauth_flow(hass)
    assert form["step_id"] == "reauth_confirm"
    assert form["description_placeholders"] == {"name": entry.title}
    return str(form["flow_id"])


async def test_new_token(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    flow_id = await _begin_reauth(hass, connected)
    pbx.revoke_tokens()
    form = await answer_flow(hass, flow_id, token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert connected.data["credentials"] == {"token": TOKEN}
    assert connected.state is ConfigEntryState.LOADED

    pbx.issue_token(NEW_TOKEN)
    done = await answer_flow(hass, flow_id, token=f"{NEW_TOKEN} ")

    assert done["reason"] == "reauth_successful"
    assert connected.data["credentials"] == {"token": NEW_TOKEN}
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_from_a_token_to_the_login(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    flow_id = await _begin_reauth(hass, connected)
    form = await answer_flow(hass, flow_id, token="")
    assert form["step_id"] == "login"
    done = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert done["reason"] == "reauth_successful"
    assert connected.data["credentials"] == {"username": "api", "secret": PASSWORD_MD5}


async def test_new_password(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    pbx.password = "changed"
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert pbx.logins == 1
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "login"

    opened = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert _suggested(opened) == {"username": "api"}
    form = await answer_flow(hass, flow["flow_id"], username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert _suggested(form) == {"username": "api"}
    assert pbx.logins == 2

    done = await answer_flow(hass, flow["flow_id"], username="api", password="changed")
    assert done["reason"] == "reauth_successful"
    assert "refused" not in entry_with_user.data
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_new_password_is_not_delayed_by_refusals_of_the_old_one(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    """A PBX that does not say that the token is missing is left alone after a refused login."""

    async def refuse_without_token(request: web.Request) -> web.Response | None:
        if request.query.get("token") == "":
            return web.json_response({"status": "Failed", "errno": "99"})
        return None

    await hass.config_entries.async_setup(entry_with_user.entry_id)
    pbx.password = "changed"
    pbx.revoke_tokens()
    await poll(hass)
    assert "refusals" in entry_with_user.data["remembered"]
    pbx.intercept = refuse_without_token
    (flow,) = hass.config_entries.flow.async_progress()
    await answer_flow(hass, flow["flow_id"], username="api", password="changed")
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_new_token_of_another_pbx(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    flow_id = await _begin_reauth(hass, connected)
    pbx.serial_number = "another"
    pbx.issue_token(NEW_TOKEN)
    done = await answer_flow(hass, flow_id, token=NEW_TOKEN)
    assert done["reason"] == "wrong_pbx"
    assert connected.data["credentials"] == {"token": TOKEN}


@pytest.mark.parametrize("serial_number", ["", "a09805021987"])
async def test_new_token_of_a_pbx_without_a_known_serial_number(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, serial_number: str
) -> None:
    hass.config_entries.async_update_entry(entry, unique_id=None)
    flow_id = await _begin_reauth(hass, entry)
    pbx.serial_number = serial_number
    pbx.issue_token(NEW_TOKEN)
    done = await answer_flow(hass, flow_id, token=NEW_TOKEN)
    assert done["reason"] == "reauth_successful"


async def _begin_reconfigure(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    form = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    assert _suggested(form)["host"] == f"127.0.0.1:{entry.data['port']}"
    return str(form["flow_id"])


async def test_new_address(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, recorded: Spool
) -> None:
    flow_id = await _begin_reconfigure(hass, connected)
    await pbx.stop()
    form = await answer_flow(hass, flow_id, host=pbx.address)
    assert form["errors"] == {"base": "cannot_connect"}
    form = await answer_flow(hass, flow_id, host="two words")
    assert form["errors"] == {"host": "invalid_host"}

    async with Simulator(
        recorded,
        extensions=pbx.extensions,
        token=TOKEN,
        version="v1.1.0",
        other_version_reply="10003",
    ) as moved:
        done = await answer_flow(hass, flow_id, host=moved.address, advanced={"verify_ssl": False})
        assert done["reason"] == "reconfigure_successful"
        assert connected.data["port"] == int(moved.address.split(":")[1])
        assert connected.data["remembered"] == {"api": "v1.1.0"}
        assert connected.data["verify_ssl"] is False
        assert connected.data["credentials"] == {"token": TOKEN}
        assert get_state(hass, "sensor.reception_101_unread_messages").state == "3"
        await hass.config_entries.async_unload(connected.entry_id)


async def test_settings_that_are_not_changed(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """The frontend sends the default of a section that is not opened, and after an error, too."""
    settings = {"ssl": False, "verify_ssl": False, "api": "v0.0.1"}
    hass.config_entries.async_update_entry(connected, data={**connected.data, **settings})
    flow_id = await _begin_reconfigure(hass, connected)
    await answer_flow(hass, flow_id, host="two words")
    done = await answer_flow(hass, flow_id, host=pbx.address)
    assert done["reason"] == "reconfigure_successful"
    assert settings.items() <= connected.data.items()


async def test_address_of_another_pbx(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, recorded: Spool
) -> None:
    before = dict(connected.data)
    flow_id = await _begin_reconfigure(hass, connected)
    async with Simulator(recorded, token=TOKEN, serial_number="another") as another:
        done = await answer_flow(hass, flow_id, host=another.address)
    assert done["reason"] == "wrong_pbx"
    assert connected.data == before
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_several_extensions_in_one_text_at_set_up(
    hass: HomeAssistant, pbx: Simulator
) -> None:
    pbx.extensions |= {str(number): "" for number in range(200, 222)}
    flow_id = await begin_flow(hass)
    await answer_flow(hass, flow_id, host=pbx.address, token=TOKEN)
    created = await answer_flow(hass, flow_id, extensions=["101, 102 "])
    assert created["options"] == {"extensions": ["101", "102"]}


async def test_reconfigure_asks_for_a_password_that_was_refused(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    """It is not sent again, at whatever address."""
    pbx.password = "changed"
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert pbx.logins == 1
    flow_id = await _begin_reconfigure(hass, entry_with_user)
    form = await answer_flow(hass, flow_id, host=pbx.address)
    assert form["step_id"] == "login"
    assert pbx.logins == 1
    form = await answer_flow(hass, flow_id, username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    done = await answer_flow(hass, flow_id, username="api", password="changed")
    assert done["reason"] == "reconfigure_successful"
    assert "refused" not in entry_with_user.data
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_password_that_is_refused_while_reconfiguring(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    """The next answer is a new password, not the refused one once more."""
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    pbx.password = "changed"
    pbx.logins = 0
    flow_id = await _begin_reconfigure(hass, entry_with_user)
    form = await answer_flow(hass, flow_id, host=pbx.address)
    assert form["step_id"] == "login"
    assert form["errors"] == {"base": "invalid_auth"}
    assert _suggested(form) == {"username": "api"}
    assert pbx.logins == 1
    done = await answer_flow(hass, flow_id, username="api", password="changed")
    assert done["reason"] == "reconfigure_successful"


async def test_dead_token_while_reconfiguring(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """A PBX that has moved and restarted: neither the old address nor the old token is good."""
    pbx.revoke_tokens()
    flow_id = await _begin_reconfigure(hass, connected)
    form = await answer_flow(hass, flow_id, host=pbx.address, advanced={"verify_ssl": False})
    assert form["step_id"] == "reauth_confirm"
    assert form["errors"] == {"base": "invalid_auth"}
    form = await answer_flow(hass, flow_id, token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}

    pbx.issue_token(NEW_TOKEN)
    done = await answer_flow(hass, flow_id, token=NEW_TOKEN)
    assert done["reason"] == "reconfigure_successful"
    assert connected.data["credentials"] == {"token": NEW_TOKEN}
    assert connected.data["verify_ssl"] is False


@pytest.mark.parametrize(
    ("before", "after"), [("UC501 (192.0.2.1)", "UC501 (127.0.0.1)"), ("Office", "Office")]
)
async def test_title_follows_the_address_unless_a_person_chose_it(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, before: str, after: str
) -> None:
    data = {**entry.data, "host": "192.0.2.1"}
    hass.config_entries.async_update_entry(entry, title=before, data=data)
    form = await entry.start_reconfigure_flow(hass)
    done = await answer_flow(hass, form["flow_id"], host=pbx.address)
    assert done["reason"] == "reconfigure_successful"
    assert entry.title == after


async def test_address_with_a_path_is_suggested_as_it_is(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, "path": "office"})
    form = await entry.start_reconfigure_flow(hass)
    assert _suggested(form)["host"] == f"http://{pbx.address}/office"
    done = await answer_flow(hass, str(form["flow_id"]), **_suggested(form))
    assert done["reason"] == "reconfigure_successful"
    assert entry.data["path"] == "office"


async def test_no_flow_asks_a_pbx_that_has_locked_us_out(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    pbx.password = "changed"
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    reauth = await entry_with_user.start_reauth_flow(hass)
    reconfigure = await entry_with_user.start_reconfigure_flow(hass)
    async_note_lock_out(hass, "127.0.0.1", 600)
    pbx.requests.clear()
    for flow_id, answers in (
        (await begin_flow(hass), {"host": pbx.address, "token": TOKEN}),
        (await begin_flow(hass), {"host": "127.0.0.1"}),
        (reconfigure["flow_id"], {"host": pbx.address}),
        (reauth["flow_id"], {"username": "api", "password": "changed"}),
    ):
        form = await answer_flow(hass, flow_id, **answers)
        assert form["errors"] == {"base": "locked"}
    assert pbx.requests == []


async def test_port_is_found(
    hass: HomeAssistant, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SSeries, "endpoints", (Endpoint(pbx.port, tls=False),))
    created = await answer_flow(hass, await begin_flow(hass), host="127.0.0.1", token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["data"]["port"] == pbx.port
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_mistakes_of_ours_are_not_taken_for_a_wrong_host(
    hass: HomeAssistant, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: SSeries, connection: Connection) -> Mapping[str, str]:
        raise ValueError

    monkeypatch.setattr(SSeries, "probe", fail)
    with pytest.raises(ValueError):
        await answer_flow(hass, await begin_flow(hass), host=pbx.address, token=TOKEN)


class WithoutTokens(SSeries):
    """A family like the others, but for tokens and for the words of its login."""

    key = "without_tokens"
    apis: ClassVar[Mapping[str, str]] = {"v3": "v3 (Without tokens)"}
    accepts_token = False
    login_step = "login_asterisk"
    longest_interval = 3600


@pytest.fixture
def without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no other family."""
    known = (WithoutTokens(),)
    monkeypatch.setattr(families, "FAMILIES", known)
    monkeypatch.setattr(config_flow, "FAMILIES", known)


async def test_token_for_a_family_without_tokens(
    hass: HomeAssistant, pbx: Simulator, without_tokens: None
) -> None:
    """It is refused in words, and not sent."""
    flow_id = await begin_flow(hass)
    form = await answer_flow(hass, flow_id, host=pbx.address, token=TOKEN)
    assert form["step_id"] == "user"
    assert form["errors"] == {"token": "token_not_supported"}
    assert pbx.tokens == []

    form = await answer_flow(hass, flow_id, host=pbx.address)
    assert form["step_id"] == "login_asterisk"
    form = await answer_flow(hass, flow_id, username="api", password="wrong")
    assert form["step_id"] == "login_asterisk"
    assert form["errors"] == {"base": "invalid_auth"}
    created = await answer_flow(hass, flow_id, username="api", password=PASSWORD)
    assert created["data"]["family"] == "without_tokens"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"

    entry = created["result"]
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "login_asterisk"


async def test_only_what_the_family_speaks_can_be_chosen(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    """A PBX of another family is another PBX."""
    flow_id = await _begin_reconfigure(hass, connected)
    with pytest.raises(InvalidData):
        await answer_flow(hass, flow_id, host=pbx.address, advanced={"api": "v3"})
