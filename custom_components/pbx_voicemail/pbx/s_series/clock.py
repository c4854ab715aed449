"""Checks the PBX's clock, which may be wrong or in another time zone than the configured one."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from ..models import ClockFault

TOLERANCE: Final = timedelta(minutes=5)
QUARTER: Final = timedelta(minutes=15)
"""UTC offsets are multiples of it."""
MIN_OFFSET: Final = timedelta(hours=-12)
MAX_OFFSET: Final = timedelta(hours=14)
SUMMER_TIME: Final = timedelta(hours=1)


def find_fault(shown: datetime, zone: tzinfo, now: datetime) -> ClockFault | None:
    """Compare the time that the PBX shows with the time in `zone`. Return None if they agree.

    The time matters, since messages are dated by it. A UTC offset in `shown` does not: it may be
    that of winter all year round, so it is only used to exclude other offsets.
    """
    expected = now.astimezone(zone).utcoffset() or timedelta()
    ahead = shown.replace(tzinfo=UTC) - (now.astimezone(UTC) + expected)
    if abs(ahead) <= TOLERANCE:
        return None
    shift = round(ahead / QUARTER) * QUARTER
    offset = expected + shift
    is_possible = MIN_OFFSET <= offset <= MAX_OFFSET and _may_have_offset(
        shown.utcoffset(), offset, expected
    )
    if shift and abs(ahead - shift) <= TOLERANCE and is_possible:
        return ClockFault(str(zone), ahead, offset)
    return ClockFault(str(zone), ahead, None)


def _may_have_offset(shown: timedelta | None, offset: timedelta, expected: timedelta) -> bool:
    """Return whether a clock that shows one UTC offset, or none, may be set to another one."""
    if shown in (None, offset):
        return True
    # No country from UTC+4 to UTC+9 has summer time.
    has_summer_time = shown != expected and not timedelta(hours=4) <= shown <= timedelta(hours=9)
    return has_summer_time and offset - shown == SUMMER_TIME
