"""A day with restarts and crashes in simulated time: never more than two tokens, nothing missed."""

from datetime import timedelta
from random import Random

from aiohttp import web
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from ..asterisk.home import Home
from ..pbx.p_series.clock import Clock
from ..simulator import PSeriesSimulator
from .test_home_assistant import leave, poll

_STEP = timedelta(minutes=9)
"""A token is replaced when it is 27 minutes old, and could live for three more."""
_NUMBERS = ("101", "102", "103")


async def test_a_day(
    hass: HomeAssistant,
    p_series: PSeriesSimulator,
    p_series_connected: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p_series.readings.refresh_kills = False
    clock = Clock(p_series, monkeypatch)
    random = Random(24)
    home = Home(hass, p_series_connected)
    await home.start_automation(*_NUMBERS)
    expected = []
    for number in range(timedelta(days=1) // _STEP):
        clock.tick(_STEP)
        chance = random.random()
        if chance < 0.05:
            await hass.config_entries.async_reload(p_series_connected.entry_id)
        elif chance < 0.12:
            await _crash(hass, p_series, p_series_connected)
        if random.random() < 0.3:
            expected.append(str(7000 + number))
            await leave(p_series, random.choice(_NUMBERS), expected[-1], p_series.clock())
        await poll(hass, p_series_connected)
        assert 1 <= p_series.tokens_alive <= 2
    for extension in _NUMBERS:
        there = p_series.spool.messages(extension)
        assert home.state(extension, "messages") == str(len(there))
    await home.wait_for_callers(*expected)

    print(f"{p_series.logins} logins, {len(p_series.requests)} requests")
    assert p_series.most_tokens == 2
    assert not p_series.refused_tokens
    assert p_series.requests.count("/openapi/v1.0/refresh_token") > 20
    await hass.config_entries.async_unload(p_series_connected.entry_id)
    clock.tick(_STEP)
    assert not p_series.tokens_alive


async def _crash(hass: HomeAssistant, pbx: PSeriesSimulator, entry: MockConfigEntry) -> None:
    """Restart without leave-taking: what was sent at the end has not arrived."""

    async def lose(request: web.Request) -> web.Response:
        return web.Response(status=502)

    pbx.intercept = lose
    await hass.config_entries.async_unload(entry.entry_id)
    pbx.intercept = None
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
