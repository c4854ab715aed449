"""What polls bring can be looked up without going through it again and again."""

from collections import UserDict
from collections.abc import Iterator
from typing import override

from custom_components.pbx_voicemail.pbx import Mailbox, Message
from custom_components.pbx_voicemail.voicemail.data import PbxData


class Counted(UserDict[str, Mailbox]):
    """Mailboxes that count how often somebody goes through them."""

    walks = 0

    @override
    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()


def _data() -> tuple[PbxData, Counted]:
    mailboxes = Counted(
        (number, Mailbox.of(number, [Message(f"{number}-{index}", number) for index in range(3)]))
        for number in ("101", "102")
    )
    return PbxData(mailboxes, {}), mailboxes


def test_many_are_found_in_one_walk() -> None:
    data, mailboxes = _data()
    assert data.extensions_of(["101-0", "102-1", "102-2", "gone"]) == {
        "101-0": "101",
        "102-1": "102",
        "102-2": "102",
    }
    assert mailboxes.walks == 1


def test_nobody_walks_for_nothing() -> None:
    data, mailboxes = _data()
    assert data.extensions_of([]) == {}
    assert mailboxes.walks == 0


def test_one() -> None:
    data, _ = _data()
    found = data.find("102-1")
    assert found is not None
    assert found.extension == "102"
    assert data.find("gone") is None
