"""triggers.yaml and conditions.yaml: targets, and fields with a selector and a text each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import TargetSelector
from homeassistant.util.yaml import load_yaml_dict
import voluptuous as vol

from .repository import differences, integration_of, misfits, read_json
from .services import FIELDS

_SCHEMA: Final = vol.Schema(
    {
        cv.slug: {
            vol.Required("target"): TargetSelector.CONFIG_SCHEMA,
            vol.Required("fields"): FIELDS,
        }
    }
)


def check(repository: Path) -> Iterator[str]:
    """Complain of triggers and conditions that the automation editor cannot show."""
    folder = integration_of(repository)
    texts = read_json(folder / "translations" / "en.json")
    for kind in ("trigger", "condition"):
        where = f"{kind}s.yaml"
        described: dict[str, Any] = load_yaml_dict(str(folder / where))
        yield from misfits(_SCHEMA, described, where)
        yield from differences(described, texts.get(f"{kind}s", {}), where, kind)
        for name, trigger in described.items():
            for field, content in trigger["fields"].items():
                for option in _options_without_text(content, texts["selector"]):
                    yield f"{where}: {option} is either no option of {name}'s {field}, or has no text"


def _options_without_text(field: dict[str, Any], texts: dict[str, Any]) -> set[str]:
    select = field["selector"].get("select", {})
    words: dict[str, str] = texts.get(select.get("translation_key"), {}).get("options", {})
    return {*select.get("options", [])} ^ words.keys()
