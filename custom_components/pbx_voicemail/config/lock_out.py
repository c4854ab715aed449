"""PBXs that refuse this address for some time after too many failed logins, and until when.

The repair issue outlives a restart; what a configuration flow ran into is kept in memory. A
lock-out is by address, so all entries and flows for a host share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from homeassistant.const import CONF_HOST
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..issues import Issue, async_delete_issues, issue_data
from ..pbx import PbxLockedError


@dataclass(frozen=True, slots=True)
class LockOut:
    """Until when a PBX refuses us, and for how long altogether."""

    until: datetime
    length: timedelta

    @classmethod
    def from_issue_data(cls, data: Mapping[str, str | int | float | None]) -> Self:
        """Read what `as_issue_data` returned."""
        return cls(
            datetime.fromisoformat(str(data["until"])),
            timedelta(seconds=float(data.get("seconds") or 0)),
        )

    def as_issue_data(self) -> dict[str, str | int | float | None]:
        """Return it in a form that a repair issue can keep."""
        return {"until": self.until.isoformat(), "seconds": self.length.total_seconds()}

    def left(self, now: datetime) -> timedelta | None:
        """Return how much longer it lasts, None if it is over.

        More than its whole length means that the clock was wrong when it was noted.
        """
        left = self.until - now
        return left if timedelta() < left <= self.length else None


_LOCKED: Final[HassKey[dict[str, LockOut]]] = HassKey(f"{DOMAIN}_locked_out")


@callback
def async_note_lock_out(hass: HomeAssistant, host: str, seconds: float) -> LockOut:
    """Remember that a PBX has locked us out for so long."""
    length = timedelta(seconds=seconds)
    lock_out = LockOut(dt_util.utcnow() + length, length)
    hass.data.setdefault(_LOCKED, {})[host] = lock_out

    @callback
    def delete_issues(now: datetime) -> None:
        for entry in hass.config_entries.async_entries(DOMAIN):
            if entry.data.get(CONF_HOST) == host and locked_for(hass, host) is None:
                async_delete_issues(hass, entry, Issue.LOCKED_OUT)

    job = HassJob(delete_issues, f"{DOMAIN} end of lock-out", cancel_on_shutdown=True)
    async_call_later(hass, length, job)
    return lock_out


@callback
def async_raise_if_locked(hass: HomeAssistant, host: str) -> None:
    """Raise PbxLockedError while a PBX refuses us."""
    if left := locked_for(hass, host):
        raise PbxLockedError(None, left.total_seconds())


@callback
def locked_for(hass: HomeAssistant, host: str) -> timedelta | None:
    """Return how much longer a PBX refuses us, None if it does not."""
    now = dt_util.utcnow()
    lock_outs = [
        LockOut.from_issue_data(data)
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.data.get(CONF_HOST) == host and (data := issue_data(hass, entry, Issue.LOCKED_OUT))
    ]
    if noted := hass.data.get(_LOCKED, {}).get(host):
        lock_outs.append(noted)
    return max(filter(None, (lock_out.left(now) for lock_out in lock_outs)), default=None)
