"""Finds messages whose dates were shifted because the PBX's time zone was changed.

A PBX stores when a message was left, and shows it in its local time. So all dates are shifted at
once, and with them the ids that are made of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ..models import message_id
from .clock import MAX_OFFSET, MIN_OFFSET, QUARTER, SUMMER_TIME
from .mailboxes import NumberedMessage

_SHIFTS: Final = tuple(
    sign * number * QUARTER
    for number in range(1, (MAX_OFFSET - MIN_OFFSET) // QUARTER + 1)
    for sign in (1, -1)
)
_SAMPLE_SIZE: Final = 20
"""How many messages of a mailbox are compared with all shifts, the rest with likely ones."""

_MIN_EVIDENCE: Final = 3
"""How many messages must have the same shift if the PBX's clock is unknown."""


@dataclass(slots=True)
class ShiftedDates:
    """The messages that may have been shifted.

    `candidates` are, for each shift, their old ids and new ones. `has_others` is whether there
    are messages that were not shifted, are new, or are gone.
    """

    candidates: dict[timedelta, dict[str, str]] = field(default_factory=dict)
    has_others: bool = False

    def add(
        self,
        extension: str,
        messages: Sequence[NumberedMessage],
        known: Collection[str],
        key: bytes,
    ) -> None:
        """Compare the messages of an extension with the ids that it had before."""
        gone = set(known) - {message.id for message in messages}
        new = [message for message in messages if message.id not in known]
        self.has_others |= len(new) < len(messages)
        shifts: Collection[timedelta] = _SHIFTS
        for number, message in enumerate(new):
            if number == _SAMPLE_SIZE:
                shifts = self.candidates.keys()
            before = {
                old: shift
                for shift, old in _earlier_ids(extension, message, shifts, key)
                if old in gone
            }
            for old, shift in before.items():
                self.candidates.setdefault(shift, {})[old] = message.id
            self.has_others |= not before
            gone -= before.keys()
        self.has_others |= bool(gone)

    def renamed(self, clock_shift: timedelta | None) -> Mapping[str, str]:
        """Return the messages that were shifted, old id to new.

        `clock_shift` is how much the PBX's clock was shifted, None if unknown. Messages from the
        other half of the year may have been shifted by an hour more or less.
        """
        if clock_shift is None:
            (only,) = self.candidates.values() if len(self.candidates) == 1 else ({},)
            return only if len(only) >= _MIN_EVIDENCE and not self.has_others else {}
        if not clock_shift:
            return {}
        return {
            old: new
            for shift, ids in self.candidates.items()
            if abs(shift - clock_shift) <= SUMMER_TIME
            for old, new in ids.items()
        }


def _earlier_ids(
    extension: str, message: NumberedMessage, shifts: Collection[timedelta], key: bytes
) -> Iterator[tuple[timedelta, str]]:
    """Return the id that a message had before each of the shifts."""
    local_date, *rest = message.identity
    try:
        date = datetime.fromisoformat(local_date)
        if str(date) != local_date:
            return
        for shift in shifts:
            yield shift, message_id(key, extension, str(date - shift), *rest, str(message.ordinal))
    except ValueError, OverflowError:
        return
