"""The families of PBXs that this library knows; nothing else lists them."""

from typing import Final

from .asterisk import Asterisk
from .client import Family
from .p_series import PSeries
from .s_series import SSeries

S_SERIES: Final = SSeries()
ASTERISK: Final = Asterisk()
P_SERIES: Final = PSeries()

FAMILIES: Final[tuple[Family, ...]] = (S_SERIES, ASTERISK, P_SERIES)
"""All families, in the order in which they are looked for."""


def family(key: str) -> Family:
    """Return a family by its key. Raises KeyError."""
    return {known.key: known for known in FAMILIES}[key]


def family_of_api(api: str) -> Family | None:
    """Return the family that has a version of the API, None if none does."""
    return next((known for known in FAMILIES if api in known.apis), None)
