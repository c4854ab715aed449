"""What tests say over and over: time passes, and a state is this or that."""

import asyncio
from datetime import UTC, datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, State
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from .conftest import FIXTURES
from .simulator import Simulator


async def poll(hass: HomeAssistant) -> None:
    """Let Home Assistant ask the PBX again, and wait for what it brings."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=60))
    await hass.async_block_till_done(wait_background_tasks=True)


async def leave(
    pbx: Simulator,
    extension: str,
    caller: str = '"Ann" <6000>',
    received: datetime = datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
) -> None:
    """Leave a message."""
    await asyncio.to_thread(
        pbx.spool.leave,
        extension,
        caller,
        received=received,
        recording=FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav",
    )


async def an_hour_passes(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let an hour pass, in steps over which a token stays alive."""
    for _ in range(3):
        freezer.tick(timedelta(minutes=21))
        await poll(hass)


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return a state that must be there."""
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state
