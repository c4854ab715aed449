"""Documents lead to files that are there, and everything names one address of the repository."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from .conftest import INTEGRATION
from .demo.hass_process import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
PLACES = (
    "*.md",
    "docs/*.md",
    ".github/**/*.*",
    "blueprints/**/*.yaml",
    "custom_components/*/*.*",
    "custom_components/*/frontend/*.js",
    "custom_components/*/translations/*.json",
)
OTHERS = re.compile(r"https://github\.com/(hacs|home-assistant)/")
"""Whose repositories we may link to beside our own."""

MANIFEST = json.loads((INTEGRATION / "manifest.json").read_text())
ADDRESS = MANIFEST["documentation"]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_and_paths(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for link in re.findall(r"""(?<=\]\()[^)]+|(?<=src=")[^"]+""", text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert "://" in link or target.exists(), link
        assert "://" in link or not anchor or anchor in _anchors(target), link
    for path in re.findall(r"`((?:\.ci|blueprints|requirements|scripts|tests)/[\w./-]+)", text):
        assert (REPOSITORY / path).exists(), path


def _links() -> Iterator[tuple[Path, str]]:
    for place in PLACES:
        for file in sorted(REPOSITORY.glob(place)):
            if file.suffix != ".png":
                links = re.findall(
                    r"""(?:https?://|github\.com/)[^\s()<>\[\]"'`|]+""", file.read_text()
                )
                yield from ((file, unquote(link)) for link in links)


def test_one_address_of_the_repository() -> None:
    owner, name = urlsplit(ADDRESS).path.strip("/").split("/")
    assert f"https://github.com/{owner}/{name}" == ADDRESS
    assert MANIFEST["issue_tracker"] == f"{ADDRESS}/issues"
    assert MANIFEST["codeowners"] == [f"@{owner}"]
    ours = re.compile(rf"/{re.escape(owner)}/{re.escape(name)}(?![\w-])")
    for file, link in _links():
        if "/hacs_repository/" in link:
            asked = parse_qs(urlsplit(link).query)
            assert (asked["owner"], asked["repository"]) == ([owner], [name]), file
        elif "github" in link and not OTHERS.match(link):
            assert ours.search(link), f"{file}: {link}"
        if anchor := re.search(rf"{re.escape(ADDRESS)}#(.+)", link):
            assert anchor[1] in _anchors(REPOSITORY / "README.md"), file
        if path := re.search(rf"{re.escape(ADDRESS)}/(?:blob|tree|raw)/main/([^?#]+)", link):
            assert (REPOSITORY / path[1]).exists(), f"{file}: {link}"


def test_readme_imports_every_blueprint() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for file in (REPOSITORY / "blueprints").rglob("*.yaml"):
        (source,) = re.findall(r"source_url: (\S+)", file.read_text())
        assert source.endswith(f"/{file.relative_to(REPOSITORY)}")
        assert f"blueprint_url={quote(source, safe='')})" in readme


@pytest.mark.parametrize("name", ["README.md", "README.zh-Hans.md"])
def test_readme_in_hacs(name: str) -> None:
    """HACS shows elements that it does not know, such as picture, as text."""
    elements = re.findall(r"<(\w+)", (REPOSITORY / name).read_text())
    assert {*elements} <= {"img", "kbd"}


def test_files_of_changes() -> None:
    """Where a change goes is up to date."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (table,) = re.findall(r"^Where does a change go\?\n\n(.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    files = re.findall(r"`([\w/-]+\.(?:py|js|json|yaml))`", table)
    assert files
    for file in files:
        assert (INTEGRATION / file).exists(), file


def test_actions_are_pinned() -> None:
    """A tag or a branch of another repository can be moved, a commit cannot."""
    workflows = [file.read_text() for file in REPOSITORY.glob(".github/workflows/*.yml")]
    actions = re.findall(r"uses: (.+)", "\n".join(workflows))
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # \S.*", action), action


def test_changelog_begins_with_the_version_of_the_manifest() -> None:
    """The release workflow takes the notes of a release from there."""
    first = re.search(r"^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first
    assert first[1] == MANIFEST["version"]
