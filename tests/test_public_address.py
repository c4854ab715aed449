"""The repository has one address, and all that names it names the same."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
import shutil
import subprocess
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from .demo.home import REPOSITORY

PLACES = (
    "*.md",
    ".github/**/*.*",
    "blueprints/**/*.yaml",
    "custom_components/*/*.*",
    "custom_components/*/frontend/*.js",
    "custom_components/*/translations/*.json",
    "docs/**/*.md",
)
LINK = re.compile(r"""(?:https?://|github\.com/)[^\s()<>\[\]"'`|]+""")
OTHERS = re.compile(r"https://github\.com/(hacs|home-assistant)/")
"""Whose repositories we may link to beside our own."""

PROSE = """\
[![CI](https://github.com/{owner}/{name}/actions/workflows/ci.yml/badge.svg)](https://github.com/{owner}/{name}/actions)
[![Release](https://img.shields.io/github/v/release/{owner}/{name}?label=release)](https://github.com/{owner}/{name}/releases)
[Add](https://my.home-assistant.io/redirect/hacs_repository/?category=integration&repository={name}&owner={owner})
[Import](https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url=https%3A%2F%2Fgithub.com%2F{owner}%2F{name}%2Fblob%2Fmain%2FREADME.md)
<https://raw.githubusercontent.com/{owner}/{name}/main/README.md>, `git clone https://github.com/{owner}/{name}.git`,
by @{owner}. Its home is https://github.com/{owner}/{name}. Not github.com/{owner}/{name}
"""
OF_OTHERS = """\
https://github.com/hacs/{name}, https://github.com/{owner}/{name}-card, https://github.com/not-{owner}/{name},
{owner}/{name}-card.js, custom:{name}-card, @{owner}s
"""


def _links(root: Path) -> Iterator[tuple[Path, str]]:
    for place in PLACES:
        for file in sorted(root.glob(place)):
            if file.suffix != ".png":
                yield from ((file, unquote(link)) for link in LINK.findall(file.read_text()))


def _manifest(root: Path) -> dict[str, Any]:
    (file,) = root.glob("custom_components/*/manifest.json")
    return dict(json.loads(file.read_text()))


def _agree(root: Path) -> int:
    """See that everything agrees with the manifest's documentation, and return how many do."""
    manifest = _manifest(root)
    owner, name = urlsplit(manifest["documentation"]).path.strip("/").split("/")
    ours = re.compile(rf"/{re.escape(owner)}/{re.escape(name)}(?![\w-])")
    assert manifest["documentation"] == f"https://github.com/{owner}/{name}"
    assert manifest["issue_tracker"] == f"https://github.com/{owner}/{name}/issues"
    assert manifest["codeowners"] == [f"@{owner}"]
    agreeing = 0
    for file, link in _links(root):
        if "/hacs_repository/" in link:
            asked = parse_qs(urlsplit(link).query)
            assert (asked["owner"], asked["repository"]) == ([owner], [name]), file
        elif "github" not in link or OTHERS.match(link):
            continue
        else:
            assert ours.search(link), f"{file}: {link}"
        agreeing += 1
    return agreeing


def test_everything_agrees() -> None:
    assert _agree(REPOSITORY) > len(list(REPOSITORY.glob("blueprints/**/*.yaml")))


def test_what_is_linked_to_is_there() -> None:
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
    ours = re.escape(_manifest(REPOSITORY)["documentation"])
    for file, link in _links(REPOSITORY):
        if anchor := re.search(rf"{ours}#(.+)", link):
            assert anchor[1] in anchors, file
        if path := re.search(rf"{ours}/(?:blob|tree|raw)/main/([^?#]+)", link):
            assert (REPOSITORY / path[1]).exists(), f"{file}: {link}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what names the address, and have git know it."""
    for place in ("scripts/rename-repository", *PLACES):
        for file in REPOSITORY.glob(place):
            target = tmp_path / file.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    owner, name = urlsplit(_manifest(tmp_path)["documentation"]).path.strip("/").split("/")
    (tmp_path / "prose.md").write_text(PROSE.format(owner=owner, name=name))
    (tmp_path / "others.txt").write_text(OF_OTHERS.format(owner=owner, name=name))
    git = shutil.which("git")
    assert git
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run([git, *arguments], cwd=tmp_path, check=True)
    return tmp_path


def _rename(copy: Path, *arguments: str) -> int:
    script = copy / "scripts" / "rename-repository"
    return subprocess.run([script, *arguments], check=False, stderr=subprocess.DEVNULL).returncode


def test_renaming(copy: Path) -> None:
    agreed = _agree(copy)
    before = _manifest(copy)
    others = (copy / "others.txt").read_text()
    assert _rename(copy, "Some-Body/voice.mail") == 0
    assert _manifest(copy)["documentation"] == "https://github.com/Some-Body/voice.mail"
    assert _agree(copy) == agreed
    prose = PROSE.format(owner="Some-Body", name="voice.mail")
    assert (copy / "prose.md").read_text() == prose
    assert (copy / "others.txt").read_text() == others
    assert (copy / "scripts" / "rename-repository").stat().st_mode & 0o111

    # And back, over a name with a dot.
    assert _rename(copy, urlsplit(before["documentation"]).path[1:]) == 0
    assert _agree(copy) == agreed
    assert _manifest(copy) == before


@pytest.mark.parametrize(
    "address", ["", "name", "/name", "owner/", "a/b/c", "a b/c", "a/b#c", "a/b&c"]
)
def test_no_address(copy: Path, address: str) -> None:
    before = _manifest(copy)
    assert _rename(copy, address) == 1
    assert _manifest(copy) == before
