"""The tree as it stands passes every validator, and each rule of theirs catches what breaks it."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Any, Final

from homeassistant.util.yaml import load_yaml_dict, save_yaml
from PIL import Image, ImageDraw
import pytest

from .conftest import INTEGRATION
from .demo.home import REPOSITORY
from .validators import CHECKS

type Breakage = Callable[[Path], None]

DOMAIN: Final = INTEGRATION.name
FOLDER: Final = f"custom_components/{DOMAIN}"
MANIFEST: Final = f"{FOLDER}/manifest.json"
ENGLISH: Final = f"{FOLDER}/translations/en.json"
GERMAN: Final = f"{FOLDER}/translations/de.json"
ICONS: Final = f"{FOLDER}/icons.json"
ACTIONS: Final = f"{FOLDER}/services.yaml"
BRAND: Final = f"{FOLDER}/brand"


def put(file: str, value: object, *path: str) -> Breakage:
    """Have another value in a JSON or YAML file."""

    def breakage(repository: Path) -> None:
        content, key, place = _open(repository / file, path)
        place[key] = value
        _save(repository / file, content)

    return breakage


def drop(file: str, *path: str) -> Breakage:
    """Have a value less in it or, without a path, the whole file."""

    def breakage(repository: Path) -> None:
        if not path:
            (repository / file).unlink()
            return
        content, key, place = _open(repository / file, path)
        del place[key]
        _save(repository / file, content)

    return breakage


def _open(file: Path, path: tuple[str, ...]) -> tuple[dict[str, Any], str, dict[str, Any]]:
    content = json.loads(file.read_text()) if file.suffix == ".json" else load_yaml_dict(str(file))
    place = content
    for key in path[:-1]:
        place = place.setdefault(key, {})
    return content, path[-1], place


def _save(file: Path, content: dict[str, Any]) -> None:
    if file.suffix == ".json":
        file.write_text(json.dumps(content))
    else:
        save_yaml(str(file), content)


def say(file: str, old: str, new: str) -> Breakage:
    """Have other words in a file."""

    def breakage(repository: Path) -> None:
        text = (repository / file).read_text()
        assert old in text
        (repository / file).write_text(text.replace(old, new))

    return breakage


def also(file: str, code: str) -> Breakage:
    """Have some more code."""

    def breakage(repository: Path) -> None:
        with (repository / FOLDER / file).open("a") as module:
            module.write(f"\n{code}\n")

    return breakage


def draw(name: str, width: int, height: int, margin: int = 0, around: int = 0) -> Breakage:
    """Have an image of this size, whose disc leaves corners and a margin around it empty."""

    def breakage(repository: Path) -> None:
        image = Image.new("RGBA", (width, height), (255, 255, 255, around))
        disc = (margin, margin, width - 1 - margin, height - 1 - margin)
        ImageDraw.Draw(image).ellipse(disc, fill=(0, 0, 0, 255))
        image.save(repository / BRAND / name)

    return breakage


def rename_to(domain: str) -> Breakage:
    """Have another domain."""

    def breakage(repository: Path) -> None:
        put(MANIFEST, domain, "domain")(repository)
        (repository / FOLDER).rename(repository / "custom_components" / domain)

    return breakage


def swap_first_keys(repository: Path) -> None:
    manifest = json.loads((repository / MANIFEST).read_text())
    name, *others = reversed([*manifest.items()][:2])
    (repository / MANIFEST).write_text(json.dumps(dict([name, *others]) | manifest))


def add_integration(repository: Path) -> None:
    other = repository / "custom_components" / "zzz_another"
    shutil.copytree(repository / FOLDER, other)


def write(file: str, text: str) -> Breakage:
    """Have a file of this content."""

    def breakage(repository: Path) -> None:
        (repository / file).write_text(text)

    return breakage


STEP: Final = ("config", "step", "user")
ERROR: Final = ("config", "error", "timeout")
SECTION: Final = (*STEP, "sections", "advanced")
COUNT: Final = ("entity", "sensor", "messages")
FIELD: Final = ("get_messages", "fields", "limit")

BREAKAGES: Final[list[tuple[str, Breakage, str]]] = [
    ("brand", drop(f"{BRAND}/icon.png"), "icon.png"),
    ("brand", draw("icon.png", 256, 255), "not 256 by 256"),
    ("brand", draw("icon@2x.png", 256, 256), "not 512 by 512"),
    ("brand", draw("dark_icon.png", 512, 512), "not 256 by 256"),
    ("brand", draw("dark_logo.png", 400, 127), "shortest side of 127"),
    ("brand", draw("dark_logo.png", 400, 257), "shortest side of 257"),
    ("brand", draw("logo@2x.png", 500, 200), "logo@2x.png"),
    ("brand", draw("logo@2x.png", 800, 400), "not twice as large"),
    ("brand", draw("dark_logo@2x.png", 1000, 400), "no dark_logo.png"),
    ("brand", draw("icon.png", 256, 256, margin=1), "empty edges"),
    ("brand", draw("icon.png", 256, 256, around=255), "not transparent"),
    ("brand", draw("banner.png", 256, 256), "of this name"),
    ("brand", write(f"{BRAND}/icon.png", "GIF89a"), "no PNG"),
    ("config_flow", drop(f"{FOLDER}/config_flow.py"), "is missing"),
    ("config_flow", say(f"{FOLDER}/config_flow.py", "self.async_set_unique_id", "_"), "never"),
    (
        "config_flow",
        say(f"{FOLDER}/config_flow.py", "self._abort_if_unique_id_configured", "_"),
        "never",
    ),
    ("config_schema", say(f"{FOLDER}/__init__.py", "CONFIG_SCHEMA =", "_SCHEMA ="), "no CONFIG_"),
    ("dependencies", put(MANIFEST, ["ffmpeg"], "dependencies"), "http is imported"),
    ("dependencies", put(MANIFEST, ["ai_task", "stt"], "after_dependencies"), "lovelace is impo"),
    ("dependencies", also("card.py", "import homeassistant.components.history"), "history is i"),
    (
        "dependencies",
        also("card.py", "from homeassistant.components import recorder"),
        "recorder is imported",
    ),
    ("dependencies", put(MANIFEST, ["ffmpeg", "http", "zha"], "dependencies"), "nothing uses it"),
    (
        "dependencies",
        put(MANIFEST, ["ffmpeg", "http", "timeout"], "dependencies"),
        "no such integration",
    ),
    ("dependencies", put(MANIFEST, ["ffmpeg", "http", "stt"], "dependencies"), "listed twice"),
    ("hacs", drop("hacs.json"), "hacs.json: is missing"),
    ("hacs", drop("hacs.json", "name"), "required"),
    ("hacs", put("hacs.json", "", "name"), "name"),
    ("hacs", put("hacs.json", "integration", "category"), "category"),
    ("hacs", put("hacs.json", True, "render_readme"), "render_readme"),
    ("hacs", put("hacs.json", "soon", "homeassistant"), "no version"),
    ("hacs", put("hacs.json", True, "content_in_root"), "content_in_root"),
    (
        "hacs",
        write("hacs.json", '{"name": "x", "homeassistant": "2026.8.0", "zip_release": true}'),
        "needs a filename",
    ),
    ("hacs", add_integration, "2 integrations"),
    ("hacs", drop("README.md"), "README.md: is missing"),
    ("hacs", write("README.md", "\n"), "empty"),
    ("hacs", drop("LICENSE"), "LICENSE"),
    ("hacs", say("LICENSE", "free of charge", "for a small fee"), "LICENSE"),
    ("hacs", say("LICENSE", "MIT License", "Licence"), "LICENSE"),
    ("hacs", drop(f"{BRAND}/icon.png"), "brand/icon.png"),
    ("icons", put(ICONS, "phone", "entity", "event", "new_message", "default"), "no icon"),
    ("icons", put(ICONS, "mdi:vociemail", "services", "get_messages", "service"), "no icon"),
    ("icons", put(ICONS, "mdi:voicemail", *COUNT, "state", "0"), "would have anyway"),
    ("icons", put(ICONS, "mdi:mailbox", *COUNT, "state", "No One"), "no translation key"),
    ("icons", drop(ICONS, *COUNT, "default"), "required"),
    ("icons", put(ICONS, {"default": "mdi:voicemail"}, "entity", "sensor", "lost"), "no sensor l"),
    ("icons", put(ICONS, {}, "triggers"), "triggers"),
    ("icons", put(ICONS, "mdi:delete", "services", "get_messages"), "services"),
    ("icons", drop(ICONS, "services", "get_messages"), "without an icon"),
    (
        "icons",
        put(ICONS, {"service": "mdi:delete"}, "services", "mark_as_read"),
        "mark_as_read is either no action",
    ),
    ("manifest", put(MANIFEST, "another", "domain"), "in a folder named"),
    ("manifest", put(MANIFEST, "PBX Voicemail", "domain"), "PBX Voicemail"),
    ("manifest", rename_to("voip"), "an integration of core"),
    ("manifest", put(MANIFEST, "", "name"), "name"),
    ("manifest", drop(MANIFEST, "version"), "required"),
    ("manifest", put(MANIFEST, "first", "version"), "'first' is no version"),
    ("manifest", drop(MANIFEST, "codeowners"), "required"),
    ("manifest", put(MANIFEST, [], "codeowners"), "codeowners"),
    ("manifest", put(MANIFEST, ["pbx-voicemail"], "codeowners"), "codeowners"),
    ("manifest", put(MANIFEST, "http://example.org", "documentation"), "https"),
    ("manifest", put(MANIFEST, "https:example", "documentation"), "documentation"),
    (
        "manifest",
        put(MANIFEST, "https://www.home-assistant.io/integrations/x", "documentation"),
        "own pages",
    ),
    ("manifest", drop(MANIFEST, "issue_tracker"), "required"),
    ("manifest", put(MANIFEST, "issues", "issue_tracker"), "issue_tracker"),
    ("manifest", drop(MANIFEST, "iot_class"), "required"),
    ("manifest", put(MANIFEST, "local", "iot_class"), "iot_class"),
    ("manifest", drop(MANIFEST, "integration_type"), "required"),
    ("manifest", put(MANIFEST, "phone", "integration_type"), "integration_type"),
    ("manifest", put(MANIFEST, False, "config_flow"), "config_flow"),
    ("manifest", put(MANIFEST, ["a == 1"], "requirements"), "requirements"),
    ("manifest", put(MANIFEST, ["Media Source"], "dependencies"), "slug"),
    ("manifest", put(MANIFEST, "x", "zzz"), "zzz"),
    ("manifest", put(MANIFEST, ["pbx"], "loggers"), "by the alphabet"),
    ("manifest", swap_first_keys, "by the alphabet"),
    ("services", drop(ACTIONS), "is missing"),
    ("services", put(ACTIONS, {"texxt": None}, *FIELD, "selector"), "texxt"),
    ("services", put(ACTIONS, {"number": {"min": "one"}}, *FIELD, "selector"), "min"),
    ("services", drop(ACTIONS, *FIELD, "selector"), "required"),
    ("services", put(ACTIONS, None, *FIELD, "example"), "nothing is no value"),
    ("services", put(ACTIONS, "yes", *FIELD, "required"), "required"),
    ("services", put(ACTIONS, "Limit", *FIELD, "name"), "name"),
    ("services", put(ACTIONS, {}, "get_messages", "target"), "target"),
    ("services", put(ACTIONS, {"fields": {}}, "mark_as_read"), "one without words"),
    ("services", drop(ACTIONS, *FIELD), "limit is either no field"),
    ("services", drop(ENGLISH, "services", *FIELD), "limit is either no field"),
    ("services", drop(ENGLISH, "services", "get_messages"), "get_messages is either no action"),
    ("translations", drop(ENGLISH), "en.json: is missing"),
    ("translations", write(f"{FOLDER}/strings.json", "{}"), "strings.json"),
    ("translations", put(ENGLISH, "x", "title"), "title"),
    ("translations", drop(ENGLISH, "config"), "required"),
    ("translations", put(ENGLISH, "x", *STEP, "hint"), "hint"),
    ("translations", drop(ENGLISH, *STEP, "title"), "required"),
    ("translations", put(ENGLISH, "PBX Voicemail", *STEP, "title"), "integration's name"),
    ("translations", put(GERMAN, "PBX Voicemail", "options", "step", "init", "title"), "de.json"),
    ("translations", put(ENGLISH, "x", *STEP, "data_description", "port"), "['port']"),
    ("translations", drop(ENGLISH, *STEP, "data_description", "host"), "['host']"),
    ("translations", drop(ENGLISH, *SECTION, "data_description", "port"), "['port']"),
    (
        "translations",
        drop(ENGLISH, "options", "step", "init", "data_description", "extensions"),
        "['extensions']",
    ),
    ("translations", put(ENGLISH, "Press <b>OK</b>", *ERROR), "HTML"),
    ("translations", put(GERMAN, "Drücke <b>OK</b>", *ERROR), "de.json"),
    ("translations", put(ENGLISH, "See '{detail}'", *ERROR), "single quotes"),
    ("translations", put(ENGLISH, " Wait.", *ERROR), "space around it"),
    ("translations", put(ENGLISH, "Wait.\n", *ERROR), "space around it"),
    ("translations", put(ENGLISH, "", *ERROR), "is empty"),
    ("translations", put(ENGLISH, 5, *ERROR), "timeout"),
    ("translations", put(ENGLISH, "See https://example.org", *ERROR), "has an address"),
    ("translations", put(ENGLISH, "[%key:common::config_flow::x%]", *ERROR), "refers to another"),
    ("translations", put(ENGLISH, "See {the detail}", *ERROR), "no name"),
    ("translations", put(ENGLISH, "See {}", *ERROR), "no name"),
    ("translations", put(ENGLISH, "See {detail", *ERROR), "other half"),
    ("translations", put(ENGLISH, "x", "config", "error", "Timeout"), "no translation key"),
    ("translations", put(ENGLISH, "x", "config", "error", "_timeout"), "no translation key"),
    ("translations", put(ENGLISH, "x", "config", "error", "time__out"), "no translation key"),
    ("translations", put(ENGLISH, "x", "selector", "api", "options", "v2.0"), "no translation key"),
    ("translations", put(ENGLISH, "{count}", *COUNT, "unit_of_measurement"), "fill it in"),
    ("translations", put(ENGLISH, "Messages", *COUNT, "state", "none", "name"), "none"),
    ("translations", put(ENGLISH, "x", "exceptions", "timeout", "text"), "text"),
    ("translations", put(ENGLISH, "x", "exceptions", "Time out", "message"), "slug"),
    ("translations", put(ENGLISH, "x", "issues", "wrong_time_zone", "description"), "wrong_time_z"),
    ("translations", drop(ENGLISH, "issues", "locked_out", "description"), "locked_out"),
    ("translations", drop(ENGLISH, "services", "get_messages", "description"), "required"),
    ("translations", drop(ENGLISH, "services", *FIELD, "description"), "required"),
    ("translations", drop(ENGLISH, "device", "extension", "name"), "required"),
]


@pytest.mark.parametrize("subject", CHECKS)
def test_nothing_to_complain_of(subject: str) -> None:
    assert [*CHECKS[subject](REPOSITORY)] == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Copy what the validators look at, with images of our own drawing."""
    for name in ("hacs.json", "LICENSE", "README.md"):
        shutil.copy(REPOSITORY / name, tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "brand")
    shutil.copytree(INTEGRATION, tmp_path / FOLDER, ignore=ignored)
    (tmp_path / BRAND).mkdir()
    for drawn in (
        draw("icon.png", 256, 256),
        draw("icon@2x.png", 512, 512),
        draw("logo.png", 500, 200),
        draw("logo@2x.png", 1000, 400),
    ):
        drawn(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("subject", "breakage", "words"), BREAKAGES)
def test_caught(repository: Path, subject: str, breakage: Breakage, words: str) -> None:
    check = CHECKS[subject]
    before = {*check(repository)}
    breakage(repository)
    complaints = {*check(repository)} - before
    assert complaints
    assert [complaint for complaint in complaints if words not in complaint] == []


def test_drawn_images_pass(repository: Path) -> None:
    assert [*CHECKS["brand"](repository)] == []


def test_every_subject_is_broken() -> None:
    assert {subject for subject, _, _ in BREAKAGES} == CHECKS.keys()
