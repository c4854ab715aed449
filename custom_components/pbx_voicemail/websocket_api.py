"""WebSocket command for cards: sends all messages, and then the changes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
import logging
from typing import Any, Final

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
import voluptuous as vol

from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .identifiers import device_of
from .mailbox_state import (
    Changes,
    MailboxState,
    MailboxUpdate,
    Payload,
    async_setup_mailbox_states,
    newest_messages,
)
from .voicemail.permissions import may_control, may_hear, may_see

_LOGGER = logging.getLogger(__name__)

SUBSCRIBE: Final = f"{DOMAIN}/messages/subscribe"

_MAX_MESSAGES_PER_EVENT: Final = 500
"""How many messages an event contains. Many more would block the event loop."""

_FIRST_MESSAGES: Final = 25
"""How many of the newest messages are sent before the others are prepared. They fill a screen."""

_REGISTRY_DELAY: Final = 0.1
"""How long changes of devices, entities and users are collected, in seconds."""

_MAX_INLINE: Final = 30
"""Mailboxes with more messages are prepared in a thread, since looking up callers is slow."""


@callback
def async_setup_websocket_api(hass: HomeAssistant) -> None:
    """Register the command."""
    async_setup_mailbox_states(hass)
    hass.data[_SUBSCRIPTIONS] = {}
    hass.data[_PREPARING] = asyncio.Lock()
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
    `may_delete`, and `available`: whether the PBX lets its mailbox be read;
    `messages`: the new and changed messages, in the same form as in events and action responses,
    with their `entry_id`; if there are many, the first event contains the newest, the next ones
    contain all, and `is_partial` is true except in the last;
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


@dataclass(slots=True)
class _PbxState:
    """What a subscription has sent of one PBX."""

    coordinator: PbxCoordinator
    remove_listener: Callable[[], None]
    extensions: list[Payload] = field(default_factory=list)
    mailboxes: dict[str, MailboxState] = field(default_factory=dict)

    @property
    def numbers(self) -> list[str]:
        """The extensions whose messages are sent."""
        return [str(extension["extension"]) for extension in self.extensions]


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
        self._sent_lists: dict[str, list[Payload]] = {}
        self._pbxs: dict[str, _PbxState] = {}
        self._unsent: dict[str, Payload] = {}
        """Messages by their media ids."""
        self._gone: dict[str, None] = {}
        """Media ids, in order."""
        self._scheduled: asyncio.Handle | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._is_ended = False
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
        self._is_ended = True
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
        # What changes while mailboxes are prepared is sent after them.
        if self._preparing is None and not self._is_ended:
            with self._ended_by_errors():
                self._send_changes()

    def _send_changes(self) -> None:
        self._update_pbxs()
        updates = self._find_updates()
        if sum(update.mailbox.count for _, update in updates) > _MAX_INLINE:
            self._preparing = self._hass.async_create_task(
                self._async_prepare(), f"{DOMAIN} messages for a card", eager_start=False
            )
            return
        for pbx, update in updates:
            self._apply(pbx, update, *update.prepare())
        if event := self._create_event():
            self._connection.send_event(self._msg_id, event)
        if self._unsent:
            self._schedule()

    async def _async_prepare(self) -> None:
        """Prepare mailboxes in a thread. Other subscriptions wait, since they can share the states."""
        with self._ended_by_errors():
            is_empty = not any(pbx.mailboxes for pbx in self._pbxs.values())
            sent = await self._async_send_newest() if is_empty else {}
            async with self._hass.data[_PREPARING]:
                # One by one, since a thread that never pauses keeps the event loop waiting, too.
                for pbx, update in self._find_updates():
                    state, changes = await self._hass.async_add_executor_job(update.prepare)
                    self._apply(pbx, update, state, changes)
            # They may have been deleted since.
            self._remove(sent.keys() - self._unsent.keys())
        self._preparing = None
        self.async_send_changes()

    async def _async_send_newest(self) -> dict[str, Payload]:
        """Send the newest messages, so that they do not wait for the others, and return them."""
        updates = [update for _, update in self._find_updates()]
        messages = await self._hass.async_add_executor_job(
            newest_messages, updates, _FIRST_MESSAGES
        )
        newest = {str(message["media_content_id"]): message for message in messages}
        if not self._is_ended:
            self._unsent |= newest
            self._connection.send_event(self._msg_id, self._create_event())
        return newest

    def _find_updates(self) -> list[tuple[_PbxState, MailboxUpdate]]:
        return [
            (pbx, update)
            for pbx in self._pbxs.values()
            for number in pbx.numbers
            if (update := MailboxUpdate.find(pbx.coordinator, number, pbx.mailboxes.get(number)))
        ]

    def _apply(
        self, pbx: _PbxState, update: MailboxUpdate, state: MailboxState, changes: Changes
    ) -> None:
        update.share(state)
        pbx.mailboxes[state.mailbox.extension] = state
        for message in changes.messages:
            media_id = str(message["media_content_id"])
            self._unsent[media_id] = message
            self._gone.pop(media_id, None)
        self._remove(changes.gone)

    def _remove(self, media_ids: Iterable[str]) -> None:
        for media_id in media_ids:
            self._unsent.pop(media_id, None)
            self._gone[media_id] = None

    @contextmanager
    def _ended_by_errors(self) -> Iterator[None]:
        """End the subscription if it fails. The browser has missed a change, and starts over."""
        try:
            yield
        except Exception:
            _LOGGER.exception("The messages could not be sent to a card")
            if not self._is_ended:
                self.async_end()

    @callback
    def _schedule(self) -> None:
        """Send the changes once, after all changes of this moment."""
        if self._scheduled is None or isinstance(self._scheduled, asyncio.TimerHandle):
            self._cancel_scheduled()
            self._scheduled = self._hass.loop.call_soon(self.async_send_changes)

    @callback
    def _cancel_scheduled(self) -> None:
        if self._scheduled:
            self._scheduled.cancel()
            self._scheduled = None

    def _create_event(self) -> dict[str, Any]:
        event = self._changed_lists()
        if media_ids := list(islice(self._unsent, _MAX_MESSAGES_PER_EVENT)):
            event["messages"] = [self._unsent.pop(media_id) for media_id in media_ids]
        if self._gone:
            event["gone"] = list(self._gone)
            self._gone.clear()
        if self._unsent or self._preparing:
            event["is_partial"] = True
        if self._is_first_event:
            event["reset"] = True
            self._is_first_event = False
        return event

    def _changed_lists(self) -> dict[str, Any]:
        lists: dict[str, Any] = {
            "pbxs": [self._pbx_as_dict(entry) for entry in self._entries if self._may_see(entry)],
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
        """Send the changes soon: while extensions are added, the registries change all the time."""
        if self._scheduled is None:
            self._scheduled = self._hass.loop.call_later(_REGISTRY_DELAY, self.async_send_changes)

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

    @property
    def _entries(self) -> list[PbxConfigEntry]:
        return self._hass.config_entries.async_entries(
            DOMAIN, include_ignore=False, include_disabled=False
        )

    def _update_pbxs(self) -> None:
        """Follow the PBXs and their extensions, and forget those that the user may not hear."""
        entries = self._entries
        for entry_id in self._pbxs.keys() - {entry.entry_id for entry in entries}:
            pbx = self._pbxs.pop(entry_id)
            pbx.remove_listener()
            for state in pbx.mailboxes.values():
                self._remove(state.media_ids())
        for entry in entries:
            if entry.state is ConfigEntryState.LOADED:
                self._update_pbx(entry)

    def _update_pbx(self, entry: PbxConfigEntry) -> None:
        pbx = self._get_pbx(entry)
        numbers = [
            number
            for number in sorted(pbx.coordinator.data.roster)
            if may_hear(self._hass, entry, self._connection.user, number)
        ]
        pbx.extensions = [self._extension_as_dict(entry, number) for number in numbers]
        for number in pbx.mailboxes.keys() - set(numbers):
            self._remove(pbx.mailboxes.pop(number).media_ids())

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

    def _pbx_as_dict(self, entry: PbxConfigEntry) -> Payload:
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

    def _extension_as_dict(self, entry: PbxConfigEntry, extension: str) -> Payload:
        device = device_of(self._hass, entry, extension)
        return {
            "entry_id": entry.entry_id,
            "extension": extension,
            "device_id": device.id if device else None,
            "name": (device.name_by_user or device.name if device else None) or extension,
            "may_delete": may_control(self._hass, entry, self._connection.user, extension),
            "available": extension not in entry.runtime_data.data.unreadable,
        }


_SUBSCRIPTIONS: Final[HassKey[dict[ActiveConnection, _Subscription]]] = HassKey(
    f"{DOMAIN}_subscriptions"
)
_PREPARING: Final[HassKey[asyncio.Lock]] = HassKey(f"{DOMAIN}_preparing_messages")
