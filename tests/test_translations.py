"""Every language says the same things, and all that the code refers to."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.config.probe import TokenNotSupportedError
from custom_components.pbx_voicemail.config.schemas import InvalidHostError
from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.issues import SETUP_ISSUES, Issue
from custom_components.pbx_voicemail.pbx import (
    PbxError,
    PbxGoneError,
    PbxSetupError,
    PbxUnclearError,
)
from custom_components.pbx_voicemail.trigger import Callers

from .conftest import INTEGRATION

TRANSLATIONS = INTEGRATION / "translations"
CODE = "".join(file.read_text() for file in sorted(INTEGRATION.rglob("*.py")))
ENGLISH = json.loads((TRANSLATIONS / "en.json").read_text())


def _texts(tree: dict[str, Any], *path: str) -> dict[tuple[str, ...], str]:
    texts: dict[tuple[str, ...], str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            texts |= _texts(value, *path, key)
        else:
            texts[*path, key] = value
    return texts


@pytest.mark.parametrize("file", sorted(TRANSLATIONS.glob("*.json")), ids=lambda file: file.stem)
def test_same_texts_with_the_same_blanks_in_every_language(file: Path) -> None:
    texts = _texts(json.loads(file.read_text()))
    english = _texts(ENGLISH)
    assert texts.keys() == english.keys()
    for path, text in texts.items():
        assert text, path
        assert _blanks(text) == _blanks(english[path]), path


def _blanks(text: str) -> set[str]:
    return set(re.findall(r"{(\w*)}", text))


_OF_FORMS = {InvalidHostError.kind, TokenNotSupportedError.kind}


def _subclasses(error: type[PbxError]) -> Iterator[type[PbxError]]:
    """Return the errors of all families that can be raised."""
    for subclass in error.__subclasses__():
        if hasattr(subclass, "kind") and subclass.__module__.startswith("custom_components."):
            yield subclass
        yield from _subclasses(subclass)


def test_every_error_and_issue_has_words() -> None:
    kinds = {error.kind for error in _subclasses(PbxError)}
    of_setup = {error.kind for error in _subclasses(PbxSetupError)}
    assert (
        kinds - _OF_FORMS | _named(r'translated_error\(\s*\w+,\s*"(\w+)"')
        <= ENGLISH["exceptions"].keys()
    )
    of_messages = {PbxGoneError.kind, PbxUnclearError.kind}
    assert kinds - of_messages | _OF_FORMS == ENGLISH["config"]["error"].keys()
    assert ENGLISH["issues"].keys() == {*Issue} - SETUP_ISSUES | of_setup


def test_every_key_in_the_code_has_words() -> None:
    flows = [ENGLISH["config"], ENGLISH["options"], *_fix_flows()]
    for pattern, kind in (
        (r"def async_step_(?!(?:reauth|dhcp)\()(\w+)", "step"),
        (r'async_abort\(reason="(\w+)"', "abort"),
    ):
        assert _named(pattern) <= {key for flow in flows for key in flow.get(kind, {})}
    entities = {key for platform in ENGLISH["entity"].values() for key in platform}
    assert _named(r'translation_key="(\w+)"') <= {
        *entities,
        *ENGLISH["device"],
        *ENGLISH["exceptions"],
    }
    modules = sorted((INTEGRATION / "frontend").glob("*.js"))
    card = "".join(module.read_text() for module in modules)
    assert {*re.findall(r'"(card_\w+)"', card)} <= ENGLISH["common"].keys()
    assert ENGLISH["selector"]["callers"]["options"].keys() == {*Callers}


def _named(pattern: str) -> set[str]:
    return set(re.findall(pattern, CODE))


def _fix_flows() -> list[dict[str, Any]]:
    return [issue["fix_flow"] for issue in ENGLISH["issues"].values() if "fix_flow" in issue]


async def test_every_action_is_described(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    registered = hass.services.async_services_for_domain(DOMAIN).keys()
    file = str(INTEGRATION / "services.yaml")
    described = await hass.async_add_executor_job(load_yaml_dict, file)
    assert registered == described.keys() == ENGLISH["services"].keys()
