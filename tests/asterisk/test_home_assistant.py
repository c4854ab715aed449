"""Home Assistant announces what a real Asterisk records: at once, once, and whatever breaks.

Nothing makes polls due here: what happens, happens in real time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from homeassistant.core import HomeAssistant
import pytest

from custom_components.pbx_voicemail.const import DEFAULT_SCAN_INTERVAL

from ..pbx.contract.proxy import Proxy
from .fixtures import Put
from .home import SOON, Home, home_of, stored_at
from .manager import remove
from .program import Asterisk


@pytest.fixture
async def proxy(asterisk: Asterisk) -> AsyncIterator[Proxy]:
    """Have something between Home Assistant and the Asterisk that can break."""
    async with Proxy(asterisk.ports.web) as proxy:
        yield proxy


@pytest.fixture
async def home(hass: HomeAssistant, proxy: Proxy, mailbox: str) -> AsyncIterator[Home]:
    """Connect Home Assistant to one mailbox."""
    async with home_of(hass, proxy.port, mailbox) as home:
        yield home


async def test_message_runs_an_automation_as_soon_as_it_is_stored(
    home: Home, proxy: Proxy, asterisk: Asterisk, mailbox: str
) -> None:
    assert home.coordinator.update_interval == timedelta(seconds=10 * DEFAULT_SCAN_INTERVAL)
    latencies = []
    for caller in ("6001", "6002", "6003"):
        asterisk.call(mailbox, caller)
        await home.wait_for_callers(*home.callers, caller)
        latencies.append(home.announced[-1][1] - stored_at(asterisk, mailbox))
        assert home.state(mailbox, "messages") == str(len(latencies))
    print("from stored to the automation:", *(f"{1000 * one:.0f} ms" for one in latencies))
    assert max(latencies) < SOON
    assert home.callers == ["6001", "6002", "6003"]
    assert home.counts(mailbox) == ("3", "3", "on")

    before = proxy.connections
    await asyncio.sleep(3)
    assert proxy.connections == before


async def test_callers_who_hang_up_at_once(home: Home, asterisk: Asterisk, mailbox: str) -> None:
    callers = [str(number) for number in range(6001, 6009)]
    for caller in callers:
        asterisk.call(mailbox, caller)
    await home.wait_until(lambda: len(home.callers) >= len(callers))
    assert home.announced[-1][1] - stored_at(asterisk, mailbox) < SOON
    assert sorted(home.callers) == callers


async def test_asterisk_that_is_killed_again_and_again(
    home: Home, asterisk: Asterisk, mailbox: str
) -> None:
    asterisk.call(mailbox, "6001")
    await home.wait_for_callers("6001")
    for caller in ("6002", "6003"):
        asterisk.kill()
        took = await home.wait_until(lambda: not home.is_available(mailbox))
        print(f"unavailable after {took:.1f} s")
        await asyncio.to_thread(asterisk.start)
        asterisk.call(mailbox, caller)
        await home.wait_for_callers(*home.callers, caller)
        print(f"announced after {home.announced[-1][1] - stored_at(asterisk, mailbox):.1f} s")
        assert home.is_available(mailbox)
        await home.wait_until(lambda: home.is_push_up)
    asterisk.call(mailbox, "6004")
    await home.wait_for_callers("6001", "6002", "6003", "6004")
    assert home.announced[-1][1] - stored_at(asterisk, mailbox) < SOON
    assert home.counts(mailbox) == ("4", "4", "on")


async def test_message_that_is_left_while_the_network_is_down(
    home: Home, proxy: Proxy, asterisk: Asterisk, mailbox: str
) -> None:
    await proxy.stop()
    await home.wait_until(lambda: not home.is_available(mailbox))
    asterisk.call(mailbox, "6001")
    await asyncio.to_thread(asterisk.wait_for_messages, 1, mailbox)
    await proxy.start()
    await home.wait_for_callers("6001")
    await home.wait_until(lambda: home.is_push_up)
    assert home.counts(mailbox) == ("1", "1", "on")


async def test_stream_of_events_that_breaks(
    home: Home, proxy: Proxy, asterisk: Asterisk, mailbox: str, put: Put
) -> None:
    """What happens meanwhile leaves the counts as they were."""
    put(mailbox, callers=("6001",))
    await home.coordinator.async_refresh()
    await home.wait_for_callers("6001")

    await proxy.stop()
    await remove(asterisk, mailbox)
    put(mailbox, callers=("6002",))
    await proxy.start()
    await home.wait_for_callers("6001", "6002")
    await home.wait_until(lambda: home.is_push_up)
    asterisk.call(mailbox, "6003")
    await home.wait_for_callers("6001", "6002", "6003")
    assert home.announced[-1][1] - stored_at(asterisk, mailbox) < SOON


async def test_message_that_is_left_while_a_poll_takes_long(
    hass: HomeAssistant, asterisk: Asterisk, unused_mailboxes: Iterator[str], put: Put
) -> None:
    """A folder whose lock is not had keeps Asterisk busy for seconds, and with it the poll."""
    locked, other = next(unused_mailboxes), next(unused_mailboxes)
    put(locked, callers=("6001",))
    put(locked, callers=("6002",), folder="Work")
    async with home_of(hass, asterisk.ports.web, locked, other) as home:
        lock = asterisk.voicemail / "default" / locked / "Old" / ".lock"
        lock.touch()
        put(locked, callers=("6003",))
        poll = asyncio.create_task(home.coordinator.async_refresh())
        await asyncio.sleep(0.3)
        assert not poll.done()
        asterisk.call(other, "6004")
        await asyncio.to_thread(asterisk.wait_for_messages, 1, other)
        await home.wait_for_callers("6003", "6004")
        lock.unlink()
        await poll
        assert home.counts(locked) == ("3", "2", "on")
