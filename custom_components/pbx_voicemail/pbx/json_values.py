"""JSON in replies: its types, and what is common to all APIs that answer with it."""

from collections.abc import Mapping, Sequence
from typing import Final

type Json = str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None
type JsonObject = Mapping[str, Json]

OFF_LOOP_BYTES: Final = 64 * 1024
"""Replies of at least so many bytes are parsed in a thread."""


def as_text(value: Json) -> str:
    """Return a string or number as text, since PBXs do not distinguish them reliably."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""
