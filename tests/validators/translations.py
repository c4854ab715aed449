"""translations/*.json: the sections that we have, and texts that Home Assistant can show.

hassfest looks at English alone; here every language must pass.
"""

from collections.abc import Iterator
from pathlib import Path
import re
from string import Formatter
from typing import Any, Final

from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .repository import integration_of, misfits, read_json, translation_key

_REFUSED: Final = {
    re.compile(r"^$|^\s|\s$"): "is empty, or has space around it",
    re.compile(r"'{\w+}'"): "has a placeholder in single quotes, which would be shown as it is",
    re.compile(r"\[%|%\]"): "refers to another text, which only core's own build resolves",
    re.compile(r"\b(\w+://|www\.)\w"): "has an address, which belongs into a placeholder",
}


def _text(value: str) -> str:
    for pattern, complaint in _REFUSED.items():
        if pattern.search(value):
            raise vol.Invalid(f"'{value}' {complaint}")
    try:
        names = [name for _, name, _, _ in Formatter().parse(value) if name is not None]
    except ValueError as err:
        raise vol.Invalid(f"'{value}' has a brace without its other half") from err
    if not all(name.isidentifier() for name in names):
        raise vol.Invalid(f"'{value}' has a placeholder that is no name")
    return value


def _plain(value: str) -> str:
    if "{" in value:
        raise vol.Invalid(f"'{value}' has a placeholder, and nothing would fill it in")
    return value


_TEXT: Final = vol.All(str, cv.string_with_no_html, _text)
_PLAIN: Final = vol.All(_TEXT, _plain)
_TEXTS: Final = {translation_key: _TEXT}
_STATES: Final = {translation_key: _PLAIN}
_DESCRIBED: Final[dict[vol.Marker, Any]] = {
    vol.Required("name"): _TEXT,
    vol.Required("description"): _TEXT,
}


def _form(more: dict[vol.Marker, Any]) -> vol.Schema:
    """Return the schema of fields, each of which is described."""

    def described(form: dict[str, Any]) -> dict[str, Any]:
        differing = form.get("data", {}).keys() ^ form.get("data_description", {}).keys()
        if differing:
            raise vol.Invalid(f"not both in data and data_description: {sorted(differing)}")
        return form

    fields: dict[vol.Marker, Any] = {
        vol.Optional("data"): _TEXTS,
        vol.Optional("data_description"): _TEXTS,
        vol.Optional("description"): _TEXT,
    }
    return vol.Schema(vol.All({**fields, **more}, described))


_STEP: Final = _form(
    {
        vol.Required("title"): _TEXT,
        vol.Optional("sections"): {translation_key: _form({vol.Required("name"): _TEXT})},
        vol.Optional("submit"): _TEXT,
    }
)
_FLOW: Final[dict[vol.Marker, Any]] = {
    vol.Required("step"): {translation_key: _STEP},
    vol.Optional("abort"): _TEXTS,
    vol.Optional("error"): _TEXTS,
}
_ENTITY: Final = {
    vol.Required("name"): _TEXT,
    vol.Optional("state"): _STATES,
    vol.Optional("state_attributes"): {
        translation_key: {vol.Required("name"): _PLAIN, vol.Optional("state"): _STATES}
    },
    vol.Optional("unit_of_measurement"): _PLAIN,
}
_ISSUE: Final = vol.Any(
    {vol.Required("title"): _TEXT, vol.Required("description"): _TEXT},
    {vol.Required("title"): _TEXT, vol.Required("fix_flow"): _FLOW},
)
_ACTION: Final = {**_DESCRIBED, vol.Optional("fields"): {translation_key: _DESCRIBED}}
_NAMED: Final[dict[vol.Marker, Any]] = {
    vol.Required("name"): _TEXT,
    vol.Optional("description"): _TEXT,
}
_AUTOMATION: Final = {**_DESCRIBED, vol.Optional("fields"): {translation_key: _NAMED}}
_SCHEMA: Final = vol.Schema(
    {
        vol.Optional("common"): {cv.slug: _TEXT},
        vol.Optional("conditions"): {translation_key: _AUTOMATION},
        vol.Required("config"): {**_FLOW, vol.Optional("flow_title"): _TEXT},
        vol.Optional("device"): {translation_key: {vol.Required("name"): _TEXT}},
        vol.Optional("entity"): {cv.slug: {translation_key: _ENTITY}},
        vol.Optional("exceptions"): {cv.slug: {vol.Required("message"): _TEXT}},
        vol.Optional("issues"): {translation_key: _ISSUE},
        vol.Optional("options"): _FLOW,
        vol.Optional("selector"): {cv.slug: {vol.Required("options"): _TEXTS}},
        vol.Optional("services"): {translation_key: _ACTION},
        vol.Optional("triggers"): {translation_key: _AUTOMATION},
    }
)


def check(repository: Path) -> Iterator[str]:
    """Complain of texts, their keys, and a step that says no more than whose it is."""
    folder = integration_of(repository)
    name = read_json(folder / "manifest.json")["name"]
    if (folder / "strings.json").exists():
        yield "strings.json: only core is translated from it"
    if not (folder / "translations" / "en.json").is_file():
        yield "translations/en.json: is missing"
    for file in sorted((folder / "translations").iterdir()):
        texts = read_json(file)
        yield from misfits(_SCHEMA, texts, file.name)
        for flow in ("config", "options"):
            for key, step in texts.get(flow, {}).get("step", {}).items():
                if step.get("title") == name:
                    yield f"{file.name}: the title of step {key} is the integration's name"
