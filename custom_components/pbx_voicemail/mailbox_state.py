"""What cards show of a mailbox at one time, and what has changed since another time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final, NamedTuple, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .coordinator import PbxCoordinator
from .pbx import Mailbox, Message
from .voicemail.callers import Caller
from .voicemail.media_id import MediaId, message_as_dict

type Payload = dict[str, JsonValueType]
type _CallerKey = tuple[str | None, str | None]


class Changes(NamedTuple):
    """The new and changed messages, and the media ids of messages that are gone."""

    messages: list[Payload]
    gone: list[str]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class MailboxState:
    """A mailbox, its transcripts and its callers at one time.

    It is shared by the subscriptions that have sent it.
    """

    entry_id: str
    mailbox: Mailbox
    revision: tuple[int, ...]
    _texts: Mapping[str, str]
    callers: Mapping[_CallerKey, Caller]
    _changes: WeakKeyDictionary[MailboxState, Changes] = field(default_factory=WeakKeyDictionary)

    @classmethod
    def of(
        cls,
        coordinator: PbxCoordinator,
        mailbox: Mailbox,
        revision: tuple[int, ...],
        before: MailboxState | None,
    ) -> Self:
        """Create a state, and reuse the callers of an earlier one if names have not changed."""
        texts = {}
        known = before.callers if before and before.revision[1:] == revision[1:] else {}
        callers: dict[_CallerKey, Caller] = {}
        for message in mailbox.messages:
            if (text := coordinator.transcripts.text_of(message)) is not None:
                texts[message.id] = text
            key = message.caller, message.caller_name
            if key not in callers:
                callers[key] = known.get(key) or coordinator.callers.find(message)
        return cls(coordinator.config_entry.entry_id, mailbox, revision, texts, callers)

    def changes_since(self, before: MailboxState | None) -> Changes:
        """Return the changes since an earlier state, all messages if there is none."""
        if before is None:
            return Changes([self._as_dict(message) for message in self.mailbox.messages], [])
        changes = self._changes.get(before)
        if changes is None:
            changes = self._changes[before] = self._compare(before)
        return changes

    def media_ids(self) -> list[str]:
        """Return the media ids of all messages."""
        return [
            MediaId(self.entry_id, self.mailbox.extension, message_id).media_content_id
            for message_id in self.mailbox.ids
        ]

    def _compare(self, before: MailboxState) -> Changes:
        known = {message.id: message for message in before.mailbox.messages}
        now = self.mailbox.messages
        ids = {message.id for message in now}
        gone = [message for message in known.values() if message.id not in ids]
        return Changes(
            [
                self._as_dict(message)
                for message in now
                if known.get(message.id) != message
                or before._texts.get(message.id) != self._texts.get(message.id)
                or before._caller(message) != self._caller(message)
            ],
            [MediaId.from_message(self.entry_id, message).media_content_id for message in gone],
        )

    def _caller(self, message: Message) -> Caller | None:
        return self.callers.get((message.caller, message.caller_name))

    def _as_dict(self, message: Message) -> Payload:
        caller = self.callers[message.caller, message.caller_name]
        return _as_dict(self.entry_id, message, caller, self._texts.get(message.id))


@dataclass(frozen=True, slots=True)
class MailboxUpdate:
    """The step of a subscription from one state of a mailbox to the current one."""

    coordinator: PbxCoordinator
    mailbox: Mailbox
    before: MailboxState | None
    revision: tuple[int, ...]
    current: MailboxState | None
    """The current state if another subscription already has it."""
    shared: MailboxState | None
    """The latest state that any subscription has."""

    @classmethod
    @callback
    def find(
        cls, coordinator: PbxCoordinator, extension: str, before: MailboxState | None
    ) -> Self | None:
        """Return the update of a mailbox, None if it has not changed."""
        mailbox = coordinator.data.mailbox(extension)
        revision = (coordinator.transcripts.revisions[extension], *coordinator.callers.revision)
        if before and (before.mailbox, before.revision) == (mailbox, revision):
            return None
        shared = _states(coordinator).get(extension)
        is_current = shared and (shared.mailbox, shared.revision) == (mailbox, revision)
        current = shared if is_current else None
        return cls(coordinator, mailbox, before, revision, current, shared)

    def prepare(self) -> tuple[MailboxState, Changes]:
        """Return the current state and the changes. Takes a second for 10,000 callers."""
        state = self.current or MailboxState.of(
            self.coordinator, self.mailbox, self.revision, self.before or self.shared
        )
        return state, state.changes_since(self.before)

    @callback
    def share(self, state: MailboxState) -> None:
        """Let other subscriptions use the state."""
        _states(self.coordinator)[self.mailbox.extension] = state


def newest_messages(updates: Iterable[MailboxUpdate], count: int) -> list[Payload]:
    """Return the newest messages of all mailboxes. Only their callers are looked up."""
    latest = ((one.mailbox.latest, one) for one in updates if one.mailbox.latest)
    # The messages of the other mailboxes are older than the latest ones of these.
    newest_mailboxes = nlargest(count, latest, key=lambda each: each[0].received_or_earliest)
    found = (
        (message, update.coordinator)
        for _, update in newest_mailboxes
        for message in update.mailbox.newest(count)
    )
    return [
        _as_dict(
            coordinator.config_entry.entry_id,
            message,
            coordinator.callers.find(message),
            coordinator.transcripts.text_of(message),
        )
        for message, coordinator in nlargest(
            count, found, key=lambda each: each[0].received_or_earliest
        )
    ]


def _as_dict(entry_id: str, message: Message, caller: Caller, text: str | None) -> Payload:
    return {"entry_id": entry_id, **message_as_dict(entry_id, message, caller, text)}


_STATES: Final[
    HassKey[WeakKeyDictionary[PbxCoordinator, WeakValueDictionary[str, MailboxState]]]
] = HassKey(f"{DOMAIN}_mailbox_states")


@callback
def async_setup_mailbox_states(hass: HomeAssistant) -> None:
    """Prepare to share states."""
    hass.data[_STATES] = WeakKeyDictionary()


def _states(coordinator: PbxCoordinator) -> WeakValueDictionary[str, MailboxState]:
    return coordinator.hass.data[_STATES].setdefault(coordinator, WeakValueDictionary())
