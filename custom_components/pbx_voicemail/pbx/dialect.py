"""What differs between the APIs of one PBX family and the next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of the API.

    `version` is the segment of every path that names it, `manufacturer` who builds
    the PBXs that speak it.
    """

    version: str
    manufacturer: str


OPENVOX = Dialect(version="v0.0.1", manufacturer="OpenVox")
"""OpenVox UC series IPPBX (OpenVox UC API)."""
