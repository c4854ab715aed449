"""What a person is asked to mend, and what keeps the PBX from locking us out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SOURCE_USER, ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import PASSWORD_MD5, TOKEN
from .helpers import get_state, pass_one_hour, poll
from .simulator import Simulator, Spool
from .simulator.server import refuse
from .simulator.spool import INBOX, OLD


def _issues(hass: HomeAssistant) -> dict[str | None, dict[str, str] | None]:
    registry = ir.async_get(hass)
    return {
        issue.translation_key: issue.translation_placeholders
        for (domain, _), issue in registry.issues.items()
        if domain == DOMAIN and issue.active
    }


async def test_wrong_password_is_tried_once_until_a_person_answers(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    pbx.password = "changed"
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert entry_with_user.state is ConfigEntryState.SETUP_ERROR
    assert pbx.logins == 1
    # Nor at a restart, which is nobody's answer.
    for _ in range(3):
        await hass.config_entries.async_reload(entry_with_user.entry_id)
        await poll(hass)
    assert pbx.logins == 1
    assert len(hass.config_entries.flow.async_progress()) == 1


async def test_five_pbxs_with_wrong_passwords_make_five_attempts(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry, recorded: Spool
) -> None:
    for number in range(5):
        entry = MockConfigEntry(
            domain=DOMAIN,
            unique_id=f"pbx{number}",
            minor_version=2,
            data={
                **entry_with_user.data,
                "credentials": {"username": "api", "secret": "0" * 32},
            },
        )
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
    for _ in range(3):
        await poll(hass)
    # The first of the set-ups sets up all, the one with the right password among them.
    assert pbx.logins == 6


async def test_password_that_is_changed_while_we_poll(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert pbx.logins == 1
    pbx.password = "changed"
    await poll(hass)
    assert pbx.logins == 1

    pbx.revoke_tokens()
    for _ in range(3):
        await poll(hass)
    assert pbx.logins == 2
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert get_state(hass, "sensor.reception_101_messages").state == "unavailable"


async def test_reboots_go_unnoticed(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    for reboots in range(1, 4):
        pbx.revoke_tokens()
        await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == "3"
        assert pbx.logins == 1 + reboots


REFUSALS = pytest.mark.parametrize("refusal", ["20010", "30001", "30003", "", "99999", 403, 401])


async def _pass(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: int) -> None:
    """Let seconds pass, and with them what Home Assistant does by itself."""
    for _ in range(seconds // 5):
        freezer.tick(5)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)


@REFUSALS
@pytest.mark.parametrize("seconds", [10, 60, 150])
async def test_reboot_that_refuses_everything_for_a_while(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    refusal: str | int,
    seconds: int,
) -> None:
    """A password that has worked is not doubted; all is well a minute after the PBX is."""
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    logins = pbx.logins
    pbx.quirks.refusal = refusal
    await _pass(hass, freezer, 30 + seconds)
    assert get_state(hass, "sensor.reception_101_messages").state == "unavailable"
    assert pbx.logins - logins <= 2
    assert hass.config_entries.flow.async_progress() == []

    pbx.revoke_tokens()
    pbx.quirks.refusal = None
    await _pass(hass, freezer, 60)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert pbx.logins - logins <= 3
    assert hass.config_entries.flow.async_progress() == []
    assert "refusals" not in entry_with_user.data["remembered"]


@REFUSALS
async def test_start_while_the_pbx_reboots(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    refusal: str | int,
) -> None:
    """Each try to set it up is a new client, and knows of the logins of those before."""
    pbx.quirks.refusal = refusal
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    await _pass(hass, freezer, 25)
    assert entry_with_user.state is ConfigEntryState.SETUP_RETRY
    assert pbx.logins == 1
    pbx.quirks.refusal = None
    await _pass(hass, freezer, 60)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert hass.config_entries.flow.async_progress() == []


async def test_refusal_that_does_not_end(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """After three refused logins a person is asked, and nothing is tried until they answer."""
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    pbx.quirks.refusal = "30003"
    for _ in range(5):
        await _pass(hass, freezer, 120)
        await hass.config_entries.async_reload(entry_with_user.entry_id)
    assert pbx.logins == 1 + 3
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    pbx.requests.clear()
    await _pass(hass, freezer, 600)
    assert pbx.requests == []


async def test_signs_out_when_home_assistant_stops(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert pbx.requests[-1] == "/api/v0.0.1/logout"


async def test_signs_out_when_unloaded(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert await hass.config_entries.async_unload(entry_with_user.entry_id)
    assert pbx.requests[-1] == "/api/v0.0.1/logout"


async def test_failed_starts_leave_no_tokens_behind(
    hass: HomeAssistant, pbx: Simulator, entry_with_user: MockConfigEntry
) -> None:
    async def refuse(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if request.path.endswith("query") else None

    pbx.intercept = refuse
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert entry_with_user.state is ConfigEntryState.SETUP_RETRY
    await poll(hass)
    logouts = sum(path.endswith("logout") for path in pbx.requests)
    assert logouts == pbx.logins == 2


@pytest.mark.parametrize("at_start", [True, False])
async def test_locked_out(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    at_start: bool,
) -> None:
    async def locked(request: web.Request) -> web.Response | None:
        if request.path.endswith("login"):
            return web.json_response({"status": "Failed", "errno": "20002"})
        return None

    if at_start:
        pbx.intercept = locked
        await hass.config_entries.async_setup(entry_with_user.entry_id)
        assert entry_with_user.state is ConfigEntryState.SETUP_RETRY
    else:
        await hass.config_entries.async_setup(entry_with_user.entry_id)
        pbx.intercept = locked
        pbx.revoke_tokens()
        await poll(hass)
    assert _issues(hass)["locked_out"] == {"model": "PBX" if at_start else "UC501"}
    issue = ir.async_get(hass).async_get_issue(DOMAIN, f"locked_out_{entry_with_user.entry_id}")
    assert issue is not None
    assert issue.is_persistent

    pbx.requests.clear()
    for _ in range(4):
        freezer.tick(timedelta(minutes=2))
        await poll(hass)
        await hass.config_entries.async_reload(entry_with_user.entry_id)
    assert [path for path in pbx.requests if not path.endswith("logout")] == []

    pbx.intercept = None
    freezer.tick(timedelta(minutes=4))
    await poll(hass)
    await hass.config_entries.async_reload(entry_with_user.entry_id)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert _issues(hass) == {}
    assert hass.config_entries.flow.async_progress() == []


async def _lock(pbx: Simulator) -> None:
    """Have the PBX refuse all logins, as it does after five that failed."""

    async def locked(request: web.Request) -> web.Response | None:
        return refuse("20002") if request.path.endswith("login") else None

    pbx.intercept = locked
    pbx.revoke_tokens()


async def test_clock_that_was_ten_years_ahead_during_a_lock_out(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    now = dt_util.utcnow()
    freezer.move_to(now + timedelta(days=3650))
    await _lock(pbx)
    await poll(hass)
    assert "locked_out" in _issues(hass)
    freezer.move_to(now + timedelta(minutes=2))
    pbx.intercept = None
    await hass.config_entries.async_reload(entry_with_user.entry_id)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert _issues(hass) == {}


async def test_lock_out_is_heeded_by_dialogs_and_by_other_entries(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    await _lock(pbx)
    await poll(hass)
    pbx.requests.clear()

    other = MockConfigEntry(
        domain=DOMAIN, unique_id="other", minor_version=2, data=entry_with_user.data
    )
    other.add_to_hass(hass)
    await hass.config_entries.async_setup(other.entry_id)
    assert str(other.reason).startswith("The PBX has locked out Home Assistant")
    await hass.config_entries.async_unload(other.entry_id)
    for begin in (
        partial(hass.config_entries.flow.async_init, DOMAIN, context={"source": SOURCE_USER}),
        partial(entry_with_user.start_reconfigure_flow, hass),
    ):
        form = await begin()
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"host": f"http://{pbx.address}"}
        )
        assert form["errors"] == {"base": "locked"}
    form = await entry_with_user.start_reauth_flow(hass)
    login = {"username": "api", "password": "secret"}
    form = await hass.config_entries.flow.async_configure(form["flow_id"], login)
    assert form["errors"] == {"base": "locked"}
    assert pbx.requests == []

    freezer.tick(timedelta(minutes=10))
    pbx.intercept = None
    done = await hass.config_entries.flow.async_configure(form["flow_id"], login)
    assert done["reason"] == "reauth_successful"


@pytest.mark.parametrize("while_disabled", [True, False])
async def test_notice_of_a_lock_out_ends_with_it(
    hass: HomeAssistant,
    pbx: Simulator,
    entry_with_user: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    while_disabled: bool,
) -> None:
    await _lock(pbx)
    await hass.config_entries.async_setup(entry_with_user.entry_id)
    assert "locked_out" in _issues(hass)
    if while_disabled:
        await hass.config_entries.async_set_disabled_by(
            entry_with_user.entry_id, ConfigEntryDisabler.USER
        )
    else:
        await pbx.stop()
    freezer.tick(timedelta(minutes=10, seconds=1))
    async_fire_time_changed(hass)
    await hass.async_block_till_done()
    assert _issues(hass) == {}


@pytest.mark.parametrize("with_user", [True, False])
async def test_refusals_that_nobody_can_explain(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, with_user: bool
) -> None:
    if with_user:
        login = {"username": "api", "secret": PASSWORD_MD5}
        hass.config_entries.async_update_entry(entry, data={**entry.data, "credentials": login})
    await hass.config_entries.async_setup(entry.entry_id)

    async def refuse(request: web.Request) -> web.Response | None:
        if request.path.endswith("voicemail/query"):
            return web.json_response({"status": "Failed", "errno": "30001"})
        return None

    pbx.intercept = refuse
    for _ in range(2):
        await poll(hass)
    assert _issues(hass) == {}
    await poll(hass)
    assert _issues(hass) == {"unknown_refusal": {"model": "UC501", "errno": "30001"}}

    pbx.intercept = None
    await poll(hass)
    assert _issues(hass) == {}


async def test_certificate_that_is_not_verified(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "ssl": True, "verify_ssl": False}
    )
    await hass.config_entries.async_setup(entry.entry_id)
    assert _issues(hass) == {"unverified_tls": None}

    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "ssl": True, "verify_ssl": True}
    )
    await hass.config_entries.async_reload(entry.entry_id)
    assert _issues(hass) == {}


async def test_new_firmware_speaks_another_version(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "3"
    pbx.version, pbx._folders = "v1.1.0", (INBOX, OLD)
    await asyncio.to_thread(pbx.spool.move, "101", "msg0000")
    await poll(hass)
    assert connected.data["remembered"] == {"api": "v1.1.0"}
    assert get_state(hass, "sensor.reception_101_unread_messages").state == "2"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


type Answer = Callable[[dict[str, str]], Awaitable[dict[str, Any]]]


async def _fix(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> tuple[dict[str, Any], Answer]:
    """Begin to mend the time zone over REST; return the form and how to answer it."""
    assert await async_setup_component(hass, "repairs", {})
    client = await hass_client()

    async def post(path: str, body: dict[str, str]) -> dict[str, Any]:
        response = await client.post(f"/api/repairs/issues/fix{path}", json=body)
        answer: dict[str, Any] = await response.json()
        return answer

    issue = {"handler": DOMAIN, "issue_id": f"wrong_time_zone_{entry.entry_id}"}
    form = await post("", issue)
    return form, partial(post, f"/{form['flow_id']}")


async def test_pbx_in_another_time_zone(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    pbx.zone = await dt_util.async_get_time_zone("Asia/Kathmandu") or dt_util.UTC
    await hass.config_entries.async_setup(entry.entry_id)
    (placeholders,) = _issues(hass).values()
    assert placeholders is not None
    assert placeholders["model"] == "UC501"
    assert placeholders["time_zone"] == "US/Pacific"
    assert placeholders["difference"] in ("+12:45", "+13:45")

    form, answer = await _fix(hass, hass_client, entry)
    assert form["description_placeholders"] == placeholders
    (field,) = form["data_schema"]
    assert "Asia/Kathmandu" in field["selector"]["select"]["options"]
    assert "Europe/Berlin" not in field["selector"]["select"]["options"]

    done = await answer({"time_zone": "Asia/Kathmandu"})
    assert done["type"] == "create_entry"
    await hass.async_block_till_done()
    assert entry.options == {"time_zone": "Asia/Kathmandu"}
    assert _issues(hass) == {}
    # Left at 14:51:02 UTC.
    latest = get_state(hass, "sensor.reception_101_latest_message").state
    assert latest == "2026-11-23T14:51:02+00:00"


async def test_pbx_in_home_assistants_zone_after_all(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    hass.config_entries.async_update_entry(entry, options={"time_zone": "Asia/Kathmandu"})
    await hass.config_entries.async_setup(entry.entry_id)
    form, _ = await _fix(hass, hass_client, entry)
    (field,) = form["data_schema"]
    assert field["default"] == "US/Pacific"


async def test_clock_that_is_wrong(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    pbx.clock_error = timedelta(minutes=-37)
    await hass.config_entries.async_setup(entry.entry_id)
    placeholders = {"model": "UC501", "difference": "-0:37", "time_zone": "US/Pacific"}
    assert _issues(hass) == {"wrong_clock": placeholders}

    pbx.clock_error = timedelta(hours=1)
    await pass_one_hour(hass, freezer)
    assert _issues(hass).keys() == {"wrong_time_zone"}

    pbx.clock_error = timedelta()
    await pass_one_hour(hass, freezer)
    assert _issues(hass) == {}


async def test_removed_pbx_leaves_nothing_to_mend(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    pbx.clock_error = timedelta(minutes=-37)
    await hass.config_entries.async_setup(entry.entry_id)
    assert _issues(hass)
    await hass.config_entries.async_remove(entry.entry_id)
    assert _issues(hass) == {}
    assert TOKEN not in str(ir.async_get(hass).issues)
