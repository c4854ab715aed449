"""Home Assistant with the integration, connected to a real Asterisk in real time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DEFAULT_SCAN_INTERVAL, DOMAIN
from custom_components.pbx_voicemail.coordinator import PbxCoordinator
from custom_components.pbx_voicemail.identifiers import unique_id

from ..helpers import get_state
from .program import Asterisk
from .settings import SECRET, USERNAME

SOON = 2.0
"""How many seconds a message may take from being stored to running an automation."""

_PATIENCE = 20

_HEARD = "test_announced"


class Home:
    """One Home Assistant, which knows some mailboxes of one Asterisk, and an automation in it."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Take an entry that has been set up."""
        self.hass = hass
        self.entry = entry
        self.announced: list[tuple[str, float]] = []
        """The callers whose messages ran the automation, and when, in Unix time."""

    @property
    def coordinator(self) -> PbxCoordinator:
        """What polls the Asterisk."""
        coordinator: PbxCoordinator = self.entry.runtime_data
        return coordinator

    @property
    def callers(self) -> list[str]:
        """The callers whose messages ran the automation."""
        return [caller for caller, _ in self.announced]

    @property
    def is_push_up(self) -> bool:
        """Whether polls are rare, since the Asterisk reports changes."""
        interval = self.coordinator.update_interval
        return interval is not None and interval.total_seconds() > DEFAULT_SCAN_INTERVAL

    def entity_id(self, mailbox: str, key: str, platform: str = "sensor") -> str:
        """Return the id of an entity of a mailbox."""
        found = er.async_get(self.hass).async_get_entity_id(
            platform, DOMAIN, unique_id(self.entry, mailbox, key)
        )
        assert found, key
        return found

    def state(self, mailbox: str, key: str, platform: str = "sensor") -> str:
        """Return the state of an entity of a mailbox."""
        return get_state(self.hass, self.entity_id(mailbox, key, platform)).state

    def counts(self, mailbox: str) -> tuple[str, str, str]:
        """Return the messages, the unread ones, and whether messages are waiting."""
        return (
            self.state(mailbox, "messages"),
            self.state(mailbox, "unread_messages"),
            self.state(mailbox, "message_waiting", "binary_sensor"),
        )

    def is_available(self, mailbox: str) -> bool:
        """Return whether the entities of a mailbox have states."""
        states = {*self.counts(mailbox), self.state(mailbox, "new_message", "event")}
        assert len({state == STATE_UNAVAILABLE for state in states}) == 1
        return STATE_UNAVAILABLE not in states

    def message_id(self, mailbox: str, caller: str) -> str:
        """Return the id of the one message of a caller."""
        messages = self.coordinator.data.mailbox(mailbox).messages
        (found,) = [message.id for message in messages if message.caller == caller]
        return found

    def path(self, mailbox: str, caller: str) -> str:
        """Return the path at which the one message of a caller is heard."""
        message_id = self.message_id(mailbox, caller)
        return f"/api/{DOMAIN}/recording/{self.entry.entry_id}/{mailbox}/{message_id}"

    async def start_automation(self, *mailboxes: str) -> None:
        """Have an automation note what is announced of mailboxes."""
        trigger = {
            "trigger": "event.received",
            "target": {
                "entity_id": [
                    self.entity_id(mailbox, "new_message", "event") for mailbox in mailboxes
                ]
            },
            "options": {"event_type": "received"},
        }
        caller = "{{ trigger.to_state.attributes.caller }}"
        action = {"event": _HEARD, "event_data": {"caller": caller}}
        automation = {"triggers": trigger, "actions": action, "mode": "queued", "max": 100}
        assert await async_setup_component(self.hass, "automation", {"automation": automation})
        await self.hass.async_block_till_done()

        @callback
        def note(event: Event[Any]) -> None:
            self.announced.append((str(event.data["caller"]), time()))

        self.hass.bus.async_listen(_HEARD, note)

    async def wait_for_callers(self, *callers: str) -> None:
        """Wait until these callers' messages have run the automation, and no others."""
        await self.wait_until(lambda: len(self.callers) >= len(callers))
        assert self.callers == list(callers)

    async def wait_until(self, is_right: Callable[[], bool], seconds: float = _PATIENCE) -> float:
        """Wait for something without making it happen. Returns how many seconds it took."""
        started = monotonic()
        while not is_right():
            assert monotonic() - started < seconds, "it took too long"
            await asyncio.sleep(0.02)
        return monotonic() - started


@asynccontextmanager
async def home_of(
    hass: HomeAssistant,
    port: int,
    *mailboxes: str,
    username: str = USERNAME,
    is_catching_up: bool = False,
) -> AsyncIterator[Home]:
    """Set up an entry for an Asterisk behind a port, with the default options, for a while.

    `is_catching_up` is whether polls stay frequent, since not all mailboxes can be read.
    """
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Asterisk",
        minor_version=2,
        data={
            "host": "127.0.0.1",
            "port": port,
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "family": "asterisk",
            "credentials": {"username": username, "secret": SECRET},
            "remembered": {},
        },
        options={"extensions": list(mailboxes)},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    home = Home(hass, entry)
    await home.wait_until(lambda: home.is_push_up or is_catching_up)
    await home.start_automation(*mailboxes)
    yield home
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


def stored_at(asterisk: Asterisk, mailbox: str) -> float:
    """Return when the newest message of a mailbox was stored, in Unix time."""
    folder: Path = asterisk.voicemail / "default" / mailbox / "INBOX"
    return max(file.stat().st_ctime for file in folder.glob("msg*.txt"))
