"""Finds the PBX at a host: its family, its port, and its certificate.

No credentials are sent. The responses show which family it is, not the port.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import aiohttp
from homeassistant.const import CONF_HOST, CONF_PATH, CONF_PORT, CONF_SSL, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant

from ..const import CONF_API, CONF_FAMILY, CONF_FINGERPRINT, CONF_OLD_TLS, CONF_REMEMBERED
from ..pbx import (
    Address,
    Certificate,
    Endpoint,
    Family,
    PartialAddress,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxSetupError,
    PbxTimeoutError,
    PbxTlsError,
    fetch_certificate,
)
from .client import connection_to, create_session
from .lock_out import async_raise_if_locked

_SECONDS: Final = 30
"""The time limit for a port that the user entered, and for one that presents a certificate."""

_SECONDS_FOR_A_USUAL_PORT: Final = 8
"""The time limit for any other port. A firewall may drop all packets to it."""

_SECONDS_AFTER_THE_FIRST: Final = 4
"""The time limit for the other ports after a PBX has been found on one."""

_MOST_SPECIFIC_FIRST: Final = (
    PbxSetupError,
    PbxLockedError,
    PbxRejectedError,
    PbxReplyError,
    PbxRedirectError,
    PbxTlsError,
    PbxTimeoutError,
    PbxError,
)

type EntryData = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTarget:
    """Where to look for a PBX, and for which families, in order of preference.

    Without a port in the address, the usual ports of each family are tried. If the address
    does not say whether to use TLS, TLS is used if the PBX offers it.
    """

    address: PartialAddress
    verify_ssl: bool
    api: str
    families: Sequence[Family]


@dataclass(frozen=True, slots=True)
class _Port:
    """A port to try. `tls` has True if TLS is tried on it, and False if plain HTTP is."""

    number: int
    tls: frozenset[bool]
    families: Sequence[Family]
    seconds: float


async def async_find_pbx(hass: HomeAssistant, target: SearchTarget) -> EntryData:
    """Return the data of an entry for the PBX, without credentials.

    It has a fingerprint if the certificate is not trusted: the user has to confirm it before
    credentials are sent. If there is no PBX, raises the most specific PbxError of all ports.
    """
    async_raise_if_locked(hass, target.address.host)
    async with create_session(hass, verify_ssl=target.verify_ssl) as session:
        results = await _run([_probe_port(session, target, port) for port in _ports(target)])
    found = [result for result in results if not isinstance(result, BaseException)]
    if not found:
        raise _most_specific([result for result in results if isinstance(result, PbxError)])
    keys = [family.key for family in target.families]
    # TLS counts for more than the order of the ports.
    return min(found, key=lambda data: (keys.index(data[CONF_FAMILY]), not data[CONF_SSL]))


async def _run(
    probes: Sequence[Coroutine[Any, Any, EntryData]],
) -> Sequence[EntryData | BaseException]:
    """Run all probes at once, and return their results and errors."""
    tasks = [asyncio.create_task(probe) for probe in probes]
    try:
        for earliest in asyncio.as_completed(tasks):
            with suppress(PbxError):
                await earliest
                break
        await asyncio.wait(tasks, timeout=_SECONDS_AFTER_THE_FIRST)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    return results


def _ports(target: SearchTarget) -> list[_Port]:
    """Return the ports to try, the most likely first."""
    address = target.address
    tls = frozenset({True, False} if address.tls is None else {address.tls})
    if address.port is not None:
        return [_Port(address.port, tls, target.families, _SECONDS)]
    usual = [
        (endpoint, family)
        for family in target.families
        for endpoint in _endpoints(family, address.tls)
    ]
    return [
        _Port(
            number,
            frozenset(endpoint.tls for endpoint, _ in usual if endpoint.port == number),
            list(dict.fromkeys(family for endpoint, family in usual if endpoint.port == number)),
            _SECONDS_FOR_A_USUAL_PORT,
        )
        for number in dict.fromkeys(endpoint.port for endpoint, _ in usual)
    ]


def _endpoints(family: Family, tls: bool | None) -> list[Endpoint]:
    """Return the usual ports of a family, and the default port of the scheme if there is one."""
    if tls is None:
        return list(family.endpoints)
    usual = (endpoint for endpoint in family.endpoints if endpoint.tls is tls)
    return [Endpoint(443 if tls else 80, tls), *usual]


async def _probe_port(
    session: aiohttp.ClientSession, target: SearchTarget, port: _Port
) -> EntryData:
    """Return the data of an entry for the PBX on a port. Raises PbxError."""
    try:
        async with asyncio.timeout(port.seconds) as limit:
            certificate = None
            if True in port.tls:
                address = Address(target.address.host, port.number)
                certificate = await fetch_certificate(session, address)
            if certificate:
                limit.reschedule(asyncio.get_running_loop().time() + _SECONDS)
            return await _probe_families(session, target, port, certificate)
    except TimeoutError as err:
        raise PbxTimeoutError("the PBX took too long to answer") from err


async def _probe_families(
    session: aiohttp.ClientSession,
    target: SearchTarget,
    port: _Port,
    certificate: Certificate | None,
) -> EntryData:
    """Return the data of an entry, with the certificate pinned unless the session trusts it."""
    data = {
        CONF_HOST: target.address.host,
        CONF_PORT: port.number,
        CONF_SSL: certificate is not None or False not in port.tls,
        CONF_VERIFY_SSL: target.verify_ssl,
        CONF_API: target.api,
    }
    if certificate is None:
        return await _probe_paths(session, target, port, data)
    if not certificate.needs_old_tls:
        with suppress(PbxTlsError):
            return await _probe_paths(session, target, port, data)
    pinned = data | {CONF_FINGERPRINT: certificate.fingerprint}
    if certificate.needs_old_tls:
        pinned[CONF_OLD_TLS] = True
    return await _probe_paths(session, target, port, pinned)


async def _probe_paths(
    session: aiohttp.ClientSession, target: SearchTarget, port: _Port, data: EntryData
) -> EntryData:
    """Try each family below the path that the user entered, then at the root.

    Users often enter the address of a page of the PBX's web interface.
    """
    errors: list[PbxError] = []
    for path in dict.fromkeys((target.address.path, "")):
        for family in port.families:
            tried = {**data, **({CONF_PATH: path} if path else {}), CONF_FAMILY: family.key}
            try:
                remembered = await family.probe(connection_to(tried, session, time_zone=UTC))
            except PbxConnectionError:
                # Another family could not connect either.
                raise
            except PbxError as err:
                errors.append(err)
            else:
                return {**tried, CONF_REMEMBERED: dict(remembered)}
    raise _most_specific(errors)


def _most_specific(errors: Sequence[PbxError]) -> PbxError:
    def rank(error: PbxError) -> int:
        return next(i for i, kind in enumerate(_MOST_SPECIFIC_FIRST) if isinstance(error, kind))

    return min(errors, key=rank)
