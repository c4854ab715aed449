"""The roster: the extensions of a PBX that we know, and how people write them."""

from collections.abc import Collection, Iterable, Mapping
import re
from time import monotonic
from typing import Final

from ..pbx import Extension

_SECONDS: Final = 60 * 60
"""How often a PBX is asked for its list of extensions."""

_MOST_NEW: Final = 50
"""How many numbers that are on no list are taken up in an hour, after the first answer."""

_SEPARATORS: Final = re.compile(r"[\s,;،、，；]+")


class Roster:
    """Knows the extensions that are chosen or, without a choice, all that there are.

    Those are the ones listed by the PBX, seen with messages, or known before. Where the PBX
    has a list, others are known for as long as they have messages, and where it names ever
    new ones, they are taken up a few in an hour.
    """

    def __init__(self, chosen: Collection[str]) -> None:
        """Take the chosen extensions."""
        self.listed: Mapping[str, Extension] = {}
        """What the PBX last listed; empty if it has no list."""
        self.unlisted: set[str] = set()
        """The numbers that were taken up in this run though they are on no list."""
        self._chosen = chosen
        self._is_listed_anew = False
        self._new = 0
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        """Tell whether the PBX is to be asked for its list."""
        return monotonic() >= self._due

    def ask_soon(self) -> None:
        """Have the PBX asked with the next poll."""
        self._due = 0

    def take(self, listed: Iterable[Extension] | None) -> None:
        """Take the PBX's list, None if it has none."""
        self._due = monotonic() + _SECONDS
        self._new = 0
        if listed is not None:
            self.listed = {extension.number: extension for extension in listed}
            self._is_listed_anew = True

    def merge(
        self, known: Mapping[str, Extension], mailboxes: Collection[str]
    ) -> Mapping[str, Extension]:
        """Return the roster: `known` itself, if nothing has changed."""
        if self._chosen:
            return {number: self.listed.get(number) or Extension(number) for number in self._chosen}
        if self._is_listed_anew:
            self._is_listed_anew = False
            kept = self.listed.keys() | set(mailboxes)
            if not known.keys() <= kept:
                known = {number: known[number] for number in known.keys() & kept}
        new = self._few_of(set(mailboxes) - known.keys() - self.listed.keys(), is_first=not known)
        if not new and self.listed.items() <= known.items():
            return known
        return {**known, **{number: Extension(number) for number in new}, **self.listed}

    def _few_of(self, numbers: Collection[str], *, is_first: bool) -> Collection[str]:
        """Return those of the numbers, on no list, that are taken up now."""
        if is_first or not numbers:
            return numbers
        few = sorted(numbers)[: max(0, _MOST_NEW - self._new)]
        self._new += len(few)
        self.unlisted.update(few)
        return few


def read_extension_numbers(entered: Iterable[str]) -> tuple[str, ...]:
    """Return extension numbers as people enter them: with spaces, or several in one text."""
    numbers = (number for text in entered for number in _SEPARATORS.split(text))
    return tuple(dict.fromkeys(filter(None, numbers)))
