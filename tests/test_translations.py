"""Every language says the same things, and all that the code refers to."""

import json
from pathlib import Path
import re
from typing import Any

from homeassistant.util.yaml import load_yaml_dict
import pytest

from custom_components.pbx_voicemail import pbx
from custom_components.pbx_voicemail.const import API_AUTO
from custom_components.pbx_voicemail.issues import Issue
from custom_components.pbx_voicemail.pbx import PbxError, PbxGoneError, PbxUnclearError

from .conftest import INTEGRATION
from .faults import FAULTS

TRANSLATIONS = INTEGRATION / "translations"
CODE = "".join(file.read_text() for file in sorted(INTEGRATION.glob("*.py")))
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


def test_every_error_of_the_client_has_words() -> None:
    kinds = {
        error.kind
        for error in vars(pbx).values()
        if isinstance(error, type) and issubclass(error, PbxError) and error is not PbxError
    }
    of_messages = {PbxGoneError.kind, PbxUnclearError.kind}
    raised = re.findall(r'failure\(\s*\w+,\s*"(\w+)"', CODE)
    assert ENGLISH["exceptions"].keys() == kinds | set(raised)
    assert ENGLISH["config"]["error"].keys() == kinds - of_messages | {"invalid_host"}
    assert ENGLISH["issues"].keys() == set(Issue)
    assert {fault.kind for fault in FAULTS} <= kinds


def test_every_key_in_the_code_has_words_and_no_words_are_left_over() -> None:
    steps = set(re.findall(r"def async_step_(\w+)", CODE)) - {"reauth", "init"}
    assert steps | {"init"} == (
        ENGLISH["config"]["step"].keys()
        | ENGLISH["options"]["step"].keys()
        | ENGLISH["issues"]["wrong_time_zone"]["fix_flow"]["step"].keys()
    )
    aborts = {*re.findall(r'async_abort\(reason="(\w+)"', CODE), "already_configured"}
    assert ENGLISH["config"]["abort"].keys() == aborts | {
        "reauth_successful",
        "reconfigure_successful",
    }
    errors = set(re.findall(r'errors\[\w+\] = "(\w+)"', CODE))
    assert errors == {"invalid_host", *ENGLISH["options"]["error"]}
    entities = {key for platform in ENGLISH["entity"].values() for key in platform}
    devices = set(ENGLISH["device"])
    assert set(re.findall(r'translation_key="(\w+)"', CODE)) - {"invalid_auth"} == entities
    assert all(f'"{key}"' in CODE for key in devices)
    modules = sorted((INTEGRATION / "frontend").glob("*.js"))
    card = "".join(module.read_text() for module in modules)
    named = set(re.findall(r'"(card_\w+|unknown_caller)"', card))
    fields = re.findall(r'name: "(\w+)",\s+selector', card)
    named |= {f"card_editor_{field}" for field in fields} | {"card_editor_devices_help"}
    assert ENGLISH["common"].keys() == named
    assert ENGLISH["selector"]["api"]["options"].keys() == {API_AUTO}


def test_every_action_is_described() -> None:
    registered = set(re.findall(r'register\(\s*"(\w+)"', CODE))
    assert registered == load_yaml_dict(str(INTEGRATION / "services.yaml")).keys()
