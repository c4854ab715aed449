"""Imports go downwards only, and never in a circle. A failure names the import."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from .conftest import INTEGRATION

LAYERS = {
    "pbx": 0,
    "const": 1,
    "errors": 1,
    "identifiers": 1,
    "issues": 1,
    "voicemail": 2,
    "config": 2,
    "outages": 3,
    "pbx_requests": 3,
    "coordinator": 3,
    "": 5,
}
"""The layer of each package or module, without a suffix; what is not listed is a platform, 4."""

PLATFORMS = 4
FAMILIES = {path.parent.name for path in (INTEGRATION / "pbx").glob("*/__init__.py")}


def _name(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(INTEGRATION).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {_name(path): path for path in INTEGRATION.rglob("*.py")}


def _imports(name: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return the modules of ours that a module imports."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module.split(".") if node.module else ()))
            submodules = {(*target, alias.name) for alias in node.names} & MODULES.keys()
            found |= submodules or {target}
    return found


def _layer(name: tuple[str, ...]) -> int:
    return LAYERS.get(name[0] if name else "", PLATFORMS)


def test_imports_go_downwards() -> None:
    upwards = [
        f"{'.'.join(name)} imports {'.'.join(target)}"
        for name in MODULES
        for target in _imports(name)
        if _layer(target) > _layer(name)
    ]
    assert upwards == []


def test_no_circles() -> None:
    # A package's module stands for the whole of it, except to its own modules.
    graph = {
        name: {target for target in _imports(name) if target != name[: len(target)]}
        for name in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        circle = " -> ".join(".".join(name) for name in err.args[1])
        raise AssertionError(circle) from None


def test_families_know_nothing_of_one_another() -> None:
    known_by = [
        f"{'.'.join(name)} imports {'.'.join(target)}"
        for name in MODULES
        if name[:1] == ("pbx",) and name != ("pbx", "families")
        for target in _imports(name)
        if len(target) > 1 and target[1] in FAMILIES and target[1] not in name
    ]
    assert known_by == []


def test_only_families_lists_them() -> None:
    outside = [
        f"{'.'.join(name)} imports {'.'.join(target)}"
        for name in MODULES
        if name[:1] != ("pbx",)
        for target in _imports(name)
        if target[:1] == ("pbx",) and len(target) > 1
    ]
    assert outside == []
