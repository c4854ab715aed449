"""The blueprints' files. What the blueprints do is tested in the folder `blueprints`."""

import re
from urllib.parse import quote

from .blueprints.house import FOLDER
from .demo.home import REPOSITORY


def test_every_blueprint_is_tested() -> None:
    tests = REPOSITORY / "tests" / "blueprints"
    assert all((tests / f"test_{file.stem}.py").is_file() for file in FOLDER.glob("*.yaml"))


def test_readme_has_an_import_link_for_each() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for file in FOLDER.glob("*.yaml"):
        (source,) = re.findall(r"source_url: (\S+)", file.read_text())
        assert source.endswith(f"/{file.relative_to(REPOSITORY)}")
        assert f"blueprint_url={quote(source, safe='')})" in readme
