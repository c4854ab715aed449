"""What differs between the APIs of one PBX family and the next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of the API.

    `version` is the segment of every path that names it, `manufacturer` who builds
    the PBXs that speak it. `tells_read` is whether messages say if they were heard,
    `shares_web_port` whether the PBX's web pages are on the port of the API.
    """

    version: str
    manufacturer: str
    tells_read: bool
    shares_web_port: bool


OPENVOX = Dialect(version="v0.0.1", manufacturer="OpenVox", tells_read=False, shares_web_port=False)
"""OpenVox UC series IPPBX (OpenVox UC API)."""

YEASTAR = Dialect(version="v1.1.0", manufacturer="Yeastar", tells_read=True, shares_web_port=True)
"""Yeastar S-Series, K2 and Cloud PBX (Yeastar S-Series API v1.1.0)."""

DIALECTS = (OPENVOX, YEASTAR)
"""All that are spoken here, in the order in which they are tried."""
