"""SECURITY.md promises nothing without a test: what it names is there."""

import re

from .demo.home import REPOSITORY
from .faults import FAULTS

TEXT = (REPOSITORY / "SECURITY.md").read_text()
ROWS = [row for row in TEXT.splitlines() if row.startswith("| ") and "`" in row]


def test_every_promise_names_a_file_that_is_there() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        files = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert files, row
        assert all((REPOSITORY / file).is_file() for file in files), row


def test_every_test_that_is_named_is_there() -> None:
    for row in ROWS:
        code = "".join(
            (REPOSITORY / file).read_text() for file in re.findall(r"`(tests/[\w/]+\.py)`", row)
        ) + "".join(
            (REPOSITORY / "tests" / file).read_text()
            for file in re.findall(r"`(test_\w+\.py)`", row)
        )
        for name in re.findall(r"`(test_\w+)`", row):
            assert f"def {name}(" in code, row


def test_every_fault_that_is_named_is_there() -> None:
    (row,) = [row for row in ROWS if "`gzip bomb`" in row]
    named = set(re.findall(r"`([a-z ]+)`", row))
    assert named <= {fault.name for fault in FAULTS}
