"""Logs in to a PBX and identifies it, before an entry for it is created or changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homeassistant.const import CONF_HOST, CONF_TOKEN
from homeassistant.core import HomeAssistant

from ..const import CONF_CREDENTIALS, CONF_FAMILY, CONF_REMEMBERED
from ..pbx import Extension, PbxError, PbxInfo, family
from .client import temporary_client


class TokenNotSupportedError(PbxError):
    """The user entered a token, but this PBX does not use tokens."""

    kind = "token_not_supported"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The PBX that accepted the credentials. `data` is for its entry."""

    data: Mapping[str, Any] = field(repr=False)
    info: PbxInfo
    extensions: tuple[Extension, ...]

    @property
    def title(self) -> str:
        """The title of an entry for the PBX."""
        return f"{self.info.model or 'PBX'} ({self.data[CONF_HOST]})"


async def async_probe(
    hass: HomeAssistant, data: Mapping[str, Any], credentials: Mapping[str, str]
) -> ProbeResult:
    """Log in to a PBX, and return what it says about itself. Raises PbxError.

    `data` is the data of an entry, or what `async_find_pbx` returned. If it has a fingerprint,
    the user must have confirmed it. If the PBX has locked us out, or does not use tokens and
    there is one, no request is sent.
    """
    if CONF_TOKEN in credentials and not family(data[CONF_FAMILY]).accepts_token:
        raise TokenNotSupportedError("no tokens")
    data = {**data, CONF_CREDENTIALS: dict(credentials)}
    async with temporary_client(hass, data) as client:
        extensions = await client.extensions() or ()
        # One mailbox shows that messages can be read. All of them can take long.
        await client.mailboxes([extension.number for extension in extensions[:1]])
        info = await client.info()
        data[CONF_REMEMBERED] = dict(client.remember())
    return ProbeResult(data, info, extensions)
