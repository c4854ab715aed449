"""Playback in a browser that requires a touch, as Home Assistant's Android app does by default."""

import asyncio
from functools import partial
from pathlib import Path
from typing import override

from aiohttp import web
from playwright.async_api import Browser, Route, expect
import pytest

from tests.conftest import TOKEN
from tests.demo.__main__ import connect, create_dashboard
from tests.simulator import Simulator, Spool
from tests.simulator.__main__ import EXTENSIONS

from .visit import Visit, open_visit, run_hass

TOUCH_SECONDS = 5
"""How long a touch permits playback."""

pytestmark = pytest.mark.usefixtures("socket_enabled")


class _SlowSimulator(Simulator):
    """A PBX that replies slowly, and has silent recordings."""

    delay = 0.0
    is_empty = False

    @override
    async def _download(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.delay)
        if self.is_empty:
            return web.Response(body=b"RIFF", content_type="audio/x-wav")
        return await super()._download(request)


async def test_autoplay_policy(tmp_path: Path, strict_browser: Browser, mailboxes: Spool) -> None:
    """One touch plays, however long the PBX takes; where it does not, a second is asked for."""
    async with (
        _SlowSimulator(mailboxes, extensions=EXTENSIONS, token=TOKEN, names=True) as pbx,
        run_hass(tmp_path / "home") as (hass, client),
        open_visit(
            strict_browser, hass, client, viewport={"width": 360, "height": 740}, has_touch=True
        ) as visit,
    ):
        await connect(client, pbx.address)
        await create_dashboard(client)
        await visit.page.add_init_script("localStorage.setItem('selectedLanguage', '\"de\"')")
        await visit.open()
        await expect(visit.row("7001")).to_be_visible()
        await _without_a_touch(visit, pbx)
        await _after_a_long_wait(visit, pbx)
        await _not_playable(visit, pbx)


async def _without_a_touch(visit: Visit, pbx: _SlowSimulator) -> None:
    """A touch that has expired, then a real one, which plays at once what is loaded."""
    pbx.delay = 1
    play = visit.row("7001").get_by_role("button", name="abspielen")
    # What Playwright does counts as a touch, so from now on it does nothing.
    await play.evaluate(f"button => setTimeout(() => button.click(), {(TOUCH_SECONDS + 1) * 1000})")
    await asyncio.sleep(TOUCH_SECONDS + 5)
    await expect(visit.row("7001")).to_contain_text("Zum Anhören erneut auf Abspielen drücken")
    await visit.row("7001").scroll_into_view_if_needed()
    await visit.screenshot("touch-again")
    pbx.delay = 60
    await play.tap()
    await expect(visit.row("7001").get_by_role("button", name="Pause")).to_be_visible()
    await expect(visit.row("7001").locator(".problem")).to_be_empty()


async def _after_a_long_wait(visit: Visit, pbx: _SlowSimulator) -> None:
    """The touch counts for the sound that comes of it."""
    pbx.delay = TOUCH_SECONDS + 2
    await visit.page.reload()
    await visit.row("Ann").get_by_role("button", name="abspielen").tap()
    await expect(visit.row("Ann").get_by_role("button", name="Pause")).to_be_visible(timeout=30_000)


async def _not_playable(visit: Visit, pbx: _SlowSimulator) -> None:
    """Home Assistant's words are English here, and the browser's own; a German sees neither."""
    pbx.delay, pbx.is_empty = 0, True
    problem = visit.row("anonymous").locator(".problem")
    await visit.row("anonymous").get_by_role("button", name="abspielen").tap()
    await expect(problem).to_have_text("Die Telefonanlage ist nicht erreichbar.")
    # Whatever the browser is given instead of sound, or nothing.
    for body in b"", b"RIFF", b"<html>":
        await visit.page.route(
            "**/api/pbx_voicemail/recording/**",
            partial(_serve, body),
        )
        pbx.is_empty = False
        await visit.row("Gate").get_by_role("button", name="abspielen").tap()
        await expect(visit.row("Gate").locator(".problem")).to_have_text(
            "Dieser Browser kann die Aufnahme nicht abspielen"
        )


async def _serve(body: bytes, route: Route) -> None:
    await route.fulfill(body=body, content_type="audio/wav")
