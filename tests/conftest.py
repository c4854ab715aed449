"""Fixtures: a simulated PBX over real HTTP, and Home Assistant with the integration."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain
from pathlib import Path
import re
import shutil
from threading import Thread, current_thread
from types import SimpleNamespace
from unittest.mock import PropertyMock, patch

from homeassistant.auth.models import Group
from homeassistant.auth.permissions.models import PermissionLookup
from homeassistant.auth.permissions.types import PolicyType
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from hypothesis import HealthCheck, settings
import imageio_ffmpeg
import pytest
from pytest_homeassistant_custom_component.common import CLIENT_ID, MockConfigEntry, MockUser

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import Mailbox, Message
from custom_components.pbx_voicemail.voicemail import arrivals, rate_limit

from .simulator import Simulator, Spool

FIXTURES = Path(__file__).parent / "fixtures"
INTEGRATION = Path(__file__).parents[1] / "custom_components" / DOMAIN
PASSWORD = "secret"
PASSWORD_MD5 = "5ebe2294ecd0e0f08eab7690d2a6ee69"
TOKEN = "813b621cfe8eecf445a2ce1f4a079ffe"
# A busy machine is slow, which says nothing about the code.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", _PATIENT)
settings.load_profile("patient")
# For random histories: pytest --hypothesis-profile=nightly
settings.register_profile("nightly", _PATIENT, max_examples=2000)

_WARNINGS = (
    f"custom integration '{DOMAIN}'|deprecated.*{DOMAIN}|does not generate unique IDs"
    "|Unclosed client session|Unexpected error"
)

EXTENSIONS = {"101": "Reception", "102": "Workshop", "103": "103", "104": "104"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first: started last, they would keep one process busy alone."""
    items.sort(key=lambda item: item.path.parent.name not in {"browser", "end_to_end"})


@pytest.fixture(autouse=True)
def integration_of_this_repository(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration."""


@pytest.fixture(autouse=True)
def no_warnings_of_home_assistant(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail if Home Assistant logs a warning about the integration."""
    yield
    stages = (caplog.get_records("setup"), caplog.get_records("call"))
    warnings = [
        record.getMessage()
        for record in chain(*stages)
        if re.search(_WARNINGS, record.getMessage())
    ]
    assert not warnings


@pytest.fixture(autouse=True)
async def enable_event_loop_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check what asyncio's debug mode checks: other threads do not use the event loop.

    The debug mode of Home Assistant's own fixture also keeps a stack for each handle and each
    future. That takes more than half of the time of all tests.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.BaseEventLoop)
    for name in "call_soon", "call_at":
        monkeypatch.setattr(loop, name, _checked(loop, getattr(loop, name)))


def _checked[**P, T](loop: asyncio.BaseEventLoop, schedule: Callable[P, T]) -> Callable[P, T]:
    def check(*args: P.args, **kwargs: P.kwargs) -> T:
        loop._check_thread()  # type: ignore[attr-defined]
        return schedule(*args, **kwargs)

    return check


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    """Use a configuration folder of its own for each test, for recordings."""
    return str(tmp_path / "homeassistant")


@pytest.fixture
def entity_registry_enabled_by_default() -> Iterator[None]:
    """Enable entities that are disabled by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture
def same_ids_in_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create ids without the secret, as early versions did."""
    monkeypatch.setattr(arrivals, "token_hex", lambda length: "")


@pytest.fixture
def fast_seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip the waiting times between announcements, and return them."""
    passed: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        passed.append(seconds)
        await real_sleep(0)

    clock = SimpleNamespace(time=lambda: sum(passed))
    fast = SimpleNamespace(sleep=sleep, get_running_loop=lambda: clock)
    monkeypatch.setattr(rate_limit, "asyncio", fast)
    return passed


@pytest.fixture
def announced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announce thousands of messages at once, where the rate limit is not tested."""
    monkeypatch.setattr(rate_limit, "BURST", 1_000_000)


