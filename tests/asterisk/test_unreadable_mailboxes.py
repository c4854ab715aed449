"""Mailboxes that a real Asterisk does not let be read: only their extensions are unavailable.

After a crash, Asterisk finds its own lock in a folder, and waits for it in vain for ever.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.issues import Issue
from custom_components.pbx_voicemail.pbx.asterisk import mailboxes as mailboxes_module

from ..helpers import get_state
from ..test_websocket_api import Card
from .fixtures import Put
from .home import Home, home_of
from .program import Asterisk


@pytest.fixture(autouse=True)
def retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at every poll for mailboxes that could not be read."""
    monkeypatch.setattr(mailboxes_module, "_FIRST_RETRY", 0)


@pytest.fixture
def locked(
    asterisk: Asterisk, unused_mailboxes: Iterator[str], put: Put
) -> Iterator[tuple[str, Path]]:
    """Have a mailbox with messages, and a folder whose lock a crash has left behind."""
    mailbox = next(unused_mailboxes)
    put(mailbox, callers=("6001", "6002"))
    put(mailbox, callers=("6003",), folder="Old")
    lock = asterisk.voicemail / "default" / mailbox / "Old" / ".lock"
    lock.touch()
    yield mailbox, lock
    lock.unlink(missing_ok=True)


def _is_hub_available(home: Home) -> bool:
    keys = ("messages", "unread_messages", "mailboxes_with_messages")
    states = {get_state(home.hass, f"sensor.asterisk_{key}").state for key in keys}
    return "unavailable" not in states


async def test_lock_that_was_left_behind(
    hass: HomeAssistant, asterisk: Asterisk, mailbox: str, locked: tuple[str, Path], put: Put
) -> None:
    put(mailbox, callers=("6001",))
    number, lock = locked
    async with home_of(hass, asterisk.ports.web, mailbox, number, is_catching_up=True) as home:
        assert home.counts(mailbox) == ("1", "1", "on")
        assert not home.is_available(number)
        assert not _is_hub_available(home)
        with pytest.raises(HomeAssistantError):
            await hass.services.async_call(
                DOMAIN, "get_messages", {"extension": number}, blocking=True, return_response=True
            )

        asterisk.call(mailbox, "6004")
        await home.wait_for_callers("6004")
        issue_id = f"{Issue.SETUP_FOR_MAILBOX}_{home.entry.entry_id}"
        while not (issue := ir.async_get(hass).async_get_issue(DOMAIN, issue_id)):
            await home.coordinator.async_refresh()
        assert issue.translation_key == "mailbox_locked"
        assert issue.translation_placeholders == {"model": "Asterisk", "extension": number}
        assert not home.is_available(number)

        lock.unlink()
        await home.coordinator.async_refresh()
        assert home.counts(number) == ("3", "2", "on")
        assert _is_hub_available(home)
        assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
        asterisk.call(number, "6005")
        # Those that were there before are no news.
        await home.wait_for_callers("6004", "6005")


async def test_card(
    hass: HomeAssistant,
    asterisk: Asterisk,
    locked: tuple[str, Path],
    hass_ws_client: WebSocketGenerator,
) -> None:
    """It is told that the mailbox cannot be read, so it does not show an empty one."""
    number, lock = locked
    async with home_of(hass, asterisk.ports.web, number, is_catching_up=True) as home:
        card = Card(await hass_ws_client())
        await card.subscribe()
        assert [extension["available"] for extension in card.extensions] == [False]
        lock.unlink()
        await home.coordinator.async_refresh()
        await card.receive()
        assert [extension["available"] for extension in card.extensions] == [True]
        assert len(card.messages) == 3


async def test_restart_while_a_mailbox_is_locked(
    hass: HomeAssistant,
    asterisk: Asterisk,
    locked: tuple[str, Path],
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What came meanwhile is announced, nothing is announced again, and nothing is forgotten."""
    monkeypatch.setattr(mailboxes_module, "_FIRST_RETRY", 600)
    number, lock = locked
    lock.unlink()
    async with home_of(hass, asterisk.ports.web, number) as home:
        (heard,) = [m for m in home.coordinator.data.mailbox(number).messages if m.caller == "6001"]
        home.coordinator.read_state.marks.mark([heard])
        assert await hass.config_entries.async_unload(home.entry.entry_id)
        put(number, callers=("6004",))
        lock.touch()
        assert await hass.config_entries.async_setup(home.entry.entry_id)
        await hass.async_block_till_done()
        assert not home.is_available(number)
        assert await hass.config_entries.async_reload(home.entry.entry_id)
        await hass.async_block_till_done()
        assert not home.is_available(number)

        # Marks of messages that are gone are deleted at the second look.
        for minutes in (2, 4):
            await home.coordinator.async_refresh()
            async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=minutes))
            await hass.async_block_till_done()
        assert not home.is_available(number)

        lock.unlink()
        put(number, callers=("6005",))
        await home.coordinator.async_refresh()
        await home.wait_for_callers("6004", "6005")
        assert home.counts(number)[0] == "5"
        inbox = asterisk.voicemail / "default" / number / "INBOX"
        # The mark is told to the Asterisk now.
        await home.wait_until(lambda: len(list(inbox.glob("*.txt"))) == 3)


async def test_more_mailboxes_than_one_poll_may_ask_for(
    hass: HomeAssistant,
    asterisk: Asterisk,
    unused_mailboxes: Iterator[str],
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Home Assistant does not wait for them when it starts, and announces nothing of them."""
    monkeypatch.setattr(mailboxes_module, "_AT_ONCE", 1)
    monkeypatch.setattr(mailboxes_module, "_LONGEST_POLL", 0.001)
    numbers = [next(unused_mailboxes) for _ in range(3)]
    for number in numbers:
        put(number, callers=("6001",))
    async with home_of(hass, asterisk.ports.web, *numbers, is_catching_up=True) as home:
        assert not all(map(home.is_available, numbers))
        assert not _is_hub_available(home)

        while not all(map(home.is_available, numbers)):
            await home.coordinator.async_refresh()
        assert {home.counts(number) for number in numbers} == {("1", "1", "on")}
        assert _is_hub_available(home)
        asterisk.call(numbers[-1], "6002")
        await home.wait_for_callers("6002")
