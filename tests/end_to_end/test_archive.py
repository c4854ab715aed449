"""What HACS installs: the archive of a release, in a Home Assistant that has nothing else of us."""

from importlib.util import cache_from_source
import json
import os
from pathlib import Path
import shutil
import subprocess
from zipfile import ZipFile

import pytest

from tests.conftest import INTEGRATION
from tests.demo.__main__ import connect
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import REPOSITORY, HassProcess
from tests.simulator import Simulator

from . import MESSAGES, free_port


def _build(repository: Path, target: Path) -> bytes:
    subprocess.run([repository / "scripts" / "archive", target], check=True)
    return target.read_bytes()


def _was_run(module: Path) -> bool:
    """Tell whether Python has compiled a module, which it does right beside it."""
    return Path(cache_from_source(module)).exists()


@pytest.mark.usefixtures("socket_enabled")
async def test_main_job_from_the_archive(
    tmp_path: Path, pbx: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    components = tmp_path / "components"
    installed = components / INTEGRATION.name
    _build(REPOSITORY, tmp_path / "release.zip")
    with ZipFile(tmp_path / "release.zip") as archive:
        archive.extractall(installed)

    hass = HassProcess(tmp_path / "config", free_port(), components)
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            await connect(client, pbx.address)
            state = await client.get(MESSAGES)
        finally:
            await hass.stop()

    assert state["state"] == "3"
    assert all(_was_run(installed / module) for module in ("sensor.py", "pbx/client.py"))


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    integration = repository / INTEGRATION.relative_to(REPOSITORY)
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(INTEGRATION, integration, ignore=leave_out)
    shutil.copytree(REPOSITORY / "scripts", repository / "scripts", ignore=leave_out)
    files = sorted(file for file in integration.rglob("*") if file.is_file())
    without_git = _build(repository, tmp_path / "without git.zip")
    with ZipFile(tmp_path / "without git.zip") as archive:
        names = [file.relative_to(integration).as_posix() for file in files]
        assert sorted(archive.namelist()) == sorted(names)
        assert [archive.read(name) for name in names] == [file.read_bytes() for file in files]

    git = shutil.which("git")
    assert git
    subprocess.run([git, "init", "--quiet"], cwd=repository, check=True)
    subprocess.run([git, "add", "--all"], cwd=repository, check=True)
    for file in files:
        os.utime(file, (10**9, 10**9))
        file.chmod(0o600)
    (integration / "notes.txt").write_text("Not for others.")
    (integration / "__pycache__").mkdir()
    (integration / "__pycache__" / "const.pyc").touch()
    assert _build(repository, tmp_path / "with git.zip") == without_git


def test_release_attaches_what_hacs_asks_for() -> None:
    asked = json.loads((REPOSITORY / "hacs.json").read_text())
    assert asked["zip_release"] is True
    release = (REPOSITORY / ".github" / "workflows" / "release.yml").read_text()
    assert f"dist/{asked['filename']}" in release
    assert f"dist/{asked['filename']}" in (REPOSITORY / "scripts" / "archive").read_text()
