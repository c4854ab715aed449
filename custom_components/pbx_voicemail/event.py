"""Event entities that announce new messages."""

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
from .entity import ExtensionEntity, async_add_extension_entities
from .identifiers import unique_id
from .pbx import Mailbox, Message
from .voicemail.arrivals import Arrival
from .voicemail.media_id import message_as_dict

# The coordinator polls the PBX.
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
    """Add the event entities of all extensions."""
    coordinator = entry.runtime_data
    await async_add_extension_entities(
        coordinator,
        async_add_entities,
        lambda extension: [NewMessageEvent(coordinator, extension)],
    )
    last_mailboxes: Mapping[str, Mailbox] = {}

    @callback
    def skip_disabled() -> None:
        """Mark messages as announced while the event entity of their extension is disabled."""
        nonlocal last_mailboxes
        mailboxes = coordinator.data.mailboxes
        for extension, mailbox in mailboxes.items():
            has_changed = mailbox is not last_mailboxes.get(extension)
            if has_changed and _is_disabled(coordinator, extension):
                coordinator.arrivals.async_mark_announced(mailbox, mailbox.messages)
        last_mailboxes = mailboxes

    skip_disabled()
    entry.async_on_unload(coordinator.async_add_listener(skip_disabled))


def _is_disabled(coordinator: PbxCoordinator, extension: str) -> bool:
    """Return whether the event entity of an extension exists and is disabled."""
    registry = er.async_get(coordinator.hass)
    entity_id = registry.async_get_entity_id(
        Platform.EVENT, DOMAIN, unique_id(coordinator.config_entry, extension, NEW_MESSAGE.key)
    )
    entity = registry.async_get(entity_id) if entity_id else None
    return entity is not None and entity.disabled


class NewMessageEvent(ExtensionEntity, EventEntity):
    """Announces each message of an extension once.

    Nothing is announced before Home Assistant has started, because automations would miss it.
    A message that is transcribed first delays those that came after it.
    """

    # The recorder must not keep who called whom, and when.
    _unrecorded_attributes = frozenset({MATCH_ALL})
    _has_started = False
    _last_seen: tuple[bool, Mailbox] | None = None
    _task: asyncio.Task[None] | None = None

    def __init__(self, coordinator: PbxCoordinator, extension: str) -> None:
        """Prepare to announce the messages of an extension."""
        super().__init__(coordinator, extension, NEW_MESSAGE)
        self._arrivals = coordinator.arrivals
        self._transcripts = coordinator.transcripts
        self._rate_limiter = coordinator.rate_limiter

    @override
    async def async_added_to_hass(self) -> None:
        """Start to announce once Home Assistant has started."""
        await super().async_added_to_hass()

        @callback
        def start(hass: HomeAssistant) -> None:
            # If it has already started, this entity is still being added, and cannot write states.
            self.async_on_remove(hass.loop.call_soon(self._start).cancel)

        self.async_on_remove(async_at_started(self.hass, start))

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Stop announcing. The rest is announced after the next start."""
        if self._task:
            self._task.cancel()

    @callback
    def _start(self) -> None:
        self._has_started = True
        self._async_announce_if_possible()

    @property
    @override
    def _written(self) -> tuple[object, ...]:
        return (self.available,)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # Ends an outage in a state of its own: automations ignore events that end one.
        super()._handle_coordinator_update()
        seen = self.available, self.mailbox
        if seen != self._last_seen:
            self._last_seen = seen
            self._async_announce_if_possible()

    @callback
    def _async_announce_if_possible(self) -> None:
        if self._can_announce and not self._task:
            self._async_announce()

    @property
    def _can_announce(self) -> bool:
        return self._has_started and self.available

    @callback
    def _async_announce(self) -> None:
        """Announce new messages, the oldest first, now or in a task if that takes time."""
        arrivals = self._arrivals.find_new(self.mailbox)
        if arrivals and (
            self._transcripts.transcribes_arrivals
            or not self._rate_limiter.try_acquire(len(arrivals))
        ):
            # Not started eagerly: the task resets `_task`, so `_task` has to be set first.
            self._task = self.coordinator.config_entry.async_create_background_task(
                self.hass,
                self._async_announce_one_by_one(),
                f"{self.entity_id} announcements",
                eager_start=False,
            )
            return
        for arrival in arrivals:
            self._trigger(arrival, self._transcripts.text_of(arrival.message))
        self._arrivals.async_mark_announced(self.mailbox, [arrival.message for arrival in arrivals])

    async def _async_announce_one_by_one(self) -> None:
        """Announce new messages, including those that come meanwhile."""
        announced: list[Message] = []
        try:
            while arrivals := self._arrivals.find_new(self.mailbox):
                if not await self._async_announce_all(arrivals, announced):
                    return
                self._mark_announced(announced)
        finally:
            self._mark_announced(announced)
            self._task = None

    async def _async_announce_all(self, arrivals: list[Arrival], announced: list[Message]) -> bool:
        """Announce messages, and return whether it is possible to announce more.

        They are added to `announced`, which is emptied whenever they have been marked.
        """
        deadline = self._transcripts.next_deadline()
        mailbox, ids = self.mailbox, self.mailbox.ids
        for arrival in arrivals:
            if not self._rate_limiter.try_acquire(1):
                self._mark_announced(announced)
                await self._rate_limiter.async_acquire()
            if self.mailbox is not mailbox:
                mailbox, ids = self.mailbox, self.mailbox.ids
            if arrival.message.id not in ids:
                # It was deleted while others were announced.
                continue
            if self._transcripts.transcribes_arrivals:
                self._mark_announced(announced)
            text = await self._async_get_text(arrival.message, deadline)
            if not self._can_announce:
                return False
            self._trigger(arrival, text)
            announced.append(arrival.message)
        return True

    @callback
    def _mark_announced(self, announced: list[Message]) -> None:
        """Mark several messages at once, since each time the journal is saved."""
        if announced:
            self._arrivals.async_mark_announced(self.mailbox, announced)
            announced.clear()

    async def _async_get_text(self, message: Message, deadline: float) -> str | None:
        if self._transcripts.transcribes_arrivals:
            return await self._transcripts.async_transcribe_by(message, deadline)
        return self._transcripts.text_of(message)

    @callback
    def _trigger(self, arrival: Arrival, transcript: str | None) -> None:
        """Announce a message in a state of its own: a second event would replace the first."""
        entry_id = self.coordinator.config_entry.entry_id
        caller = self.coordinator.callers.find(arrival.message)
        self._trigger_event(
            EVENT_RECEIVED,
            {
                **message_as_dict(entry_id, arrival.message, caller, transcript),
                "while_away": arrival.while_away,
            },
        )
        self.async_write_ha_state()
