"""From the data of an entry, or of a configuration flow, to a client of its PBX."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Any

import aiohttp
from aiohttp import hdrs
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    CONF_HOST,
    CONF_PATH,
    CONF_PORT,
    CONF_SSL,
    CONF_TIME_ZONE,
    CONF_TOKEN,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
    EVENT_HOMEASSISTANT_CLOSE,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import (
    DATA_RESOLVER,
    SERVER_SOFTWARE,
    HomeAssistantTCPConnector,
    async_get_clientsession,
)
from homeassistant.util import dt as dt_util
from homeassistant.util.ssl import (
    SSL_ALPN_HTTP11,
    SSLCipherList,
    client_context,
    client_context_no_verify,
)

from ..const import (
    API_AUTO,
    CONF_API,
    CONF_CREDENTIALS,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_OLD_TLS,
    CONF_REMEMBERED,
    CONF_SECRET,
    CONF_TOKENS,
)
from ..pbx import (
    Address,
    Certificate,
    Connection,
    Credentials,
    PbxClient,
    PbxLockedError,
    family,
    fetch_certificate,
    limited_socket,
)
from .lock_out import async_note_lock_out, async_raise_if_locked


def create_client(
    hass: HomeAssistant, entry: ConfigEntry, time_zone: tzinfo, id_key: bytes
) -> PbxClient:
    """Return a client for an entry that is being set up.

    `id_key` is the secret that goes into the ids of messages. The client's session is closed
    when the entry is unloaded, or Home Assistant has stopped.
    """
    session = create_session(hass, verify_ssl=entry.data[CONF_VERIFY_SSL])

    async def close(event: Event | None = None) -> None:
        await session.close()

    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_CLOSE, close))
    entry.async_on_unload(close)
    connection = connection_to(
        entry.data, session, time_zone=time_zone, id_key=id_key, has_worked=True
    )
    return family(entry.data[CONF_FAMILY]).create(connection)


@callback
def async_remember(hass: HomeAssistant, entry: ConfigEntry, client: PbxClient) -> None:
    """Keep in the entry, for the next start, what a client has learned, and its tokens."""
    kept = {CONF_REMEMBERED: dict(client.remember())}
    if (tokens := dict(client.tokens())) or CONF_TOKENS in entry.data:
        kept[CONF_TOKENS] = tokens
    data = {**entry.data, **kept}
    if data != entry.data:
        hass.config_entries.async_update_entry(entry, data=data)


@asynccontextmanager
async def temporary_client(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> AsyncIterator[PbxClient]:
    """Lend a client for data that a person has just entered, in the shape of an entry's.

    Raises PbxLockedError, without a request, while the PBX refuses this address.
    """
    async_raise_if_locked(hass, data[CONF_HOST])
    async with create_session(hass, verify_ssl=data[CONF_VERIFY_SSL]) as session:
        client = family(data[CONF_FAMILY]).create(
            connection_to(data, session, time_zone=dt_util.get_default_time_zone())
        )
        try:
            yield client
        except PbxLockedError as err:
            # Only logins make a lock-out longer. One without an end is tested by each attempt.
            if err.retry_after and CONF_USERNAME in data[CONF_CREDENTIALS]:
                async_note_lock_out(hass, data[CONF_HOST], err.retry_after)
            raise
        finally:
            await client.close()


def connection_to(
    data: Mapping[str, Any],
    session: aiohttp.ClientSession,
    *,
    time_zone: tzinfo,
    id_key: bytes = b"",
    has_worked: bool = False,
) -> Connection:
    """Return what a client needs, from an entry's data."""
    credentials = data.get(CONF_CREDENTIALS, {})
    return Connection(
        session=session,
        address=address_of(data),
        credentials=Credentials(
            token=credentials.get(CONF_TOKEN),
            username=credentials.get(CONF_USERNAME),
            secret=credentials.get(CONF_SECRET, ""),
        ),
        api=None if data[CONF_API] == API_AUTO else data[CONF_API],
        time_zone=time_zone,
        fingerprint=data.get(CONF_FINGERPRINT),
        old_tls=data.get(CONF_OLD_TLS, False),
        id_key=id_key,
        remembered=data.get(CONF_REMEMBERED, {}),
        tokens=data.get(CONF_TOKENS, {}),
        has_worked=has_worked,
    )


def address_of(data: Mapping[str, Any]) -> Address:
    """Return the address in an entry's data."""
    return Address(data[CONF_HOST], data[CONF_PORT], data[CONF_SSL], data.get(CONF_PATH, ""))


async def async_fetch_certificate(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> Certificate | None:
    """Return the certificate that the PBX shows, None if nothing there speaks TLS."""
    async with create_session(hass, verify_ssl=True) as session:
        return await fetch_certificate(session, Address(data[CONF_HOST], data[CONF_PORT]))


async def time_zone_of(options: Mapping[str, Any]) -> tzinfo:
    """Return the time zone of the PBX: the one in the options, else Home Assistant's."""
    if name := options.get(CONF_TIME_ZONE):
        zone = await dt_util.async_get_time_zone(name)
        if zone is not None:
            return zone
    return dt_util.get_default_time_zone()


@callback
def create_session(hass: HomeAssistant, *, verify_ssl: bool) -> aiohttp.ClientSession:
    """Return a session of our own; the caller closes it.

    Those that Home Assistant makes share a connector that reuses connections, and so loses
    requests to a PBX that closes them without notice (RFC 9112, 9.6, lets it).
    """
    # Creates the resolver, which knows names such as pbx.local, if nothing else has.
    async_get_clientsession(hass)
    context = client_context if verify_ssl else client_context_no_verify
    return aiohttp.ClientSession(
        connector=HomeAssistantTCPConnector(
            ssl=context(SSLCipherList.PYTHON_DEFAULT, SSL_ALPN_HTTP11),
            resolver=hass.data[DATA_RESOLVER],
            force_close=True,
            socket_factory=limited_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={hdrs.USER_AGENT: SERVER_SOFTWARE},
    )
