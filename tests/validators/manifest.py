"""manifest.json, as hassfest and HACS want it of a custom integration with dialogs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from awesomeversion import AwesomeVersion, AwesomeVersionException, AwesomeVersionStrategy
from homeassistant import components
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .repository import integration_of, misfits, read_json

_CORE: Final = Path(components.__path__[0])


def _version(value: str) -> str:
    try:
        AwesomeVersion(
            value,
            ensure_strategy=[
                AwesomeVersionStrategy.BUILDVER,
                AwesomeVersionStrategy.CALVER,
                AwesomeVersionStrategy.PEP440,
                AwesomeVersionStrategy.SEMVER,
                AwesomeVersionStrategy.SIMPLEVER,
            ],
        )
    except AwesomeVersionException as err:
        raise vol.Invalid(f"'{value}' is no version") from err
    return value


def _documentation(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https":
        raise vol.Invalid("documentation is only read over https")
    if url.hostname == "www.home-assistant.io":
        raise vol.Invalid("Home Assistant's own pages document core's integrations")
    return value


_DOMAINS: Final = [cv.slug]

# Neither a quality scale, since a custom integration has none to claim, nor what only the
# hassfest of 2026.11 knows: categories and connectivity.
_SCHEMA: Final = vol.Schema(
    {
        vol.Required("domain"): cv.slug,
        vol.Required("name"): vol.All(str, vol.Length(min=1)),
        vol.Optional("after_dependencies"): _DOMAINS,
        vol.Required("codeowners"): vol.All([vol.Match(r"^@[\w-]+$")], vol.Length(min=1)),
        vol.Required("config_flow"): True,
        vol.Optional("dependencies"): _DOMAINS,
        vol.Optional("dhcp"): [
            {vol.Required("registered_devices"): True},
            {vol.Required("macaddress"): vol.Match(r"^[0-9A-F]{6}\*$")},
        ],
        vol.Required("documentation"): vol.All(cv.url, _documentation),
        vol.Required("integration_type"): vol.In(["device", "helper", "hub", "service"]),
        vol.Required("iot_class"): vol.In(
            [
                "assumed_state",
                "calculated",
                "cloud_polling",
                "cloud_push",
                "local_polling",
                "local_push",
            ]
        ),
        vol.Required("issue_tracker"): cv.url,
        vol.Optional("loggers"): [str],
        vol.Optional("requirements"): [vol.Match(r"^\S+$")],
        vol.Required("version"): vol.All(str, _version),
    }
)


def check(repository: Path) -> Iterator[str]:
    """Complain of keys, their values and their order."""
    folder = integration_of(repository)
    manifest = read_json(folder / "manifest.json")
    yield from misfits(_SCHEMA, manifest, "manifest.json")
    domain = manifest.get("domain")
    if domain != folder.name:
        yield f"manifest.json: {domain} is in a folder named {folder.name}"
    if (_CORE / folder.name).is_dir():
        yield f"manifest.json: {folder.name} is an integration of core, too"
    if [*manifest] != sorted(manifest, key=lambda key: (key not in ("domain", "name"), key)):
        yield "manifest.json: keys are ordered domain, name, then by the alphabet"
