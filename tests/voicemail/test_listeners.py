"""Listeners to one extension are called when that extension has changed."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import Extension, Mailbox, Message
from custom_components.pbx_voicemail.voicemail.data import PbxData
from custom_components.pbx_voicemail.voicemail.listeners import ExtensionListeners

ANN = Mailbox.of("101", [Message("a", "101")])
BOB = Mailbox.of("102", [Message("b", "102")])


def _data(*mailboxes: Mailbox, roster: Iterable[str] = ("101", "102", "103")) -> PbxData:
    return PbxData(
        {mailbox.extension: mailbox for mailbox in mailboxes},
        {number: Extension(number) for number in roster},
    )


@pytest.fixture
def listeners(hass: HomeAssistant) -> ExtensionListeners:
    """Keep the listeners of an entry."""
    return ExtensionListeners(hass, MockConfigEntry(domain=DOMAIN))


async def test_only_changes_are_noticed(listeners: ExtensionListeners) -> None:
    called: list[str] = []
    for number in ("101", "102", "103"):
        listeners.add(number, partial(called.append, number))

    def update(available: bool, data: PbxData) -> list[str]:
        called.clear()
        listeners.async_update(available, data)
        return sorted(called)

    assert update(True, _data(ANN)) == ["101", "102", "103"]
    assert update(True, _data(ANN)) == []
    assert update(True, _data(ANN, BOB)) == ["102"]
    assert update(True, _data(BOB, roster=("101", "102"))) == ["101", "103"]
    assert update(False, _data(BOB, roster=("101", "102"))) == ["101", "102", "103"]
    assert update(False, _data(BOB, roster=("101", "102"))) == []
    assert update(True, _data(BOB)) == ["101", "102", "103"]

    unreadable = replace(_data(BOB), unreadable=frozenset({"103"}))
    assert update(True, unreadable) == ["103"]
    assert update(True, _data(BOB)) == ["103"]

    listeners.async_update(True, _data(BOB), (1, 0))
    assert called[1:] == ["101", "102", "103"]


async def test_listener_that_fails_or_leaves(
    listeners: ExtensionListeners, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []

    def fail() -> None:
        remove()
        raise ValueError("not the others' problem")

    remove = listeners.add("101", fail)
    listeners.add("101", lambda: called.append("101"))
    for mailboxes in ((ANN,), ()):
        listeners.async_update(True, _data(*mailboxes))
    assert called == ["101", "101"]
    assert caplog.text.count("ValueError: ") == 1


async def test_many_changes_let_other_tasks_run(
    hass: HomeAssistant, listeners: ExtensionListeners
) -> None:
    """An extension that changes again before its turn is called once, and sees the latest data."""
    numbers = [str(number) for number in range(100, 600)]
    called: list[str] = []
    for number in numbers:
        listeners.add(number, partial(called.append, number))
    most = 0
    listeners.async_update(False, _data())
    listeners.async_update(True, _data())
    while len(called) < len(numbers):
        before = len(called)
        await asyncio.sleep(0)
        most = max(most, len(called) - before)
    await hass.async_block_till_done()

    assert most == 5
    assert called == [*numbers, *numbers[:5]]
