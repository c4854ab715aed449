"""The machine's own Chromium, driven from outside."""

import asyncio
from collections.abc import AsyncIterator
import os
from pathlib import Path
import shutil

import pytest

from tests.conftest import FIXTURES, TOKEN
from tests.simulator import Simulator, Spool
from tests.simulator.__main__ import EXTENSIONS

try:
    from playwright.async_api import Browser, async_playwright, expect

    # Only a failure waits so long, and five seconds are not enough on a busy machine.
    expect.set_options(timeout=15_000)
except ModuleNotFoundError:  # as beside the oldest Home Assistant
    collect_ignore_glob = ["test_*.py"]

NAMES = "chromium", "chromium-browser", "google-chrome"  # as scripts/lib/tools has them


@pytest.fixture(scope="session")
def chromium() -> str:
    """Find the browser. Only a person may go without, not what judges a change."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"none of {', '.join(NAMES)} found; on Debian: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
async def browser(chromium: str, socket_enabled: None) -> AsyncIterator[Browser]:
    """Run the browser."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        ) as browser,
    ):
        yield browser


@pytest.fixture
async def strict_browser(chromium: str, socket_enabled: None) -> AsyncIterator[Browser]:
    """Run the browser as Home Assistant's Android app does by default: each sound needs a touch."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--autoplay-policy=user-gesture-required"],
        ) as browser,
    ):
        yield browser


@pytest.fixture
async def mailboxes(tmp_path: Path) -> Spool:
    """Copy the recorded mailboxes."""
    await asyncio.to_thread(shutil.copytree, FIXTURES / "asterisk-voicemail", tmp_path / "spool")
    return Spool(tmp_path / "spool")


@pytest.fixture
async def uc501(mailboxes: Spool, socket_enabled: None) -> AsyncIterator[Simulator]:
    """Run a PBX in the time zone of the demo's Home Assistant."""
    async with Simulator(mailboxes, extensions=EXTENSIONS, token=TOKEN, names=True) as pbx:
        yield pbx
