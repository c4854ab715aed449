"""icons.json: icons of Material Design, for entities, actions, triggers and conditions."""

from collections.abc import Iterator
from importlib.resources import files
import json
from pathlib import Path
from typing import Any, Final

from homeassistant.helpers import config_validation as cv
from homeassistant.util.yaml import load_yaml_dict
import voluptuous as vol

from .repository import integration_of, misfits, read_json, translation_key

_KNOWN: Final = {
    f"mdi:{icon['name']}"
    for icon in json.loads((files("hass_frontend") / "static/mdi/iconList.json").read_text())
}

_KINDS: Final = {"service": "action", "trigger": "trigger", "condition": "condition"}
"""What a YAML file describes, and the word for it."""


def _icon(value: str) -> str:
    if value not in _KNOWN:
        raise vol.Invalid(f"{value} is no icon of Material Design")
    return value


def _worthwhile(icons: dict[str, Any]) -> dict[str, Any]:
    if icons.get("default") in icons.get("state", {}).values():
        raise vol.Invalid(f"a state has {icons['default']}, which it would have anyway")
    return icons


_SCHEMA: Final = vol.Schema(
    {
        vol.Optional("entity"): {
            cv.slug: {
                translation_key: vol.All(
                    {
                        vol.Required("default"): vol.All(str, _icon),
                        vol.Optional("state"): {translation_key: vol.All(str, _icon)},
                    },
                    _worthwhile,
                )
            }
        },
        **{
            vol.Optional(f"{kind}s"): {translation_key: {vol.Required(kind): vol.All(str, _icon)}}
            for kind in _KINDS
        },
    }
)


def check(repository: Path) -> Iterator[str]:
    """Complain of icons, and of what has none or does not exist."""
    folder = integration_of(repository)
    icons = read_json(folder / "icons.json")
    yield from misfits(_SCHEMA, icons, "icons.json")
    named = read_json(folder / "translations" / "en.json")["entity"]
    for platform, entities in icons.get("entity", {}).items():
        for key in sorted(entities.keys() - named.get(platform, {}).keys()):
            yield f"icons.json: there is no {platform} {key}"
    for kind, word in _KINDS.items():
        described = load_yaml_dict(str(folder / f"{kind}s.yaml")).keys()
        for name in sorted(described ^ icons.get(f"{kind}s", {}).keys()):
            yield f"icons.json: {name} is either no {word}, or one without an icon"
