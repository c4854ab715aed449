"""Who left a message: the name of the caller, and the number as people write it and as it is dialled."""

from dataclasses import dataclass

from ..pbx import Message
from .phone_book import PhoneBook
from .roster import Roster


@dataclass(frozen=True, slots=True, repr=False)
class Caller:
    """The caller of a message; each value is None if it is unknown.

    `number` is what the PBX reports, `formatted` the same number as people of the country write
    it, and `e164` the number to dial from anywhere, None if it is not a public one. A caller is
    known if the phone book or the PBX's list of extensions has the number: a name alone says
    nothing, because callers can choose it.
    """

    number: str | None
    name: str | None
    formatted: str | None
    e164: str | None
    is_known: bool


class Callers:
    """Knows callers by the PBX's own names, the phone book, and the list of extensions."""

    def __init__(self, phone_book: PhoneBook, roster: Roster) -> None:
        """Look names up in a phone book and a roster."""
        self._phone_book = phone_book
        self._roster = roster

    @property
    def revision(self) -> tuple[int, int]:
        """A value that changes whenever a caller may have another name or format."""
        return self._phone_book.revision, self._roster.revision

    def find(self, message: Message) -> Caller:
        """Return the caller of a message."""
        number = message.caller
        return Caller(
            number=number,
            name=self.name_of(message),
            formatted=self.formatted_number_of(message),
            e164=self._phone_book.dialled(number) if number else None,
            is_known=number is not None and self._own_name_of(number) is not None,
        )

    def name_of(self, message: Message) -> str | None:
        """Return the caller's name: from the PBX, else the phone book, else the extension's."""
        if message.caller_name or not message.caller:
            return message.caller_name
        return self._own_name_of(message.caller) or None

    def formatted_number_of(self, message: Message) -> str | None:
        """Return the caller's number as people of the country write it."""
        return self._phone_book.formatted(message.caller) if message.caller else None

    def _own_name_of(self, number: str) -> str | None:
        """Return the name in the phone book or list of extensions.

        It is empty if an extension has none, and None if neither has the number.
        """
        if name := self._phone_book.name_of(number):
            return name
        extension = self._roster.listed.get(number)
        return (extension.name or "") if extension else None