@pytest.fixture
def recorded(tmp_path: Path) -> Spool:
    """Copy the mailboxes that a real Asterisk recorded: 101 has three, 102 and 103 two."""
    shutil.copytree(FIXTURES / "asterisk-voicemail", tmp_path / "spool")
    return Spool(tmp_path / "spool")


@pytest.fixture
async def pbx(socket_enabled: None, recorded: Spool) -> AsyncIterator[Simulator]:
    """Run a PBX with the recorded mailboxes, and an extension 104 without messages."""
    async with Simulator(
        recorded,
        extensions=EXTENSIONS,
        token=TOKEN,
        zone=dt_util.get_default_time_zone(),
        names=True,
    ) as simulator:
        yield simulator


@pytest.fixture
async def entry(hass: HomeAssistant, pbx: Simulator) -> AsyncIterator[MockConfigEntry]:
    """Configure the PBX, without setting it up."""
    host, port = pbx.address.split(":")
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=f"{pbx.model} ({host})",
        unique_id=pbx.serial_number,
        minor_version=2,
        data={
            "host": host,
            "port": int(port),
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "family": "s_series",
            "credentials": {"token": TOKEN},
            "remembered": {"api": "v0.0.1"},
        },
    )
    entry.add_to_hass(hass)
    yield entry
    # Home Assistant does not wait for a reload when it stops.
    await hass.async_block_till_done()


@pytest.fixture
def entry_with_user(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Configure the PBX with an API user instead of a token."""
    login = {"username": "api", "secret": PASSWORD_MD5}
    hass.config_entries.async_update_entry(entry, data={**entry.data, "credentials": login})
    return entry


@pytest.fixture
async def connected(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Set the PBX up."""
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
async def ffmpeg(hass: HomeAssistant) -> None:
    """Set up FFmpeg in Home Assistant, even if the machine does not have it."""
    binary = imageio_ffmpeg.get_ffmpeg_exe()
    assert await async_setup_component(hass, "ffmpeg", {"ffmpeg": {"ffmpeg_bin": binary}})


@pytest.fixture
async def no_ffmpeg(hass: HomeAssistant) -> None:
    """Set up Home Assistant without FFmpeg, even if the machine has it."""
    nowhere = str(FIXTURES / "no such program")
    assert await async_setup_component(hass, "ffmpeg", {"ffmpeg": {"ffmpeg_bin": nowhere}})


@pytest.fixture
async def restricted(hass: HomeAssistant, connected: MockConfigEntry) -> MockUser:
    """Create a user who may only see Reception (101) and control Workshop (102)."""
    await hass.auth.async_get_users()

    def device(extension: str) -> str:
        identifier = DOMAIN, f"{connected.unique_id}_{extension}"
        found = dr.async_get(hass).async_get_device_by_identifier(identifier, connected.entry_id)
        assert found
        return found.id

    policy: PolicyType = {
        "entities": {
            "device_ids": {
                device("101"): {"read": True},
                device("102"): {"read": True, "control": True},
            }
        }
    }
    user = MockUser(name="Restricted", groups=[Group("Some extensions", policy)])
    user.perm_lookup = PermissionLookup(er.async_get(hass), dr.async_get(hass))
    return user.add_to_hass(hass)


@pytest.fixture
async def restricted_token(hass: HomeAssistant, restricted: MockUser) -> str:
    """Sign the restricted user in."""
    refresh_token = await hass.auth.async_create_refresh_token(restricted, CLIENT_ID)
    return hass.auth.async_create_access_token(refresh_token)


@pytest.fixture
def unpacked_in(monkeypatch: pytest.MonkeyPatch) -> list[Thread]:
    """Return the threads in which mailboxes are unpacked, which is slow for large ones."""
    threads: list[Thread] = []
    unpack: Callable[[Mailbox], tuple[Message, ...]] = vars(Mailbox)["messages"].fget

    def record(mailbox: Mailbox) -> tuple[Message, ...]:
        threads.append(current_thread())
        return unpack(mailbox)

    monkeypatch.setattr(Mailbox, "messages", property(record))
    return threads
