"""The Marketplace of the newest Home Assistant installs releases of this repository."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
import io
import json
import os
from pathlib import Path
import subprocess
from typing import Any, Final
from zipfile import ZipFile

import pytest

from tests.conftest import FIXTURES, INTEGRATION
from tests.demo.__main__ import connect
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import REPOSITORY, HassProcess
from tests.simulator import Simulator

from . import MESSAGES, free_port
from .github import GitHub, Release

HASS: Final = Path(os.environ.get("HASS", ""))
MARKETPLACE: Final = "lib/python*/site-packages/homeassistant/components/marketplace"
FOLDER: Final = f"custom_components/{INTEGRATION.name}"
ARCHIVE: Final = "pbx_voicemail.zip"
OLD: Final = "0.1.0"
MANIFEST: Final = json.loads((INTEGRATION / "manifest.json").read_text())
NEW: Final[str] = MANIFEST["version"]

pytestmark = pytest.mark.skipif(
    not [*HASS.parent.parent.glob(MARKETPLACE)],
    reason="only the newest Home Assistant has a Marketplace: scripts/test --newest",
)


def _today(target: Path) -> Release:
    """Return a release of what is checked out, with the archive that the workflow attaches."""
    subprocess.run([REPOSITORY / "scripts" / "archive", target], check=True)
    archive = target.read_bytes()
    files = {f"{FOLDER}/{name}": content for name, content in _unpack(archive).items()}
    for name in ("hacs.json", "README.md", "LICENSE"):
        files[name] = (REPOSITORY / name).read_bytes()
    return Release(files, {ARCHIVE: archive})


def _old() -> Release:
    """Return the release 0.1.0."""
    archive = (FIXTURES / f"pbx_voicemail-{OLD}.zip").read_bytes()
    files = {f"{FOLDER}/{name}": content for name, content in _unpack(archive).items()}
    return Release(
        {**files, "hacs.json": (REPOSITORY / "hacs.json").read_bytes()}, {ARCHIVE: archive}
    )


def _unpack(archive: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(archive)) as reader:
        return {name: reader.read(name) for name in reader.namelist()}


def _files_in(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but those that Python compiles."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.fixture
async def github(socket_enabled: None, tmp_path: Path) -> AsyncIterator[GitHub]:
    """Run a GitHub with the release 0.1.0 and with one of today."""
    async with GitHub(MANIFEST["documentation"].removeprefix("https://github.com/")) as github:
        github.releases = {OLD: _old(), NEW: await asyncio.to_thread(_today, tmp_path / ARCHIVE)}
        yield github


@pytest.fixture
def config(tmp_path: Path, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare a configuration without custom integrations, for a Home Assistant on this GitHub."""
    program = tmp_path / "hass"
    python, launcher = HASS.with_name("python"), Path(__file__).with_name("hass_with_github.py")
    program.write_text(f'#!/bin/sh\nexec "{python}" "{launcher}" "{github.url}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("HASS", str(program))
    (tmp_path / "components").mkdir()
    return tmp_path / "config"


@asynccontextmanager
async def _run(config: Path) -> AsyncIterator[ApiClient]:
    """Run Home Assistant until its Marketplace is ready, and on."""
    hass = HassProcess(config, free_port(), config.with_name("components"))
    async with ApiClient(hass.url) as client:
        try:
            await hass.start(client)
            await _wait_until(client, "stage", "running")
            yield client
        finally:
            await hass.stop()


async def _wait_until(client: ApiClient, key: str, value: object) -> None:
    """Wait until the Marketplace says something about itself. It does not while it is set up."""
    async with asyncio.timeout(30):
        while True:
            with suppress(RuntimeError):
                if (await client.command("marketplace/info"))[key] == value:
                    return
            await asyncio.sleep(0.1)


async def _connect_github(client: ApiClient) -> None:
    """Connect a GitHub account, as a person does with a code."""
    flow_id = (await client.command("marketplace/github/connect"))["flow_id"]
    path = f"/api/config/config_entries/flow/{flow_id}"
    result = await client.post(path)
    async with asyncio.timeout(30):
        while result["type"] == "progress":
            await asyncio.sleep(0.1)
            result = await client.get(path)
    assert result["reason"] == "reconfigure_successful"
    await _wait_until(client, "github_connected", value=True)


async def _find(client: ApiClient) -> dict[str, Any]:
    (found,) = await client.command("marketplace/repositories/list")
    return dict(found)


async def _install(client: ApiClient, version: str | None = None) -> None:
    chosen = {"version": version} if version else {}
    await client.command("marketplace/repository/install", repository="1", **chosen)


async def test_custom_repository(config: Path, github: GitHub, pbx: Simulator) -> None:
    """Install an old version, update, go back, update again, do the main job, and remove it."""
    installed = config.with_name("components") / INTEGRATION.name
    old, new = (_unpack(github.releases[tag].assets[ARCHIVE]) for tag in (OLD, NEW))
    add = {"repository": f"https://github.com/{github.repository}", "category": "integration"}
    async with _run(config) as client:
        await client.command("marketplace/warning/accept")
        with pytest.raises(RuntimeError, match="github_not_connected"):
            await client.command("marketplace/repositories/add", **add)
        await _connect_github(client)
        await client.command("marketplace/repositories/add", **add)
        found = await _find(client)
        assert found["custom"]
        assert found["can_install"]
        assert found["available_version"] == NEW
        assert found["name"] == "PBX Voicemail"

        await _install(client, OLD)
        assert _files_in(installed) == old
        info = await client.command("marketplace/repository/info", repository_id="1")
        update = info["update_entity_id"]
        assert (await client.get(f"/api/states/{update}"))["state"] == "on"
        await client.post("/api/services/update/install", entity_id=update)
        assert _files_in(installed) == new
        await _install(client, OLD)
        assert _files_in(installed) == old

        github.releases["2.0.0"] = Release(github.releases[NEW].files)
        with pytest.raises(RuntimeError):
            await _install(client, "2.0.0")
        assert _files_in(installed) == old, "a release without an archive changes nothing"
        del github.releases["2.0.0"]
        await _install(client, NEW)
        assert (await _find(client))["installed_version"] == NEW

    async with _run(config) as client:
        await connect(client, pbx.address)
        assert (await client.get(MESSAGES))["state"] == "3"
        assert _files_in(installed) == new
        with pytest.raises(RuntimeError, match="repository_in_use"):
            await client.command("marketplace/repository/uninstall", repository="1")
        (entry,) = await client.get("/api/config/config_entries/entry?domain=pbx_voicemail")
        await client.delete(f"/api/config/config_entries/entry/{entry['entry_id']}")
        await client.command("marketplace/repository/uninstall", repository="1")
        assert not installed.exists()


async def test_from_the_catalog(config: Path, github: GitHub, pbx: Simulator) -> None:
    """Without a GitHub account, and so without GitHub's API. It works without a restart."""
    github.is_listed = True
    async with _run(config) as client:
        await client.command("marketplace/warning/accept")
        assert not (await _find(client))["custom"]
        await _install(client)
        assert (await _find(client))["installed_version"] == NEW
        await connect(client, pbx.address)
        assert (await client.get(MESSAGES))["state"] == "3"
    assert [path for path in github.requests if path.startswith("/api/repos/")] == []
    # A value in hacs.json or manifest.json that it ignores is a warning.
    assert "marketplace" not in (config / "home-assistant.log").read_text()
