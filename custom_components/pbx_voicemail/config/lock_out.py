"""PBXs that refuse this address after too many failed logins, and until when.

The repair issue is the memory that outlives a restart; what a dialog ran into is kept in
memory. A lock-out is by address, so all entries and dialogs for a host share it.
"""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.const import CONF_HOST
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..issues import Issue, data_of, settle

LOCK_OUT: Final = timedelta(minutes=10)
"""How long a PBX refuses an address after five failed logins (OpenVox UC API, "Login")."""

_LOCKED: Final[HassKey[dict[str, datetime]]] = HassKey(f"{DOMAIN}_locked_out")


@callback
def async_note_lock_out(hass: HomeAssistant, host: str) -> datetime:
    """Remember that a PBX has locked us out, and return until when."""
    until = dt_util.utcnow() + LOCK_OUT
    hass.data.setdefault(_LOCKED, {})[host] = until

    @callback
    def settle_all(now: datetime) -> None:
        for entry in hass.config_entries.async_entries(DOMAIN):
            if entry.data.get(CONF_HOST) == host and locked_for(hass, host) is None:
                settle(hass, entry, Issue.LOCKED_OUT)

    job = HassJob(settle_all, f"{DOMAIN} end of lock-out", cancel_on_shutdown=True)
    async_call_later(hass, LOCK_OUT, job)
    return until


@callback
def locked_for(hass: HomeAssistant, host: str) -> timedelta | None:
    """Return how much longer a PBX refuses us, None if it does not.

    More than a whole lock-out means that the clock was wrong when it was noted.
    """
    now = dt_util.utcnow()
    ends = [
        datetime.fromisoformat(str(data["until"]))
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.data.get(CONF_HOST) == host and (data := data_of(hass, entry, Issue.LOCKED_OUT))
    ]
    if until := hass.data.get(_LOCKED, {}).get(host):
        ends.append(until)
    return max((end - now for end in ends if timedelta() < end - now <= LOCK_OUT), default=None)
