"""PBXs that refuse this address after too many failed logins, and until when.

The repair issue outlives a restart; what a configuration flow ran into is kept in memory. A
lock-out is by address, so all entries and flows for a host share it.
"""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.const import CONF_HOST
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..issues import Issue, async_delete_issues, issue_data
from ..pbx import PbxLockedError

_UNTIL_LIFTED: Final = timedelta(hours=1)
"""A lock-out without an end is looked at again after so long."""

_LONGEST: Final = timedelta(days=1)
"""A lock-out that seems to last longer was noted while the clock was wrong."""

_LOCKED: Final[HassKey[dict[str, datetime]]] = HassKey(f"{DOMAIN}_locked_out")


@callback
def async_note_lock_out(hass: HomeAssistant, host: str, seconds: float | None) -> datetime:
    """Remember that a PBX has locked us out, for so long or until somebody lifts it.

    Returns until when it is left alone.
    """
    length = _UNTIL_LIFTED if seconds is None else timedelta(seconds=seconds)
    until = dt_util.utcnow() + length
    hass.data.setdefault(_LOCKED, {})[host] = until

    @callback
    def delete_issues(now: datetime) -> None:
        for entry in hass.config_entries.async_entries(DOMAIN):
            if entry.data.get(CONF_HOST) == host and locked_for(hass, host) is None:
                async_delete_issues(hass, entry, Issue.LOCKED_OUT)

    job = HassJob(delete_issues, f"{DOMAIN} end of lock-out", cancel_on_shutdown=True)
    async_call_later(hass, length, job)
    return until


@callback
def async_raise_if_locked(hass: HomeAssistant, host: str) -> None:
    """Raise PbxLockedError while a PBX refuses us."""
    if left := locked_for(hass, host):
        raise PbxLockedError(None, left.total_seconds())


@callback
def locked_for(hass: HomeAssistant, host: str) -> timedelta | None:
    """Return how much longer a PBX refuses us, None if it does not."""
    now = dt_util.utcnow()
    ends = [
        datetime.fromisoformat(str(data["until"]))
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.data.get(CONF_HOST) == host and (data := issue_data(hass, entry, Issue.LOCKED_OUT))
    ]
    if until := hass.data.get(_LOCKED, {}).get(host):
        ends.append(until)
    return max((end - now for end in ends if timedelta() < end - now <= _LONGEST), default=None)
