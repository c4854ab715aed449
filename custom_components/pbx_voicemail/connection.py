"""From what a person entered to a client of their PBX, and from its errors to words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Any

import aiohttp
from homeassistant.const import (
    CONF_HOST,
    CONF_PORT,
    CONF_SSL,
    CONF_TIME_ZONE,
    CONF_TOKEN,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_create_clientsession
from homeassistant.util import dt as dt_util

from .const import API_AUTO, CONF_API, CONF_DIALECT, CONF_FINGERPRINT, CONF_PASSWORD_MD5
from .pbx import (
    DIALECTS,
    Address,
    Credentials,
    PbxAuthError,
    PbxClient,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
)


def create_client(hass: HomeAssistant, data: Mapping[str, Any], zone: tzinfo) -> PbxClient:
    """Return a client for the data of the config entry that is being set up.

    Its session is released when the entry is unloaded.
    """
    return _client(data, _session(hass, data, auto_cleanup=True), zone)


@asynccontextmanager
async def temporary_client(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> AsyncIterator[PbxClient]:
    """Lend a client for data that a person has just entered."""
    session = _session(hass, data, auto_cleanup=False)
    client = _client(data, session, dt_util.get_default_time_zone())
    try:
        yield client
    finally:
        await client.sign_out()
        session.detach()


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


def _client(data: Mapping[str, Any], session: aiohttp.ClientSession, zone: tzinfo) -> PbxClient:
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
        dialects=dialects,
        dialect=dialect,
    )


def _session(
    hass: HomeAssistant, data: Mapping[str, Any], *, auto_cleanup: bool
) -> aiohttp.ClientSession:
    """Return a session of our own, since the one that all share keeps cookies."""
    return async_create_clientsession(
        hass,
        verify_ssl=data[CONF_VERIFY_SSL],
        auto_cleanup=auto_cleanup,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
