"""__init__.py: what is set up once for all must say that YAML configures nothing of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from .repository import integration_of


def check(repository: Path) -> Iterator[str]:
    """Complain of a set-up without a schema."""
    file = integration_of(repository) / "__init__.py"
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.AsyncFunctionDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    if names & {"async_setup", "setup"} and "CONFIG_SCHEMA" not in names:
        yield "__init__.py: there is async_setup, and no CONFIG_SCHEMA"
