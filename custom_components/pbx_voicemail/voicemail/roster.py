"""The roster: the known extensions of a PBX."""

from collections.abc import Collection, Iterable, Mapping
import re
from time import monotonic
from typing import Final

from ..pbx import Extension

_REFRESH_SECONDS: Final = 60 * 60
"""How often the PBX is asked for its extension list."""

_MAX_UNLISTED: Final = 50
"""How many extensions that are not on the list are added between two refreshes of it."""

_SEPARATORS: Final = re.compile(r"[\s,;،、，；]+")


class Roster:
    """The chosen extensions or, if none are chosen, all extensions of the PBX.

    Those are the extensions that the PBX lists, that have messages, or that were known before.
    Where the PBX has a list, others are only known while they have messages. Not all of them
    are added at once, in case a PBX reports new numbers with each poll.
    """

    def __init__(self, chosen: Collection[str]) -> None:
        """Start with the chosen extensions; an empty collection means all."""
        self.listed: Mapping[str, Extension] = {}
        """The extensions on the PBX's last list, empty if it has none."""
        self.unlisted: set[str] = set()
        """The numbers that have been added since the start without being on the list."""
        self.revision = 0
        """Increases whenever the PBX's list has changed."""
        self._chosen = chosen
        self._has_new_list = False
        self._added = 0
        self._next_refresh = 0.0

    @property
    def is_refresh_due(self) -> bool:
        """Whether it is time to ask the PBX for its extension list."""
        return monotonic() >= self._next_refresh

    def request_refresh(self) -> None:
        """Make the next poll ask for the extension list."""
        self._next_refresh = 0

    def set_listed(self, listed: Iterable[Extension] | None) -> None:
        """Set the PBX's extension list, None if it has none."""
        self._next_refresh = monotonic() + _REFRESH_SECONDS
        self._added = 0
        if listed is not None:
            before = self.listed
            self.listed = {extension.number: extension for extension in listed}
            self.revision += self.listed != before
            self._has_new_list = True

    def merge(
        self, known: Mapping[str, Extension], mailboxes: Collection[str]
    ) -> Mapping[str, Extension]:
        """Return the roster, given the last one and the extensions that have messages.

        It is `known` itself if nothing has changed.
        """
        if self._chosen:
            roster = {
                number: self.listed.get(number) or Extension(number) for number in self._chosen
            }
            return known if known == roster else roster
        if self._has_new_list:
            self._has_new_list = False
            kept = self.listed.keys() | set(mailboxes)
            if not known.keys() <= kept:
                known = {number: known[number] for number in known.keys() & kept}
        unlisted = set(mailboxes) - known.keys() - self.listed.keys()
        added = self._limit(unlisted) if known else unlisted
        if not added and self.listed.items() <= known.items():
            return known
        return {**known, **{number: Extension(number) for number in added}, **self.listed}

    def _limit(self, numbers: Collection[str]) -> Collection[str]:
        """Return as many unlisted numbers as can be added now."""
        if not numbers:
            return numbers
        added = sorted(numbers)[: max(0, _MAX_UNLISTED - self._added)]
        self._added += len(added)
        self.unlisted.update(added)
        return added


def parse_extension_numbers(entered: Iterable[str]) -> tuple[str, ...]:
    """Return the extension numbers that a user has entered, one or several in each text."""
    numbers = (number for text in entered for number in _SEPARATORS.split(text))
    return tuple(dict.fromkeys(filter(None, numbers)))
