"""Reads what a P-Series says about itself."""

from datetime import UTC, datetime, timedelta
from typing import Final

from yarl import URL

from ..json_values import JsonObject, as_text
from ..models import ClockFault, PbxInfo, serial_number_in
from ..text import product_name

_TOLERANCE: Final = timedelta(minutes=5)
"""By how much a clock may be wrong."""

_LONGEST_TEXT: Final = 20


def read_info(reply: JsonObject, web_page: URL, now: datetime) -> PbxInfo:
    """Return what is in a reply to `system/information` ("Query PBX Information")."""
    data = reply.get("data")
    info = data if isinstance(data, dict) else reply
    return PbxInfo(
        manufacturer="Yeastar",
        model=product_name(as_text(info.get("model_name"))),
        serial_number=serial_number_in(as_text(info.get("sn"))),
        firmware_version=product_name(as_text(info.get("firmware_version"))),
        web_page=web_page,
        clock_fault=_clock_fault(as_text(info.get("timestamp")), now),
    )


def _clock_fault(timestamp: str, now: datetime) -> ClockFault | None:
    """Return how wrong the clock is. Its time zone does not matter: messages are dated in UTC."""
    try:
        shown = datetime.fromtimestamp(float(timestamp[:_LONGEST_TEXT]), UTC)
    except ValueError, OverflowError, OSError:
        return None
    ahead = shown - now
    return ClockFault("UTC", ahead, None) if abs(ahead) > _TOLERANCE else None
