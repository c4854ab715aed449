"""Every language says the same things, and all that the code refers to."""

import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.pbx_voicemail import pbx
from custom_components.pbx_voicemail.pbx import PbxError

from .bad_answers import BAD_ANSWERS
from .conftest import INTEGRATION

TRANSLATIONS = INTEGRATION / "translations"
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
        assert text.strip() == text != "", path
        assert _blanks(text) == _blanks(english[path]), path


def _blanks(text: str) -> set[str]:
    return set(re.findall(r"{(\w*)}", text))


def test_every_error_of_the_client_has_words() -> None:
    kinds = {
        error.kind
        for error in vars(pbx).values()
        if isinstance(error, type) and issubclass(error, PbxError) and error is not PbxError
    }
    assert ENGLISH["exceptions"].keys() == kinds
    assert ENGLISH["config"]["error"].keys() == kinds | {"invalid_host"}
    assert {bad.kind for bad in BAD_ANSWERS} <= kinds


def test_every_field_is_described() -> None:
    for step in ENGLISH["config"]["step"].values():
        for form in (step, *step.get("sections", {}).values()):
            assert form["data"].keys() == form["data_description"].keys()
