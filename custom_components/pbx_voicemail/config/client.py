"""From what a person entered to a client of their PBX, and from its errors to words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Any

import aiohttp
from aiohttp import hdrs
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    CONF_HOST,
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
    CONF_DIALECT,
    CONF_FINGERPRINT,
    CONF_OLD_TLS,
    CONF_PASSWORD_MD5,
    CONF_REFUSALS,
)
from ..pbx import (
    DIALECTS,
    Address,
    Certificate,
    Credentials,
    PbxAuthError,
    PbxClient,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    Refusals,
    fetch_certificate,
    limited_socket,
)
from .lock_out import async_note_lock_out, locked_for


def create_client(hass: HomeAssistant, entry: ConfigEntry, zone: tzinfo) -> PbxClient:
    """Return a client for an entry that is being set up.

    Its session is closed when the entry is unloaded, or Home Assistant has stopped.
    """
    session = _session(hass, verify_ssl=entry.data[CONF_VERIFY_SSL])

    async def close(event: Event | None = None) -> None:
        await session.close()

    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_CLOSE, close))
    entry.async_on_unload(close)
    refusals = Refusals(**entry.data.get(CONF_REFUSALS, {}))
    return _client(entry.data, session, zone, has_worked=True, refusals=refusals)


@asynccontextmanager
async def temporary_client(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> AsyncIterator[PbxClient]:
    """Lend a client for data that a person has just entered.

    Raises PbxLockedError, without asking, while the PBX refuses this address.
    """
    if locked_for(hass, data[CONF_HOST]):
        raise PbxLockedError(None)
    async with _session(hass, verify_ssl=data[CONF_VERIFY_SSL]) as session:
        client = _client(data, session, dt_util.get_default_time_zone())
        try:
            yield client
        except PbxLockedError:
            # Only logins make a lock-out longer.
            if CONF_USERNAME in data:
                async_note_lock_out(hass, data[CONF_HOST])
            raise
        finally:
            await client.sign_out()


async def async_fetch_certificate(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> Certificate | None:
    """Return the certificate that the PBX shows, None if nothing there speaks TLS."""
    async with _session(hass, verify_ssl=True) as session:
        return await fetch_certificate(session, Address(data[CONF_HOST], data[CONF_PORT]))


async def time_zone_of(options: Mapping[str, Any]) -> tzinfo:
    """Return the zone in which the PBX tells dates: the chosen one, else Home Assistant's."""
    if name := options.get(CONF_TIME_ZONE):
        zone = await dt_util.async_get_time_zone(name)
        if zone is not None:
            return zone
    return dt_util.get_default_time_zone()


async def if_offered[AnswerT](query: Callable[[], Awaitable[AnswerT]]) -> AnswerT | None:
    """Return the answer to a query that a PBX may do without, None if it does."""
    try:
        return await query()
    except PbxAuthError, PbxLockedError:
        raise
    except PbxRejectedError, PbxReplyError:
        return None


def error_placeholders(err: PbxError) -> dict[str, str]:
    """Return what the translated text of an error, found by its kind, has blanks for."""
    if isinstance(err, PbxRejectedError):
        return {"errno": err.errno or "-"}
    return {"detail": str(err)}


def _client(
    data: Mapping[str, Any],
    session: aiohttp.ClientSession,
    zone: tzinfo,
    *,
    has_worked: bool = False,
    refusals: Refusals | None = None,
) -> PbxClient:
    api = data[CONF_API]
    likely = data.get(CONF_DIALECT) if api == API_AUTO else api
    dialects = [dialect for dialect in DIALECTS if api in (API_AUTO, dialect.version)]
    dialect = next((dialect for dialect in dialects if dialect.version == likely), None)
    return PbxClient(
        session,
        Address(data[CONF_HOST], data[CONF_PORT], data[CONF_SSL]),
        Credentials(
            token=data.get(CONF_TOKEN),
            username=data.get(CONF_USERNAME),
            password_md5=data.get(CONF_PASSWORD_MD5, ""),
        ),
        zone,
        fingerprint=data.get(CONF_FINGERPRINT),
        old_tls=data.get(CONF_OLD_TLS, False),
        has_worked=has_worked,
        refusals=refusals,
        dialects=dialects,
        dialect=dialect,
    )


@callback
def _session(hass: HomeAssistant, *, verify_ssl: bool) -> aiohttp.ClientSession:
    """Return a session of our own; whoever gets it closes it.

    Those that Home Assistant makes share a connector that reuses connections, and so loses
    requests to a PBX that closes them without notice (RFC 9112, 9.6, lets it).
    """
    # Has the resolver made, which knows names such as pbx.local.
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
