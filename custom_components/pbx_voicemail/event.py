"""Tells automations of each new message."""

import asyncio
from collections.abc import Mapping
from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.const import MATCH_ALL, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.start import async_at_started

from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .entity import ExtensionEntity, add_extension_entities
from .identifiers import unique_id
from .pbx import Mailbox, Message
from .voicemail.arrivals import Arrival
from .voicemail.media_id import describe

# The coordinator does the asking.
PARALLEL_UPDATES = 0

EVENT_RECEIVED: Final = "received"

NEW_MESSAGE = EventEntityDescription(
    key="new_message", translation_key="new_message", event_types=[EVENT_RECEIVED]
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: PbxConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the events of all extensions."""
    coordinator = entry.runtime_data
    add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [NewMessageEvent(coordinator, extension)],
    )
    seen: Mapping[str, Mailbox] = {}

    @callback
    def pass_over_unheard() -> None:
        """Let what comes to an extension whose event is disabled be no news later."""
        nonlocal seen
        mailboxes = coordinator.data.mailboxes
        for extension, mailbox in mailboxes.items():
            if mailbox is not seen.get(extension) and _is_disabled(coordinator, extension):
                coordinator.arrivals.note(mailbox, mailbox.messages)
        seen = mailboxes

    pass_over_unheard()
    entry.async_on_unload(coordinator.async_add_listener(pass_over_unheard))


def _is_disabled(coordinator: PbxCoordinator, extension: str) -> bool:
    """Tell whether a person wants to hear nothing of new messages."""
    registry = er.async_get(coordinator.hass)
    entity_id = registry.async_get_entity_id(
        Platform.EVENT, DOMAIN, unique_id(coordinator.config_entry, extension, NEW_MESSAGE.key)
    )
    found = registry.async_get(entity_id) if entity_id else None
    return found is not None and found.disabled


class NewMessageEvent(ExtensionEntity, EventEntity):
    """Announces each message of an extension once.

    Which ones are new, the coordinator's arrivals know. Nothing is announced before Home
    Assistant has started, since automations would not hear it. A message that is to be
    written down first waits for that, and the ones behind it with it.
    """

    # Who called whom, and when, belongs into no history.
    _unrecorded_attributes = frozenset({MATCH_ALL})
    _is_heard = False
    _waiting: asyncio.Task[None] | None = None

    def __init__(self, coordinator: PbxCoordinator, extension: str) -> None:
        """Take what finds messages, and what writes them down."""
        super().__init__(coordinator, extension, NEW_MESSAGE)
        self._arrivals = coordinator.arrivals
        self._transcripts = coordinator.transcripts
        self._pace = coordinator.pace

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to announce, at the latest when all are there to listen."""
        await super().async_added_to_hass()

        @callback
        def begin(hass: HomeAssistant) -> None:
            # No state can be written before this entity has been added, a moment from now.
            self.async_on_remove(hass.loop.call_soon(self._begin).cancel)

        self.async_on_remove(async_at_started(self.hass, begin))

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Stop to wait: what has not been announced will be after the next start."""
        if self._waiting:
            self._waiting.cancel()

    @callback
    def _begin(self) -> None:
        self._is_heard = True
        self._show()

    @callback
    @override
    def _show(self) -> None:
        # An event that also ends an outage would be taken for the end of the outage alone.
        super()._show()
        if self._may_announce and not self._waiting:
            self._announce()

    @property
    def _may_announce(self) -> bool:
        return self._is_heard and self.available

    @callback
    def _announce(self) -> None:
        """Announce what is new, oldest first."""
        news = self._arrivals.news(self.mailbox)
        if news and (self._transcripts.precede_arrivals or not self._pace.take(len(news))):
            # Not eagerly: a task that ends before it is assigned would be waited for in vain.
            self._waiting = self.coordinator.config_entry.async_create_background_task(
                self.hass,
                self._announce_one_by_one(),
                f"{self.entity_id} announcements",
                eager_start=False,
            )
            return
        for arrival in news:
            self._say(arrival, self._transcripts.text_of(arrival.message))
        self._arrivals.note(self.mailbox, [arrival.message for arrival in news])

    async def _announce_one_by_one(self) -> None:
        """Announce what is new and what comes meanwhile, each once it is written down."""
        said: list[Message] = []
        try:
            while news := self._arrivals.news(self.mailbox):
                deadline = self._transcripts.next_deadline()
                mailbox, ids = self.mailbox, self.mailbox.ids
                for arrival in news:
                    if not self._pace.take(1):
                        self._note(said)
                        await self._pace.wait()
                    if self.mailbox is not mailbox:
                        mailbox, ids = self.mailbox, self.mailbox.ids
                    if arrival.message.id not in ids:
                        # It was deleted while others were announced.
                        continue
                    if self._transcripts.precede_arrivals:
                        self._note(said)
                    text = await self._text_of(arrival.message, deadline)
                    if not self._may_announce:
                        return
                    self._say(arrival, text)
                    said.append(arrival.message)
                self._note(said)
        finally:
            self._note(said)
            self._waiting = None

    @callback
    def _note(self, said: list[Message]) -> None:
        """Have it written down, several at a time, that messages were announced."""
        if said:
            self._arrivals.note(self.mailbox, said)
            said.clear()

    async def _text_of(self, message: Message, deadline: float) -> str | None:
        if self._transcripts.precede_arrivals:
            return await self._transcripts.write_in_time(message, deadline)
        return self._transcripts.text_of(message)

    @callback
    def _say(self, arrival: Arrival, transcript: str | None) -> None:
        """Announce a message in a state of its own, since only the last one stays."""
        entry_id = self.coordinator.config_entry.entry_id
        self._trigger_event(
            EVENT_RECEIVED,
            {
                **describe(entry_id, arrival.message, transcript),
                "while_away": arrival.while_away,
            },
        )
        self.async_write_ha_state()
