"""The machine's own Chromium, driven from outside."""

from collections.abc import AsyncIterator
import os
import shutil

import pytest

try:
    from playwright.async_api import Browser, async_playwright
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
    """Run the browser, which plays sound without waiting for a click."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        ) as browser,
    ):
        yield browser
