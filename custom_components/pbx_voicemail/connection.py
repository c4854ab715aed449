"""From what a person entered to a client of their PBX, and from its errors to words."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SSL, CONF_TOKEN, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_create_clientsession
from homeassistant.util import dt as dt_util

from .pbx import (
    Address,
    PbxAuthError,
    PbxClient,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
)


def create_client(hass: HomeAssistant, data: Mapping[str, Any]) -> PbxClient:
    """Return a client for the data of the config entry that is being set up.

    Its session is released when the entry is unloaded.
    """
    return _client(data, _session(hass, data, auto_cleanup=True))


@contextmanager
def temporary_client(hass: HomeAssistant, data: Mapping[str, Any]) -> Iterator[PbxClient]:
    """Lend a client for data that a person has just entered."""
    session = _session(hass, data, auto_cleanup=False)
    try:
        yield _client(data, session)
    finally:
        session.detach()


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


def _client(data: Mapping[str, Any], session: aiohttp.ClientSession) -> PbxClient:
    return PbxClient(
        session,
        Address(data[CONF_HOST], data[CONF_PORT], data[CONF_SSL]),
        data[CONF_TOKEN],
        dt_util.get_default_time_zone(),
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
