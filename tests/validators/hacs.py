"""hacs.json and the rest of the tree that HACS looks at, but for what the manifest says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from awesomeversion import AwesomeVersion
import voluptuous as vol

from .repository import misfits, read_json


def _version(value: str) -> str:
    if not AwesomeVersion(value).valid:
        raise vol.Invalid(f"'{value}' is no version")
    return value


def _named_archive(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("zip_release") and "filename" not in value:
        raise vol.Invalid("zip_release needs a filename")
    return value


_SCHEMA: Final = vol.Schema(
    vol.All(
        {
            vol.Required("name"): vol.All(str, vol.Length(min=1)),
            vol.Optional("content_in_root"): False,
            vol.Optional("country"): vol.Any(str, [str]),
            vol.Optional("filename"): str,
            vol.Optional("hacs"): vol.All(str, _version),
            vol.Required("homeassistant"): vol.All(str, _version),
            vol.Optional("hide_default_branch"): bool,
            vol.Optional("persistent_directory"): str,
            vol.Optional("zip_release"): bool,
        },
        _named_archive,
    )
)

# GitHub tells a licence by nearly all of its words; one that lacks any of these is none to it.
_MIT: Final = (
    "MIT License Copyright (c) ",
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
    "the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies",
    "The above copyright notice and this permission notice shall be included in all copies",
    'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED',
)


def check(repository: Path) -> Iterator[str]:
    """Complain of what keeps HACS from taking the repository."""
    hacs = repository / "hacs.json"
    if hacs.is_file():
        yield from misfits(_SCHEMA, read_json(hacs), "hacs.json")
    else:
        yield "hacs.json: is missing"
    integrations = [*(repository / "custom_components").glob("*/manifest.json")]
    if len(integrations) != 1:
        yield f"custom_components: has {len(integrations)} integrations, not one"
    readme = repository / "README.md"
    if not readme.is_file() or not readme.read_text().strip():
        yield "README.md: is missing, or empty"
    licence = repository / "LICENSE"
    words = " ".join(licence.read_text().split()) if licence.is_file() else ""
    if not all(passage in words for passage in _MIT):
        yield "LICENSE: is not the MIT licence, in its own words"
    for integration in integrations:
        if not (integration.parent / "brand" / "icon.png").is_file():
            yield "brand/icon.png: is missing, so HACS looks for the brand elsewhere"
