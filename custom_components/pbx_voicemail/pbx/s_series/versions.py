"""The versions of the API, and their differences."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version of the API.

    `name` is part of every path, and `manufacturer` that of the PBXs with this version.
    `has_read_state` is whether messages say if they are read, and `shares_web_port` whether the
    PBX's web interface has the same port as the API.
    """

    name: str
    manufacturer: str
    has_read_state: bool
    shares_web_port: bool


OPENVOX = ApiVersion(
    name="v0.0.1", manufacturer="OpenVox", has_read_state=False, shares_web_port=False
)
"""OpenVox UC series IPPBX (OpenVox UC API)."""

YEASTAR = ApiVersion(
    name="v1.1.0", manufacturer="Yeastar", has_read_state=True, shares_web_port=True
)
"""Yeastar S-Series, K2 and Cloud PBX (Yeastar S-Series API v1.1.0)."""

OPENVOX_MAC_PREFIX = "A09805"
YEASTAR_MAC_PREFIX = "F4B549"
MAC_PREFIXES = (OPENVOX_MAC_PREFIX, YEASTAR_MAC_PREFIX)
"""How the MAC addresses of these makers begin (IEEE, MA-L)."""

API_VERSIONS = (OPENVOX, YEASTAR)
"""All versions, in the order in which they are tried."""
