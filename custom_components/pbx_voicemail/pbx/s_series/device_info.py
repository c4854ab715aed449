"""Reads what a PBX of this family says about itself, and what its clock gives away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
import re
from typing import Final, Self

from ..models import serial_number_in
from ..text import product_name
from .reply import JsonObject, objects, text

_TOLERANCE: Final = timedelta(minutes=5)
_QUARTER: Final = timedelta(minutes=15)
_WESTMOST: Final = timedelta(hours=-12)
_EASTMOST: Final = timedelta(hours=14)

_LONGEST_CLOCK: Final = 64
_CLOCK: Final = re.compile(
    r"(?P<clock>[^U]+?)(?: (?:UTC|GMT)(?:(?P<sign>[+-])(?P<hours>\d{1,2})(?::(?P<minutes>\d\d))?)?)?"
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A reply to `deviceinfo/query` (OpenVox UC API, "Query device information").

    Each is None if the PBX leaves it out.
    """

    model: str | None = None
    serial_number: str | None = None
    hardware_version: str | None = None
    firmware_version: str | None = None
    system_time: datetime | None = None
    """What the PBX's clock shows, in its own zone; naive, unless the reply names the zone."""

    @classmethod
    def read(cls, reply: JsonObject) -> Self:
        """Read it from a reply."""
        info = next(iter(objects(reply.get("deviceinfo"))), reply)
        return cls(
            model=product_name(text(info.get("devicename"))),
            serial_number=serial_number_in(text(info.get("sn"))),
            hardware_version=product_name(text(info.get("hardwarever"))),
            firmware_version=product_name(text(info.get("firmwarever"))),
            system_time=_read_clock(text(info.get("systemtime"))),
        )

    @property
    def manufacturer(self) -> str | None:
        """Who built the PBX, if its name for itself says so: OpenVox's does not."""
        return "Yeastar" if self.model and self.model.startswith("Yeastar") else None

    def clock_offset(self, now: datetime) -> timedelta | None:
        """Return the UTC offset of what the clock shows, None if no zone has such a one."""
        if self.system_time is None:
            return None
        ahead = self.system_time.replace(tzinfo=UTC) - now
        offset = round(ahead / _QUARTER) * _QUARTER
        is_possible = abs(ahead - offset) <= _TOLERANCE and _WESTMOST <= offset <= _EASTMOST
        return offset if is_possible else None


def _read_clock(value: str) -> datetime | None:
    """Read `2020-05-19 04:06:07`, or `2017-05-24 23:25:20 UTC-8` as Yeastar writes it."""
    if not (match := _CLOCK.fullmatch(value[:_LONGEST_CLOCK])):
        return None
    try:
        clock = datetime.fromisoformat(match["clock"])
        if match["sign"] is None:
            return clock
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        return clock.replace(tzinfo=timezone(-offset if match["sign"] == "-" else offset))
    except ValueError:
        return None
