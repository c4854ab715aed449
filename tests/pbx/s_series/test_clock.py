"""Faults of the PBX's clock: another time zone, or a wrong time."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from custom_components.pbx_voicemail.pbx import ClockFault
from custom_components.pbx_voicemail.pbx.s_series.clock import find_fault

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")  # two hours ahead in July


def _minutes(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("clock", "zone", "fault"),
    [
        ("14:00:00", BERLIN, None),
        ("14:05:00", BERLIN, None),
        ("13:55:00", BERLIN, None),
        ("12:00:00", UTC, None),
        ("12:00:00", BERLIN, ClockFault(str(BERLIN), _minutes(-120), _minutes(0))),
        ("17:34:00", UTC, ClockFault(str(UTC), _minutes(334), _minutes(330))),
        ("17:45:00", BERLIN, ClockFault(str(BERLIN), _minutes(225), _minutes(345))),
        ("14:07:00", BERLIN, ClockFault(str(BERLIN), _minutes(7), None)),
        ("14:06:00", BERLIN, ClockFault(str(BERLIN), _minutes(6), None)),
        ("14:12:00", BERLIN, ClockFault(str(BERLIN), _minutes(12), _minutes(135))),
    ],
)
def test_clock_without_a_zone(clock: str, zone: tzinfo, fault: ClockFault | None) -> None:
    shown = datetime.fromisoformat(f"2026-07-01 {clock}")
    assert find_fault(shown, zone, NOW) == fault


def test_clock_of_another_year() -> None:
    fault = find_fault(datetime(1970, 1, 1), UTC, NOW)
    assert fault is not None
    assert fault.offset is None


@pytest.mark.parametrize(
    ("clock", "hours", "fault"),
    [
        ("14:00:00", 2, None),
        ("20:00:00", 8, ClockFault(str(BERLIN), _minutes(360), _minutes(480))),
        ("15:00:00", 2, ClockFault(str(BERLIN), _minutes(60), None)),
        ("21:00:00", 8, ClockFault(str(BERLIN), _minutes(420), None)),
    ],
)
def test_clock_with_a_zone(clock: str, hours: int, fault: ClockFault | None) -> None:
    shown = datetime.fromisoformat(f"2026-07-01 {clock}").replace(
        tzinfo=timezone(timedelta(hours=hours))
    )
    assert find_fault(shown, BERLIN, NOW) == fault


LOS_ANGELES = ZoneInfo("America/Los_Angeles")  # UTC-8 in winter, UTC-7 in July


@pytest.mark.parametrize(
    ("clock", "zone", "fault"),
    [
        # The time is right, although the offset is that of winter all year round.
        ("05:00:00", LOS_ANGELES, None),
        ("05:04:00", LOS_ANGELES, None),
        ("05:37:00", LOS_ANGELES, ClockFault(str(LOS_ANGELES), _minutes(37), None)),
        ("04:00:00", LOS_ANGELES, ClockFault(str(LOS_ANGELES), _minutes(-60), _minutes(-480))),
        # Home Assistant is in another zone, and the PBX has daylight saving time.
        ("05:00:00", BERLIN, ClockFault(str(BERLIN), _minutes(-540), _minutes(-420))),
        ("04:00:00", BERLIN, ClockFault(str(BERLIN), _minutes(-600), _minutes(-480))),
    ],
)
def test_clock_with_the_offset_of_winter(
    clock: str, zone: tzinfo, fault: ClockFault | None
) -> None:
    shown = datetime.fromisoformat(f"2026-07-01 {clock}").replace(
        tzinfo=timezone(timedelta(hours=-8))
    )
    assert find_fault(shown, zone, NOW) == fault
