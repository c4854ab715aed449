"""What the code needs of other integrations, against what the manifest says of it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeassistant import components
from homeassistant.const import Platform

from .repository import integration_of, read_json

_CORE: Final = Path(components.__path__[0])

# Always there, or no more than classes to inherit from. hassfest admits some more, and what is
# imported for its types alone.
_ADMITTED: Final = {*Platform, "frontend", "media_source", "webhook", "websocket_api"}


def check(repository: Path) -> Iterator[str]:
    """Complain of what is used and not listed, and the other way round."""
    folder = integration_of(repository)
    manifest = read_json(folder / "manifest.json")
    needed = {*manifest.get("dependencies", [])}
    awaited = {*manifest.get("after_dependencies", [])}
    listed = needed | awaited
    nodes = [
        node for file in folder.rglob("*.py") for node in ast.walk(ast.parse(file.read_text()))
    ]
    imported = {domain for node in nodes for domain in _imported_by(node)}
    for domain in sorted(imported - listed - _ADMITTED - {folder.name}):
        # Another integration's own kind of file is read only when that one is there.
        if not (folder / f"{domain}.py").is_file():
            yield f"{domain} is imported, and neither a dependency nor an after_dependency"
    # An action is called by its integration's name, without an import.
    words = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for domain in sorted(listed - imported - words):
        yield f"{domain} is listed, and nothing uses it"
    for domain in sorted(listed):
        if not (_CORE / domain).is_dir():
            yield f"{domain} is listed, and Home Assistant has no such integration"
    for domain in sorted(needed & awaited):
        yield f"{domain} is listed twice"


def _imported_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            modules = [alias.name for alias in aliases]
        case ast.ImportFrom(module=str(module), names=aliases):
            modules = [f"{module}.{alias.name}" for alias in aliases]
        case _:
            return
    for module in modules:
        match module.split("."):
            case ["homeassistant", "components", domain, *_]:
                yield domain
