"""services.yaml: actions with fields that Home Assistant can ask for, each in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import validate_selector
from homeassistant.util.yaml import load_yaml_dict
import voluptuous as vol

from .repository import differences, integration_of, misfits, read_json, something

# Names and descriptions are in the translations, and only there.
FIELDS: Final = {
    cv.slug: {
        vol.Optional("default"): something,
        vol.Optional("example"): something,
        vol.Optional("required"): bool,
        vol.Required("selector"): validate_selector,
    }
}
_SCHEMA: Final = vol.Schema({cv.slug: {vol.Required("fields"): FIELDS}})


def check(repository: Path) -> Iterator[str]:
    """Complain of actions that nobody could fill in or understand."""
    folder = integration_of(repository)
    file = folder / "services.yaml"
    if not file.is_file():
        yield "services.yaml: is missing"
        return
    actions: dict[str, Any] = load_yaml_dict(str(file))
    yield from misfits(_SCHEMA, actions, "services.yaml")
    texts = read_json(folder / "translations" / "en.json").get("services", {})
    yield from differences(actions, texts, "services.yaml", "action")
