"""The versions of the API, and what differs between them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version of the API.

    `name` is the segment of every path that names it, and `manufacturer` builds the PBXs
    that speak it. `has_read_state` is whether messages say if they were heard,
    `shares_web_port` whether the PBX's web pages are on the port of the API.
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

API_VERSIONS = (OPENVOX, YEASTAR)
"""All that this client speaks, in the order in which they are tried."""
