"""config_flow.py: the dialogs that the manifest promises, for a PBX that is told by an id."""

from collections.abc import Iterator
from pathlib import Path

from .repository import integration_of


def check(repository: Path) -> Iterator[str]:
    """Complain of dialogs that are missing, or that would set up the same PBX twice."""
    file = integration_of(repository) / "config_flow.py"
    if not file.is_file():
        yield "config_flow.py: is missing"
        return
    code = file.read_text()
    for call in "async_set_unique_id", "_abort_if_unique_id_configured":
        if f"self.{call}(" not in code:
            yield f"config_flow.py: {call} is never called"
