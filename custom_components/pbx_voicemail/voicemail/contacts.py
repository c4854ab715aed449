"""Contacts, and a directory that finds them by phone number."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from .phone_numbers import NumberPlan, caller_digits, contact_digits

_ENDING: Final = 5
"""How many digits at the end are the same in all forms of a number."""

_MAX_NAMES: Final = 3


class VcardsTooLargeError(ValueError):
    """The vCards are larger than the limit."""


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """A person or an organization, with phone numbers as they are in the address book."""

    name: str
    organization: str | None
    numbers: tuple[str, ...]

    def has_number(self) -> bool:
        """Return whether at least one of the numbers is a phone number."""
        return any(contact_digits(number)[0] for number in self.numbers)


@dataclass(frozen=True, slots=True, repr=False)
class Directory:
    """Finds names by phone number, and formats numbers."""

    plan: NumberPlan
    names: Mapping[str, str]
    """By the key of the number."""
    endings: Collection[str]
    """The last digits of all numbers. Most callers are not contacts, and parsing is slow."""

    @classmethod
    def of(cls, contacts: Iterable[Contact], plan: NumberPlan) -> Self:
        """Create the directory of contacts. Takes a second for some thousands of them."""
        owners = defaultdict[str, list[Contact]](list)
        switchboards = defaultdict[str, list[Contact]](list)
        endings = set()
        for contact in contacts:
            for number in contact.numbers:
                digits, has_extension = contact_digits(number)
                if digits:
                    key = plan.contact_key(digits)
                    (switchboards if has_extension else owners)[key].append(contact)
                    endings.add(digits[-_ENDING:])
        known = {**switchboards, **owners}
        names = {key: _common_name(contacts) for key, contacts in known.items()}
        return cls(plan, names, frozenset(endings))

    def may_know(self, caller: str) -> bool:
        """Return False if the caller is certainly not a contact."""
        digits = caller_digits(caller)
        return digits is not None and digits[-_ENDING:] in self.endings

    def name_of(self, caller: str) -> str | None:
        """Return the name of a caller, None if it is unknown or ambiguous."""
        names = {self.names[key] for key in self._keys(caller) if key in self.names}
        return names.pop() if len(names) == 1 else None

    def number_of(self, caller: str) -> str | None:
        """Return the number of a caller in E.164 form, None if it is not a public number."""
        keys = self._keys(caller)
        key = next((key for key in keys if key in self.names), keys[0] if keys else "")
        return key if key.startswith("+") else None

    def formatted(self, caller: str) -> str:
        """Return the number of a caller as people of the country write it.

        Returns the text unchanged if it is not a public number.
        """
        number = self.number_of(caller)
        return self.plan.formatted(number) if number else caller

    def _keys(self, caller: str) -> list[str]:
        digits = caller_digits(caller)
        return self.plan.caller_keys(digits) if digits else []


def _common_name(contacts: Iterable[Contact]) -> str:
    """Return one name for contacts with the same number: their organization, or their names."""
    names = list(dict.fromkeys(contact.name for contact in contacts))
    organizations = {contact.organization for contact in contacts}
    if len(names) > 1 and len(organizations) == 1 and (organization := organizations.pop()):
        return organization
    return ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
