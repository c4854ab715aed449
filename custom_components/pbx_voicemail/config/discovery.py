"""PBXs that announce themselves on the network when they get an address (DHCP).

An announcement can be forged, and both makers also build devices that are no PBXs. So it only
says where to look. Credentials are never sent because of a MAC address alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeassistant.config_entries import SOURCE_DHCP, ConfigEntry
from homeassistant.const import CONF_HOST, CONF_VERIFY_SSL
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import DATA_RESOLVER, async_get_clientsession
from homeassistant.helpers.discovery_flow import DiscoveryKey, async_create_flow
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.util.network import is_ip_address

from ..const import (
    API_AUTO,
    CONF_API,
    CONF_CREDENTIALS,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_REFUSED,
    CONF_REMEMBERED,
    DOMAIN,
)
from ..pbx import (
    FAMILIES,
    PartialAddress,
    PbxCertificateError,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    family,
)
from .client import address_of
from .identity import async_entry_of
from .probe import ProbeResult, async_probe
from .search import EntryData, SearchTarget, async_find_pbx

_RETRY_SECONDS: Final = (60, 120, 240, 480)
"""When to look again: a PBX gets its address long before its API responds."""


@dataclass(slots=True)
class RepeatedAnnouncement(DhcpServiceInfo):
    """An announcement that is looked at again. `retries` is how often it has been before."""

    retries: int


async def async_find_announced(hass: HomeAssistant, announcement: DhcpServiceInfo) -> EntryData:
    """Return the data of an entry for the PBX, without credentials. Raises PbxError."""
    prefix = announcement.macaddress[:6].upper()
    families = [known for known in FAMILIES if prefix in known.mac_prefixes]
    if not families:
        raise PbxReplyError("not a PBX by its MAC address")
    target = SearchTarget(
        address=PartialAddress(announcement.ip), verify_ssl=True, api=API_AUTO, families=families
    )
    return await async_find_pbx(hass, target)


def announced_name(data: EntryData) -> str:
    """Return what to call the PBX that was found, before it tells its model."""
    product = family(data[CONF_FAMILY]).product_name(data[CONF_REMEMBERED])
    return f"{product} ({data[CONF_HOST]})"


@callback
def async_look_again_later(
    hass: HomeAssistant, announcement: DhcpServiceInfo, key: DiscoveryKey | None
) -> None:
    """Repeat an announcement after a while, but not for ever: Home Assistant reports it once."""
    retries = announcement.retries if isinstance(announcement, RepeatedAnnouncement) else 0
    if retries == len(_RETRY_SECONDS):
        return
    again = RepeatedAnnouncement(
        announcement.ip, announcement.hostname, announcement.macaddress, retries + 1
    )

    @callback
    def create_flow(now: datetime) -> None:
        async_create_flow(hass, DOMAIN, {"source": SOURCE_DHCP}, again, discovery_key=key)

    job = HassJob(create_flow, f"{DOMAIN} announcement", cancel_on_shutdown=True)
    async_call_later(hass, _RETRY_SECONDS[retries], job)


async def async_entry_at(hass: HomeAssistant, ip_address: str) -> ConfigEntry | None:
    """Return the entry whose host is an IP address, or a name of it."""
    for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        if ip_address in await _addresses(hass, entry.data[CONF_HOST]):
            return entry
    return None


async def _addresses(hass: HomeAssistant, host: str) -> set[str]:
    if is_ip_address(host):
        return {host}
    # Creates the resolver, which knows names such as pbx.local, if nothing else has.
    async_get_clientsession(hass)
    try:
        return {found["host"] for found in await hass.data[DATA_RESOLVER].resolve(host)}
    except OSError:
        return set()


async def async_is_gone(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether the PBX of an entry no longer responds at its IP address.

    If the address is a name, whoever assigns names keeps it up to date.
    """
    host = entry.data[CONF_HOST]
    if not is_ip_address(host):
        return False
    try:
        await _async_find_at(hass, entry, host)
    except PbxLockedError:
        return False
    except PbxError:
        return True
    return False


async def async_probe_at(
    hass: HomeAssistant, entry: ConfigEntry, ip_address: str
) -> ProbeResult | None:
    """Return the PBX of an entry at a new address, None if it does not prove to be the same.

    Logs in once, and only where the same API responds, with the same certificate if it had one.
    The serial number is the proof. Raises PbxError if it makes sense to try again.
    """
    if entry.disabled_by or entry.data.get(CONF_REFUSED):
        return None
    found = await _async_find_at(hass, entry, ip_address)
    try:
        probe = await async_probe(hass, found, entry.data[CONF_CREDENTIALS])
    except PbxRejectedError:
        return None
    is_same = probe.info.serial_number and async_entry_of(hass, probe) is entry
    return probe if is_same else None


async def _async_find_at(hass: HomeAssistant, entry: ConfigEntry, host: str) -> EntryData:
    """Find the API of an entry's PBX at a host, as it was set up. Sends no credentials."""
    address = address_of(entry.data)
    target = SearchTarget(
        address=PartialAddress(host, address.port, address.tls, address.path),
        verify_ssl=entry.data[CONF_VERIFY_SSL],
        api=entry.data[CONF_API],
        families=[family(entry.data[CONF_FAMILY])],
    )
    found = await async_find_pbx(hass, target)
    if found.get(CONF_FINGERPRINT) != entry.data.get(CONF_FINGERPRINT):
        raise PbxCertificateError("not the certificate that was trusted")
    return found
