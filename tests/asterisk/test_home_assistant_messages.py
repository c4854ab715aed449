"""What people do to messages in Home Assistant happens on a real Asterisk, and the other way round."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from ..helpers import call_action
from ..pbx.contract.proxy import Proxy
from .fixtures import Put, audio_of
from .home import Home, home_of
from .manager import Lamp, counts, ids_in, lamps, move
from .program import Asterisk
from .settings import USERNAME
from .test_set_up import RELOAD_WEB


@pytest.fixture
async def proxy(asterisk: Asterisk) -> AsyncIterator[Proxy]:
    """Have something between Home Assistant and the Asterisk that counts requests."""
    async with Proxy(asterisk.ports.web) as proxy:
        yield proxy


@pytest.fixture
async def home(
    hass: HomeAssistant, proxy: Proxy, mailbox: str, put: Put, request: pytest.FixtureRequest
) -> AsyncIterator[Home]:
    """Connect Home Assistant to a mailbox with two new messages, as a manager user."""
    put(mailbox, callers=("6001", "6002"))
    username = getattr(request, "param", USERNAME)
    async with home_of(hass, proxy.port, mailbox, username=username) as home:
        assert home.counts(mailbox) == ("2", "2", "on")
        yield home
        assert home.callers == []


def _issues(hass: HomeAssistant) -> set[str | None]:
    """Return the repair issues, which have to outlast a restart of Home Assistant."""
    issues = [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert all(issue.is_persistent for issue in issues)
    return {issue.translation_key for issue in issues}


async def test_message_that_was_heard_is_old_on_the_asterisk(
    home: Home, asterisk: Asterisk, mailbox: str, hass_client: ClientSessionGenerator
) -> None:
    """The message-waiting lamps of phones go out, and somebody on a phone has the last word."""
    browser = await hass_client()
    async with lamps(asterisk) as lit:
        response = await browser.get(home.path(mailbox, "6001"))
        assert await response.read() == audio_of("6001")
        await home.wait_until(lambda: home.counts(mailbox) == ("2", "1", "on"))
        await home.wait_until(lambda: Lamp(f"{mailbox}@default", is_on=True) in lit)
        assert await counts(asterisk, mailbox) == (1, 1)

        response = await browser.get(home.path(mailbox, "6002"))
        assert await response.read() == audio_of("6002")
        await home.wait_until(lambda: home.counts(mailbox) == ("2", "0", "off"))
        await home.wait_until(lambda: Lamp(f"{mailbox}@default", is_on=False) in lit)
        assert await counts(asterisk, mailbox) == (0, 2)

        await home.wait_until(lambda: not home.coordinator.read_state.marks.extensions)
        await move(asterisk, mailbox, "Old", "INBOX")
        await home.wait_until(lambda: home.counts(mailbox) == ("2", "1", "on"))
    await home.coordinator.async_refresh()
    assert home.counts(mailbox) == ("2", "1", "on")
    assert await counts(asterisk, mailbox) == (1, 1)


async def test_mailbox_that_is_marked_as_read(home: Home, asterisk: Asterisk, mailbox: str) -> None:
    button = home.entity_id(mailbox, "mark_all_read", "button")
    await home.hass.services.async_call("button", "press", {"entity_id": button}, blocking=True)
    assert await counts(asterisk, mailbox) == (0, 2)
    await home.wait_until(lambda: home.counts(mailbox) == ("2", "0", "off"))


async def test_message_that_was_heard_on_a_phone(
    home: Home, asterisk: Asterisk, mailbox: str
) -> None:
    await move(asterisk, mailbox, "INBOX", "Old")
    await home.wait_until(lambda: home.counts(mailbox) == ("2", "1", "on"))


async def test_asterisk_that_is_down_is_told_later(
    home: Home, asterisk: Asterisk, mailbox: str
) -> None:
    message_id = home.message_id(mailbox, "6001")
    asterisk.kill()
    with pytest.raises(HomeAssistantError) as raised:
        await call_action(home.hass, "mark_read", message_id=message_id)
    assert raised.value.translation_key == "cannot_connect"
    await asyncio.to_thread(asterisk.start)
    assert await counts(asterisk, mailbox) == (2, 0)
    await home.wait_until(
        lambda: home.is_available(mailbox) and home.counts(mailbox) == ("2", "1", "on")
    )
    async with asyncio.timeout(10):
        while await counts(asterisk, mailbox) != (1, 1):
            await asyncio.sleep(0.1)


async def test_home_assistant_that_restarts_before_the_asterisk_was_told(
    home: Home, asterisk: Asterisk, mailbox: str
) -> None:
    message_id = home.message_id(mailbox, "6001")
    asterisk.kill()
    with pytest.raises(HomeAssistantError):
        await call_action(home.hass, "mark_read", message_id=message_id)
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    await asyncio.to_thread(asterisk.start)
    assert await home.hass.config_entries.async_setup(home.entry.entry_id)
    await home.wait_until(lambda: home.counts(mailbox) == ("2", "1", "on"))
    async with asyncio.timeout(10):
        while await counts(asterisk, mailbox) != (1, 1):
            await asyncio.sleep(0.1)


async def test_message_that_is_deleted(home: Home, asterisk: Asterisk, mailbox: str) -> None:
    (first, second) = await ids_in(asterisk, mailbox, "INBOX")
    await call_action(home.hass, "delete_message", message_id=home.message_id(mailbox, "6001"))
    assert await ids_in(asterisk, mailbox, "INBOX") == [second]
    await home.wait_until(lambda: home.counts(mailbox) == ("1", "1", "on"))
    assert first != second


async def test_recordings_that_are_not_linked(
    home: Home, asterisk: Asterisk, mailbox: str, hass_client: ClientSessionGenerator
) -> None:
    """The answer says what to do, and so does a repair issue until a recording came through."""
    browser = await hass_client()
    path = home.path(mailbox, "6001")
    with asterisk.set_up(RELOAD_WEB, is_linked=False):
        response = await browser.get(path)
        assert response.status == HTTPStatus.BAD_GATEWAY
        assert "ln -sfn /var/spool/asterisk/voicemail" in await response.text()
        assert _issues(home.hass) == {"recordings_not_linked"}
        assert home.counts(mailbox) == ("2", "2", "on")
        await home.coordinator.async_refresh()
        assert _issues(home.hass) == {"recordings_not_linked"}
    assert home.is_available(mailbox)

    response = await browser.get(path)
    assert await response.read() == audio_of("6001")
    assert _issues(home.hass) == set()


@pytest.mark.parametrize("home", ["reader"], indirect=True)
async def test_user_without_the_right_to_change(
    home: Home,
    proxy: Proxy,
    asterisk: Asterisk,
    mailbox: str,
    hass_client: ClientSessionGenerator,
) -> None:
    """Reading goes on as before, and costs no more requests."""
    message_id = home.message_id(mailbox, "6001")
    for action in ("delete_message", "mark_read"):
        with pytest.raises(HomeAssistantError, match="write=reporting,user") as raised:
            await call_action(home.hass, action, message_id=message_id)
        assert raised.value.translation_key == "user_right_missing"
        assert _issues(home.hass) == {"user_right_missing"}
    assert await counts(asterisk, mailbox) == (2, 0)
    browser = await hass_client()
    response = await browser.get(home.path(mailbox, "6002"))
    assert await response.read() == audio_of("6002")
    await home.wait_until(lambda: home.counts(mailbox) == ("2", "0", "off"))

    await home.wait_until(lambda: home.is_push_up)
    await asyncio.sleep(3)
    before = proxy.connections
    await asyncio.sleep(5)
    assert proxy.connections <= before + 1
    asterisk.call(mailbox, "6003")
    await home.wait_until(lambda: home.callers == ["6003"])
    home.announced.clear()


def _left_behind(asterisk: Asterisk) -> tuple[str, set[str]]:
    """Return the sessions of ours on the Asterisk, and the tasks of ours in Home Assistant."""
    sessions = asterisk.command("manager show connected")
    ours = "\n".join(line for line in sessions.splitlines() if USERNAME in line)
    names = {task.get_name() for task in asyncio.all_tasks()}
    return ours, {name for name in names if "pbx_voicemail" in name}


async def test_unloading_leaves_nothing_behind(
    home: Home, asterisk: Asterisk, mailbox: str
) -> None:
    session, tasks = _left_behind(asterisk)
    assert session
    assert tasks
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    assert _left_behind(asterisk) == ("", set())


@pytest.mark.parametrize("end", ["unload", "stop"])
async def test_ending_during_a_poll_leaves_nothing_behind(
    home: Home, asterisk: Asterisk, mailbox: str, put: Put, end: str
) -> None:
    """A folder whose lock is not had keeps a poll busy for seconds."""
    put(mailbox, callers=("6003",), folder="Work")
    await home.coordinator.async_refresh()
    lock = asterisk.voicemail / "default" / mailbox / "Old" / ".lock"
    lock.touch()
    put(mailbox, callers=("6000",), folder="Old")
    poll = asyncio.create_task(home.coordinator.async_refresh())
    await asyncio.sleep(0.5)
    assert not poll.done()
    if end == "unload":
        assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    else:
        home.hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await home.wait_until(lambda: not _left_behind(asterisk)[0], 6)
    await poll
    lock.unlink()
    assert _left_behind(asterisk)[0] == ""
    await asyncio.sleep(2)
    assert _left_behind(asterisk)[0] == ""
