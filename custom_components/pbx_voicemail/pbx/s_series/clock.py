"""Judges the PBX's clock: it may be wrong, or show another time zone than was assumed."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from ..models import ClockFault

_TOLERANCE: Final = timedelta(minutes=5)
_QUARTER: Final = timedelta(minutes=15)
_WESTMOST: Final = timedelta(hours=-12)
_EASTMOST: Final = timedelta(hours=14)
_SUMMER_TIME: Final = timedelta(hours=1)


def find_fault(shown: datetime, zone: tzinfo, now: datetime) -> ClockFault | None:
    """Compare what the clock shows with what it should, were the PBX in `zone`.

    Dates of messages are read off that clock, so what counts is the time that it shows. A
    zone that comes with it may be the one of winter all year round; it only rules others out.
    """
    assumed = now.astimezone(zone).utcoffset() or timedelta()
    ahead = shown.replace(tzinfo=UTC) - (now.astimezone(UTC) + assumed)
    if abs(ahead) <= _TOLERANCE:
        return None
    shift = round(ahead / _QUARTER) * _QUARTER
    offset = assumed + shift
    is_possible = _WESTMOST <= offset <= _EASTMOST and _may_show(shown.utcoffset(), offset, assumed)
    if shift and abs(ahead - shift) <= _TOLERANCE and is_possible:
        return ClockFault(str(zone), ahead, offset)
    return ClockFault(str(zone), ahead, None)


def _may_show(named: timedelta | None, offset: timedelta, assumed: timedelta) -> bool:
    """Return whether a clock that names one UTC offset may go by another."""
    if named in (None, offset):
        return True
    # From UTC+4 to UTC+9, nobody has summer time.
    has_summer_time = named != assumed and not timedelta(hours=4) <= named <= timedelta(hours=9)
    return has_summer_time and offset - named == _SUMMER_TIME
