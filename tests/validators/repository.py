"""How checks read a repository, and how they tell what does not fit a schema."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any, Final

import voluptuous as vol

_KEY: Final = re.compile(r"(?!.*[_-]{2})[a-z0-9]([a-z0-9_-]*[a-z0-9])?")


def integration_of(repository: Path) -> Path:
    """Return the folder of the integration."""
    return next((repository / "custom_components").glob("*/manifest.json")).parent


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON object."""
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def translation_key(value: str) -> str:
    """Take what Home Assistant can name a text or an icon by."""
    if not _KEY.fullmatch(value):
        raise vol.Invalid(f"'{value}' is no translation key: lower case, digits, single _ and -")
    return value


def something(value: object) -> object:
    """Take any value but none."""
    if value is None:
        raise vol.Invalid("nothing is no value")
    return value


def differences(
    described: Mapping[str, Any], texts: Mapping[str, Any], where: str, kind: str
) -> Iterator[str]:
    """Yield actions and the like, and fields of theirs, that are described but have no text, or vice versa."""
    for name in sorted(described.keys() ^ texts.keys()):
        yield f"{where}: {name} is either no {kind}, or one without words"
    for name in sorted(described.keys() & texts.keys()):
        fields = (described[name] or {}).get("fields", {})
        for field in sorted(fields.keys() ^ texts[name].get("fields", {}).keys()):
            yield f"{where}: {field} is either no field of {name}, or one without words"


def misfits(schema: vol.Schema, value: object, where: str) -> Iterator[str]:
    """Yield what is wrong with a value, and where in it."""
    try:
        schema(value)
    except vol.MultipleInvalid as err:
        for error in err.errors:
            yield f"{where}: {error}"
