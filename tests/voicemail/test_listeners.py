"""Listeners to one extension are called when that extension has changed."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pytest

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


def test_only_changes_are_noticed() -> None:
    listeners = ExtensionListeners()
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


def test_listener_that_fails_or_leaves(caplog: pytest.LogCaptureFixture) -> None:
    listeners = ExtensionListeners()
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
