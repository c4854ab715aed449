"""WebSocket command for cards: sends all messages, and then the changes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import logging
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from homeassistant.auth import EVENT_USER_UPDATED
from homeassistant.components import websocket_api
from homeassistant.components.websocket_api import ActiveConnection
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .identifiers import device_of
from .pbx import Mailbox, Message
from .voicemail.callers import Caller
from .voicemail.media_id import MediaId, message_as_dict
from .voicemail.permissions import may_control, may_hear, may_see

_LOGGER = logging.getLogger(__name__)

type _Payload = dict[str, JsonValueType]

SUBSCRIBE: Final = f"{DOMAIN}/messages/subscribe"

_MAX_MESSAGES_PER_EVENT: Final = 2000
"""About how many messages an event contains. Many more would block the event loop."""


@callback
def async_setup_websocket_api(hass: HomeAssistant) -> None:
    """Register the command."""
    hass.data[_MAILBOX_STATES] = WeakKeyDictionary()
    hass.data[_SUBSCRIPTIONS] = {}
    websocket_api.async_register_command(hass, _websocket_subscribe)


@websocket_api.websocket_command({vol.Required("type"): SUBSCRIBE})
@callback
def _websocket_subscribe(
    hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]
) -> None:
    """Send all messages that the user may hear, and then the changes.

    A connection has one subscription: a second one ends the first.

    The first event has `reset`: what the browser received earlier, through a connection that it
    has lost, is no longer valid. Each event contains those of the following that have changed:

    `pbxs`: all PBXs, each with `entry_id`, `device_id`, `title`, `available`, and `answered`: the
    time of the last successful poll if it is not available (ISO 8601), None if there was none
    since the start;
    `extensions`: all extensions, each with `entry_id`, `extension`, `device_id`, `name`,
    `may_delete`;
    `messages`: the new and changed messages, in the same form as in events and action responses,
    with their `entry_id`; if there are many, the next events contain the rest;
    `gone`: the media ids of messages that are gone;
    `ended`, always alone: there are no more events, and the browser has to subscribe again.
    """
    subscriptions = hass.data[_SUBSCRIPTIONS]
    if before := subscriptions.get(connection):
        before.async_end()
    subscriptions[connection] = subscription = _Subscription(hass, connection, msg["id"])
    connection.subscriptions[msg["id"]] = subscription.async_unsubscribe
    connection.send_result(msg["id"])
    subscription.async_send_changes()


class _Changes(NamedTuple):
    """The new and changed messages, and the media ids of messages that are gone."""

    messages: list[_Payload]
    gone: list[str]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _MailboxState:
    """A mailbox, its transcripts and the names of callers at one time.

    It is shared by the subscriptions that have sent it.
    """

    entry_id: str
    mailbox: Mailbox
    revision: tuple[int, ...]
    texts: Mapping[str, str]
    callers: Mapping[str, Caller]
    _changes: WeakKeyDictionary[_MailboxState, _Changes] = field(default_factory=WeakKeyDictionary)

    def changes_since(self, before: _MailboxState | None) -> _Changes:
        """Return the changes since an earlier state, all messages if there is none."""
        if before is None:
            return _Changes([self._as_dict(message) for message in self.mailbox.messages], [])
        changes = self._changes.get(before)
        if changes is None:
            changes = self._changes[before] = self._compare(before)
        return changes

    def media_ids(self) -> list[str]:
        """Return the media ids of all messages."""
        return [self._media_id(message) for message in self.mailbox.messages]

    def _compare(self, before: _MailboxState) -> _Changes:
        known = {message.id: message for message in before.mailbox.messages}
        now = self.mailbox.messages
        ids = {message.id for message in now}
        return _Changes(
            [
                self._as_dict(message)
                for message in now
                if known.get(message.id) != message
                or before.texts.get(message.id) != self.texts.get(message.id)
                or before.callers[message.id] != self.callers[message.id]
            ],
            [self._media_id(message) for message in known.values() if message.id not in ids],
        )

    def _media_id(self, message: Message) -> str:
        return MediaId.from_message(self.entry_id, message).media_content_id

    def _as_dict(self, message: Message) -> _Payload:
        caller, text = self.callers[message.id], self.texts.get(message.id)
        return {"entry_id": self.entry_id, **message_as_dict(self.entry_id, message, caller, text)}


@dataclass(slots=True)
class _PbxState:
    """What a subscription has sent of one PBX."""

    coordinator: PbxCoordinator
    remove_listener: Callable[[], None]
    extensions: list[_Payload] = field(default_factory=list)
    mailboxes: dict[str, _MailboxState] = field(default_factory=dict)


class _Subscription:
    """The subscription of one browser, and what it has sent.

    While a PBX is reloaded or unavailable, its messages stay: the card grays them out.
    """

    def __init__(self, hass: HomeAssistant, connection: ActiveConnection, msg_id: int) -> None:
        """Listen to changes of PBXs, of names and of permissions."""
        self._hass = hass
        self._connection = connection
        self._msg_id = msg_id
        self._is_first_event = True
        self._sent_lists: dict[str, list[_Payload]] = {}
        self._pbxs: dict[str, _PbxState] = {}
        self._scheduled: asyncio.Handle | None = None
        listen = hass.bus.async_listen
        self._remove_listeners = (
            async_dispatcher_connect(
                hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._handle_config_entry_changed
            ),
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._handle_event, self._is_our_device),
            listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._handle_event, self._is_our_entity),
            listen(EVENT_USER_UPDATED, self._handle_event, self._is_our_user),
        )

    @callback
    def async_unsubscribe(self) -> None:
        """Stop listening, and tell the browser so.

        It may not have meant this subscription: Home Assistant's frontend, at least up to 2026.10,
        can unsubscribe with an id from an earlier connection.
        """
        for remove_listener in self._remove_listeners:
            remove_listener()
        self._cancel_scheduled()
        for pbx in self._pbxs.values():
            pbx.remove_listener()
        del self._hass.data[_SUBSCRIPTIONS][self._connection]
        self._connection.send_event(self._msg_id, {"ended": True})

    @callback
    def async_end(self) -> None:
        """End the subscription without a request from the browser."""
        self._connection.subscriptions.pop(self._msg_id, None)
        self.async_unsubscribe()

    @callback
    def async_send_changes(self) -> None:
        """Send an event with what has changed since the last one, if anything has."""
        self._cancel_scheduled()
        try:
            event = self._create_event()
        except Exception:
            _LOGGER.exception("The messages could not be sent to a card")
            # The browser has missed a change now, so it has to start over.
            self.async_end()
            return
        if event:
            self._connection.send_event(self._msg_id, event)

    @callback
    def _schedule(self) -> None:
        """Send the changes once, after all changes of this moment."""
        if self._scheduled is None:
            self._scheduled = self._hass.loop.call_soon(self.async_send_changes)

    @callback
    def _cancel_scheduled(self) -> None:
        if self._scheduled:
            self._scheduled.cancel()
            self._scheduled = None

    def _create_event(self) -> dict[str, Any]:
        entries: list[PbxConfigEntry] = self._hass.config_entries.async_entries(
            DOMAIN, include_ignore=False, include_disabled=False
        )
        changes = _Changes([], [])
        self._remove_other_pbxs({entry.entry_id for entry in entries}, changes)
        for entry in entries:
            if entry.state is ConfigEntryState.LOADED:
                self._update_pbx(entry, changes)
        if len(changes.messages) >= _MAX_MESSAGES_PER_EVENT:
            self._schedule()
        event = self._changed_lists(entries)
        event |= {name: value for name, value in changes._asdict().items() if value}
        if self._is_first_event:
            event["reset"] = True
            self._is_first_event = False
        return event

    def _remove_other_pbxs(self, entry_ids: set[str], changes: _Changes) -> None:
        """Forget PBXs that have been removed or disabled."""
        for entry_id in self._pbxs.keys() - entry_ids:
            pbx = self._pbxs.pop(entry_id)
            pbx.remove_listener()
            for state in pbx.mailboxes.values():
                changes.gone.extend(state.media_ids())

    def _changed_lists(self, entries: list[PbxConfigEntry]) -> dict[str, Any]:
        lists: dict[str, Any] = {
            "pbxs": [self._pbx_as_dict(entry) for entry in entries if self._may_see(entry)],
            "extensions": [
                extension for pbx in self._pbxs.values() for extension in pbx.extensions
            ],
        }
        changed = {
            name: value for name, value in lists.items() if value != self._sent_lists.get(name)
        }
        self._sent_lists |= changed
        return changed

    @callback
    def _handle_config_entry_changed(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN:
            self._schedule()

    @callback
    def _handle_event(self, event: Event[Any]) -> None:
        self._schedule()

    @callback
    def _is_our_device(self, data: dr.EventDeviceRegistryUpdatedData) -> bool:
        device = dr.async_get(self._hass).async_get(data["device_id"])
        return device is None or any(domain == DOMAIN for domain, _ in device.identifiers)

    @callback
    def _is_our_entity(self, data: er.EventEntityRegistryUpdatedData) -> bool:
        entity = er.async_get(self._hass).async_get(data["entity_id"])
        return entity is None or entity.platform == DOMAIN

    @callback
    def _is_our_user(self, data: Mapping[str, Any]) -> bool:
        return bool(data["user_id"] == self._connection.user.id)

    def _update_pbx(self, entry: PbxConfigEntry, changes: _Changes) -> None:
        """Add the changes of a PBX, as far as they fit into one event."""
        pbx = self._get_pbx(entry)
        numbers = [
            number
            for number in sorted(pbx.coordinator.data.roster)
            if may_hear(self._hass, entry, self._connection.user, number)
        ]
        pbx.extensions = [self._extension_as_dict(entry, number) for number in numbers]
        for number in pbx.mailboxes.keys() - set(numbers):
            changes.gone.extend(pbx.mailboxes.pop(number).media_ids())
        for number in numbers:
            if len(changes.messages) >= _MAX_MESSAGES_PER_EVENT:
                return
            before, state = pbx.mailboxes.get(number), _mailbox_state(self._hass, entry, number)
            if state is not before:
                messages, gone = state.changes_since(before)
                changes.messages.extend(messages)
                changes.gone.extend(gone)
                pbx.mailboxes[number] = state

    def _get_pbx(self, entry: PbxConfigEntry) -> _PbxState:
        """Return the state of a PBX, which follows its current coordinator from now on."""
        coordinator = entry.runtime_data
        pbx = self._pbxs.get(entry.entry_id)
        if pbx and pbx.coordinator is coordinator:
            return pbx
        remove_listener = coordinator.async_add_listener(self._schedule)
        if pbx:
            pbx.remove_listener()
            pbx.coordinator, pbx.remove_listener = coordinator, remove_listener
        else:
            pbx = self._pbxs[entry.entry_id] = _PbxState(coordinator, remove_listener)
        return pbx

    def _may_see(self, entry: PbxConfigEntry) -> bool:
        """Return whether the user may know of a PBX. Before its extensions are known, all may."""
        pbx = self._pbxs.get(entry.entry_id)
        return pbx is None or may_see(
            self._hass, entry, self._connection.user, pbx.coordinator.data.roster
        )

    def _pbx_as_dict(self, entry: PbxConfigEntry) -> _Payload:
        pbx = self._pbxs.get(entry.entry_id)
        coordinator = pbx.coordinator if pbx else None
        available = entry.state is ConfigEntryState.LOADED and (
            coordinator is not None and coordinator.last_update_success
        )
        answered = coordinator.last_update_success_time if coordinator and not available else None
        device = device_of(self._hass, entry) if coordinator else None
        return {
            "entry_id": entry.entry_id,
            "device_id": device.id if device else None,
            "title": entry.title,
            "available": available,
            "answered": answered.isoformat() if answered else None,
        }

    def _extension_as_dict(self, entry: PbxConfigEntry, extension: str) -> _Payload:
        device = device_of(self._hass, entry, extension)
        return {
            "entry_id": entry.entry_id,
            "extension": extension,
            "device_id": device.id if device else None,
            "name": (device.name_by_user or device.name if device else None) or extension,
            "may_delete": may_control(self._hass, entry, self._connection.user, extension),
        }


_MAILBOX_STATES: Final[
    HassKey[WeakKeyDictionary[PbxCoordinator, WeakValueDictionary[str, _MailboxState]]]
] = HassKey(f"{DOMAIN}_mailbox_states")
_SUBSCRIPTIONS: Final[HassKey[dict[ActiveConnection, _Subscription]]] = HassKey(
    f"{DOMAIN}_subscriptions"
)


def _mailbox_state(hass: HomeAssistant, entry: PbxConfigEntry, extension: str) -> _MailboxState:
    """Return the current state of a mailbox, the same object while nothing changes."""
    coordinator = entry.runtime_data
    states = hass.data[_MAILBOX_STATES].setdefault(coordinator, WeakValueDictionary())
    mailbox = coordinator.data.mailbox(extension)
    revision = (coordinator.transcripts.revisions[extension], *coordinator.callers.revision)
    state = states.get(extension)
    if state is None or (state.mailbox, state.revision) != (mailbox, revision):
        texts = {
            message.id: text
            for message in mailbox.messages
            if (text := coordinator.transcripts.text_of(message)) is not None
        }
        callers = {message.id: coordinator.callers.find(message) for message in mailbox.messages}
        state = _MailboxState(entry.entry_id, mailbox, revision, texts, callers)
        states[extension] = state
    return state
