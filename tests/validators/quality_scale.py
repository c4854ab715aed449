"""quality_scale.yaml: each rule is done, or says why it is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeassistant.util.yaml import load_yaml_dict
import voluptuous as vol

from .repository import integration_of, misfits

_SCHEMA: Final = vol.Schema(
    {
        vol.Required("rules"): {
            vol.Match(r"^[a-z-]+$"): vol.Any(
                "done",
                {
                    vol.Required("status"): vol.In(["exempt", "todo"]),
                    vol.Required("comment"): vol.All(str, vol.Length(min=20)),
                },
            )
        }
    }
)


def check(repository: Path) -> Iterator[str]:
    """Complain of a rule that is left out without a reason."""
    file = integration_of(repository) / "quality_scale.yaml"
    yield from misfits(_SCHEMA, load_yaml_dict(str(file)), "quality_scale.yaml")
