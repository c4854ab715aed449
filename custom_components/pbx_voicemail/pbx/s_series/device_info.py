"""Parses what a PBX says about itself and its clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
import re
from typing import Final, Self

from ..json_values import JsonObject, as_text
from ..models import serial_number_in
from ..text import product_name
from .clock import MAX_OFFSET, MIN_OFFSET, QUARTER, TOLERANCE
from .reply import as_objects
from .versions import OPENVOX_MAC_PREFIX

_MAX_CLOCK_LENGTH: Final = 64
_CLOCK: Final = re.compile(
    r"(?P<clock>[^U]+?)(?: (?:UTC|GMT)(?:(?P<sign>[+-])(?P<hours>\d{1,2})(?::(?P<minutes>\d\d))?)?)?"
)

_MAC: Final = re.compile(OPENVOX_MAC_PREFIX + "[0-9A-F]{6}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A reply to `deviceinfo/query` (OpenVox UC API, "Query device information").

    What the PBX leaves out is None.
    """

    model: str | None = None
    serial_number: str | None = None
    hardware_version: str | None = None
    firmware_version: str | None = None
    system_time: datetime | None = None
    """The PBX's local time. It is naive, unless the reply has a UTC offset."""

    @classmethod
    def parse(cls, reply: JsonObject) -> Self:
        """Parse a reply."""
        info = next(iter(as_objects(reply.get("deviceinfo"))), reply)
        return cls(
            model=product_name(as_text(info.get("devicename"))),
            serial_number=serial_number_in(as_text(info.get("sn"))),
            hardware_version=product_name(as_text(info.get("hardwarever"))),
            firmware_version=product_name(as_text(info.get("firmwarever"))),
            system_time=_parse_clock(as_text(info.get("systemtime"))),
        )

    @property
    def manufacturer(self) -> str | None:
        """The manufacturer, if the model name contains it: OpenVox's models do not."""
        return "Yeastar" if self.model and self.model.startswith("Yeastar") else None

    @property
    def mac_address(self) -> str | None:
        """The MAC address, if it is the serial number, as with OpenVox. Yeastar's are no addresses."""
        return self.serial_number if _MAC.fullmatch(self.serial_number or "") else None

    def clock_offset(self, now: datetime) -> timedelta | None:
        """Return the UTC offset of the PBX's time, None if unknown or not possible."""
        if self.system_time is None:
            return None
        ahead = self.system_time.replace(tzinfo=UTC) - now
        offset = round(ahead / QUARTER) * QUARTER
        is_possible = abs(ahead - offset) <= TOLERANCE and MIN_OFFSET <= offset <= MAX_OFFSET
        return offset if is_possible else None


def _parse_clock(value: str) -> datetime | None:
    """Parse `2020-05-19 04:06:07`, or `2017-05-24 23:25:20 UTC-8` as Yeastar writes it."""
    if not (match := _CLOCK.fullmatch(value[:_MAX_CLOCK_LENGTH])):
        return None
    try:
        clock = datetime.fromisoformat(match["clock"])
        if match["sign"] is None:
            return clock
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        return clock.replace(tzinfo=timezone(-offset if match["sign"] == "-" else offset))
    except ValueError:
        return None
