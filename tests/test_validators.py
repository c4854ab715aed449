"""The tree as it stands passes every validator, and each of them catches what breaks it."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Any, Final

from homeassistant.util.yaml import load_yaml_dict, save_yaml
import pytest

from .conftest import INTEGRATION
from .demo.hass_process import REPOSITORY
from .validators import CHECKS

type Breakage = Callable[[Path], None]

FOLDER: Final = f"custom_components/{INTEGRATION.name}"
MANIFEST: Final = "manifest.json"
ENGLISH: Final = "translations/en.json"
GERMAN: Final = "translations/de.json"
ICONS: Final = "icons.json"
ACTIONS: Final = "services.yaml"
TRIGGERS: Final = "triggers.yaml"
CONDITIONS: Final = "conditions.yaml"

STEP: Final = ("config", "step", "user")
ERROR: Final = ("config", "error", "timeout")
COUNT: Final = ("entity", "sensor", "messages")
FIELD: Final = ("get_messages", "fields", "limit")
CALLERS: Final = ("message_received", "fields", "callers")
DURATION: Final = ("is_message_waiting", "fields", "for")


def put(file: str, value: object, *path: str) -> Breakage:
    """Have another value in a JSON or YAML file."""

    def breakage(folder: Path) -> None:
        content, place = _open(folder / file, path)
        place[path[-1]] = value
        _save(folder / file, content)

    return breakage


def drop(file: str, *path: str) -> Breakage:
    """Have a value less in it."""

    def breakage(folder: Path) -> None:
        content, place = _open(folder / file, path)
        del place[path[-1]]
        _save(folder / file, content)

    return breakage


def _open(file: Path, path: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    content = json.loads(file.read_text()) if file.suffix == ".json" else load_yaml_dict(str(file))
    place = content
    for key in path[:-1]:
        place = place[key]
    return content, place


def _save(file: Path, content: dict[str, Any]) -> None:
    if file.suffix == ".json":
        file.write_text(json.dumps(content))
    else:
        save_yaml(str(file), content)


def import_recorder(folder: Path) -> None:
    with (folder / "repairs.py").open("a") as module:
        module.write("\nfrom homeassistant.components import recorder\n")


BREAKAGES: Final[list[tuple[str, Breakage, str]]] = [
    ("automations", drop(TRIGGERS, "message_received", "target"), "required"),
    ("automations", put(TRIGGERS, ["any"], *CALLERS, "selector", "select", "options"), "no option"),
    ("automations", put(CONDITIONS, {"texxt": None}, *DURATION, "selector"), "texxt"),
    ("automations", drop(CONDITIONS, *DURATION), "for is either no field"),
    ("automations", drop(ENGLISH, "triggers", *CALLERS), "callers is either no field"),
    ("automations", drop(ENGLISH, "conditions"), "is_message_waiting is either no condition"),
    (
        "dependencies",
        put(MANIFEST, ["ffmpeg", "file_upload", "http", "zha"], "dependencies"),
        "nothing uses it",
    ),
    ("dependencies", import_recorder, "recorder is imported"),
    ("icons", put(ICONS, "mdi:vociemail", "services", "get_messages", "service"), "no icon"),
    ("icons", drop(ICONS, "services", "get_messages"), "without an icon"),
    ("icons", drop(ICONS, "conditions"), "is_message_waiting is either no condition"),
    ("manifest", drop(MANIFEST, "version"), "required"),
    ("manifest", put(MANIFEST, "local", "iot_class"), "iot_class"),
    ("manifest", put(MANIFEST, "x", "zzz"), "zzz"),
    ("quality_scale", put("quality_scale.yaml", "exempt", "rules", "devices"), "devices"),
    ("services", put(ACTIONS, {"texxt": None}, *FIELD, "selector"), "texxt"),
    ("services", drop(ENGLISH, "services", *FIELD), "limit is either no field"),
    ("translations", put(ENGLISH, "x", *STEP, "hint"), "hint"),
    ("translations", drop(ENGLISH, *STEP, "data_description", "host"), "['host']"),
    ("translations", put(GERMAN, "Drücke <b>OK</b>", *ERROR), "de.json"),
    ("translations", put(ENGLISH, "See '{detail}'", *ERROR), "single quotes"),
    ("translations", put(ENGLISH, "See {detail", *ERROR), "other half"),
    ("translations", put(ENGLISH, "{count}", *COUNT, "unit_of_measurement"), "fill it in"),
    ("translations", drop(ENGLISH, "triggers", *CALLERS, "name"), "required"),
]


@pytest.mark.parametrize("subject", CHECKS)
def test_nothing_to_complain_of(subject: str) -> None:
    assert [*CHECKS[subject](REPOSITORY)] == []


@pytest.mark.parametrize(("subject", "breakage", "words"), BREAKAGES)
def test_caught(tmp_path: Path, subject: str, breakage: Breakage, words: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "brand")
    shutil.copytree(INTEGRATION, tmp_path / FOLDER, ignore=ignored)
    breakage(tmp_path / FOLDER)
    complaints = [*CHECKS[subject](tmp_path)]
    assert complaints
    assert [complaint for complaint in complaints if words not in complaint] == []
