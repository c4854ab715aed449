"""The client library does not depend on Home Assistant."""

from pathlib import Path
import subprocess
import sys

from tests.conftest import INTEGRATION

IMPORT_WITHOUT_HOME_ASSISTANT = """
import sys
sys.modules["homeassistant"] = None  # importing it raises from here on
sys.path.insert(0, sys.argv[1])
import pbx
print(pbx.PbxClient.__name__)
"""


def test_no_imports_of_home_assistant(tmp_path: Path) -> None:
    (tmp_path / "pbx").symlink_to(INTEGRATION / "pbx")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_HOME_ASSISTANT, str(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "PbxClient\n"
