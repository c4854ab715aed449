"""Messages in the data of a poll: looking them up in one iteration, and packing them."""

from collections import UserDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import override

from custom_components.pbx_voicemail.pbx import Mailbox, Message
from custom_components.pbx_voicemail.voicemail.data import PbxData


class CountingMailboxes(UserDict[str, Mailbox]):
    """Mailboxes that count how often they are iterated over."""

    iterations = 0

    @override
    def __iter__(self) -> Iterator[str]:
        self.iterations += 1
        return super().__iter__()


def _data() -> tuple[PbxData, CountingMailboxes]:
    mailboxes = CountingMailboxes(
        (number, Mailbox.of(number, [Message(f"{number}-{index}", number) for index in range(3)]))
        for number in ("101", "102")
    )
    return PbxData(mailboxes, {}), mailboxes


def test_extensions_are_found_in_one_iteration() -> None:
    data, mailboxes = _data()
    assert data.extensions_of(["101-0", "102-1", "102-2", "gone"]) == {
        "101-0": "101",
        "102-1": "102",
        "102-2": "102",
    }
    assert mailboxes.iterations == 1


def test_no_iteration_without_messages() -> None:
    data, mailboxes = _data()
    assert data.extensions_of([]) == {}
    assert mailboxes.iterations == 0


def test_find() -> None:
    data, _ = _data()
    found = data.find("102-1")
    assert found is not None
    assert found.extension == "102"
    assert data.find("gone") is None


def test_packed_messages_are_the_same() -> None:
    begin = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
    messages = tuple(
        Message(f"{number:016x}", "101", caller, name, received, duration, read, urgent)
        for number, (caller, name, received, duration, read, urgent) in enumerate(
            product(
                ("6000", None),
                ("Ann", None),
                (begin, begin + timedelta(microseconds=1), None),
                (0, 4, None),
                (True, False, None),
                (True, False),
            )
        )
    )
    mailbox = Mailbox.of("101", messages)
    assert mailbox.messages == messages
    assert all(mailbox.find(message.id) == message for message in messages)
