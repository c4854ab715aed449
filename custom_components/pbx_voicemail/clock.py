"""What the PBX's clock gives away: that it is wrong, or that its zone is another than assumed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_TOLERANCE: Final = timedelta(minutes=5)
_QUARTER: Final = timedelta(minutes=15)
_WESTMOST: Final = timedelta(hours=-12)
_EASTMOST: Final = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class ClockFault:
    """How far the PBX's clock is ahead of ours, and the UTC offset that would explain it.

    `offset` is None where none would: then it is the clock that is wrong.
    """

    ahead: timedelta
    offset: timedelta | None


def find_fault(shown: datetime, zone: tzinfo, now: datetime) -> ClockFault | None:
    """Compare what the clock shows with what it should, were the PBX in `zone`.

    A clock that tells its zone is taken at its word for that.
    """
    assumed = now.astimezone(zone).utcoffset() or timedelta()
    told = shown.utcoffset()
    ahead = shown.replace(tzinfo=UTC) - (now.astimezone(UTC) + assumed)
    shift = round(ahead / _QUARTER) * _QUARTER if told is None else told - assumed
    if not shift and abs(ahead) <= _TOLERANCE:
        return None
    if abs(ahead - shift) <= _TOLERANCE and _WESTMOST <= assumed + shift <= _EASTMOST:
        return ClockFault(ahead, assumed + shift)
    return ClockFault(ahead, None)


def zones_at(offset: timedelta, now: datetime, names: Iterable[str]) -> list[str]:
    """Return those of the zones whose clocks show this UTC offset now. Reads files."""
    return [name for name in sorted(names) if ZoneInfo(name).utcoffset(now) == offset]


def hours_and_minutes(span: timedelta) -> str:
    """Write a span as `+1:30` or `-0:07`."""
    minutes = round(abs(span) / timedelta(minutes=1))
    return f"{'-' if span < timedelta() else '+'}{minutes // 60}:{minutes % 60:02}"
