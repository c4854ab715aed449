"""Recognises messages whose dates have moved because the PBX's time zone was changed.

A PBX keeps the moment at which a message was left, and tells it in its local time of now.
So all dates move at once, and the ids that are made of them change.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ..models import message_id
from .mailboxes import NumberedMessage

_QUARTER: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(hours=26)
"""From the westernmost zone to the easternmost one."""

_SPANS: Final = tuple(
    sign * number * _QUARTER for number in range(1, _LONGEST // _QUARTER + 1) for sign in (1, -1)
)
_SUMMER_TIME: Final = timedelta(hours=1)
_SAMPLE: Final = 20
"""So many messages of a mailbox are tried with all spans, the rest with those that fit."""

_ENOUGH: Final = 3
"""So many messages that moved alike are proof where the PBX's clock tells nothing."""


@dataclass(slots=True)
class Moved:
    """What may have moved, by how much: old ids and new ones.

    `has_others` is whether there are also messages that stayed, came or went.
    """

    renamed: dict[timedelta, dict[str, str]] = field(default_factory=dict)
    has_others: bool = False

    def add(
        self,
        extension: str,
        messages: Sequence[NumberedMessage],
        known: Collection[str],
        key: bytes,
    ) -> None:
        """Compare the messages of an extension with the ids that were there before."""
        gone = set(known) - {message.id for message in messages}
        new = [message for message in messages if message.id not in known]
        self.has_others |= len(new) < len(messages)
        spans: Collection[timedelta] = _SPANS
        for number, message in enumerate(new):
            if number == _SAMPLE:
                spans = self.renamed.keys()
            before = {
                old: span
                for span, old in _earlier_ids(extension, message, spans, key)
                if old in gone
            }
            for old, span in before.items():
                self.renamed.setdefault(span, {})[old] = message.id
            self.has_others |= not before
            gone -= before.keys()
        self.has_others |= bool(gone)

    def judge(self, clock: timedelta | None) -> Mapping[str, str]:
        """Return the messages that did move, given by how much the PBX's clock did.

        None is a clock that cannot tell. Messages of the other half of the year may have
        moved by an hour more or less.
        """
        if clock is None:
            (only,) = self.renamed.values() if len(self.renamed) == 1 else ({},)
            return only if len(only) >= _ENOUGH and not self.has_others else {}
        if not clock:
            return {}
        return {
            old: new
            for span, ids in self.renamed.items()
            if abs(span - clock) <= _SUMMER_TIME
            for old, new in ids.items()
        }


def _earlier_ids(
    extension: str, message: NumberedMessage, spans: Collection[timedelta], key: bytes
) -> Iterator[tuple[timedelta, str]]:
    """Return what a message was called if its date has moved by one of the spans."""
    told, *rest = message.identity
    try:
        date = datetime.fromisoformat(told)
        if str(date) != told:
            return
        for span in spans:
            yield span, message_id(key, extension, str(date - span), *rest, str(message.ordinal))
    except ValueError, OverflowError:
        return
