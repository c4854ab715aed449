"""The roster: the extensions of a PBX that we know, and how people write them."""

from collections.abc import Collection, Iterable, Mapping
import re
from time import monotonic
from typing import Final

from .pbx import Extension

_SECONDS: Final = 60 * 60
"""How often a PBX is asked for its list of extensions."""

_SEPARATORS: Final = re.compile(r"[\s,;،、，；]+")


class Roster:
    """Knows the extensions that are chosen or, without a choice, all that there are.

    Those are the ones listed by the PBX, seen with messages, or known before.
    """

    def __init__(self, chosen: Collection[str]) -> None:
        """Take the chosen extensions."""
        self.listed: Mapping[str, Extension] = {}
        """What the PBX last listed; empty if it has no list."""
        self._chosen = chosen
        self._gone: Collection[str] = ()
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
        if listed is not None:
            before = self.listed.keys()
            self.listed = {extension.number: extension for extension in listed}
            self._gone = before - self.listed.keys()

    def merge(
        self, known: Mapping[str, Extension], mailboxes: Collection[str]
    ) -> Mapping[str, Extension]:
        """Return the roster: `known` itself, if nothing has changed."""
        if self._chosen:
            return {number: self.listed.get(number) or Extension(number) for number in self._chosen}
        if self._gone:
            known = {number: known[number] for number in known.keys() - self._gone}
            self._gone = ()
        if set(mailboxes) <= known.keys() and self.listed.items() <= known.items():
            return known
        return {**known, **{number: Extension(number) for number in mailboxes}, **self.listed}


def read_extension_numbers(entered: Iterable[str]) -> tuple[str, ...]:
    """Return extension numbers as people enter them: with spaces, or several in one text."""
    numbers = (number for text in entered for number in _SEPARATORS.split(text))
    return tuple(dict.fromkeys(filter(None, numbers)))
