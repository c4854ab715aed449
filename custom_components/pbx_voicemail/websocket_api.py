"""The message list for cards: told once, and then what changes of it."""

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
from .voicemail.media_id import MediaId, describe
from .voicemail.permissions import may_control, may_hear, may_see

_LOGGER = logging.getLogger(__name__)

type _Told = dict[str, JsonValueType]

SUBSCRIBE: Final = f"{DOMAIN}/messages/subscribe"

_MOST_AT_ONCE: Final = 2000
"""About how many messages an event has: to tell more would keep everything else waiting."""


@callback
def async_setup_websocket_api(hass: HomeAssistant) -> None:
    """Offer the list to browsers."""
    hass.data[_SHARED] = WeakKeyDictionary()
    hass.data[_SUBSCRIPTIONS] = {}
    websocket_api.async_register_command(hass, _subscribe)


@websocket_api.websocket_command({vol.Required("type"): SUBSCRIBE})
@callback
def _subscribe(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Tell all messages that the user may hear, and go on telling what changes.

    A connection has one list: subscribing again ends the subscription before.

    The first event has `reset`, since a browser subscribes again when it has lost the
    connection, and may know what is not true any more. Each has, where there is news:

    `pbxs`, all of them: `entry_id`, `device_id`, `title`, `available`, and `answered`, when the PBX
    was last heard of, if it is not available (ISO 8601): None means that its messages are unknown,
    as while it is being set up;
    `extensions`, all of them: `entry_id`, `extension`, `device_id`, `name`, `may_delete`;
    `messages`, those that are new or changed, in the words of events and actions, and with
    their `entry_id`; many are told by several events;
    `gone`, the media ids of those that are no more;
    `ended`, alone and last: nothing more is told, so the browser has to subscribe again.
    """
    subscriptions = hass.data[_SUBSCRIPTIONS]
    if before := subscriptions.get(connection):
        before.break_off()
    subscriptions[connection] = subscription = _Subscription(hass, connection, msg["id"])
    connection.subscriptions[msg["id"]] = subscription.end
    connection.send_result(msg["id"])
    subscription.tell()


class _Changes(NamedTuple):
    """What differs between two states of a mailbox: messages to show, and media ids."""

    messages: list[_Told]
    gone: list[str]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _Box:
    """One state of a mailbox and of its transcripts, shared by all who were told of it."""

    entry_id: str
    mailbox: Mailbox
    revision: int
    texts: Mapping[str, str]
    _changes: WeakKeyDictionary[_Box, _Changes] = field(default_factory=WeakKeyDictionary)

    def changes_since(self, before: _Box | None) -> _Changes:
        """Return what to tell a browser that knows an earlier state, or nothing."""
        if before is None:
            return _Changes([self._show(message) for message in self.mailbox.messages], [])
        changes = self._changes.get(before)
        if changes is None:
            changes = self._changes[before] = self._compare(before)
        return changes

    def media_ids(self) -> list[str]:
        """Return the media ids of all messages."""
        return [self._media_id(message) for message in self.mailbox.messages]

    def _compare(self, before: _Box) -> _Changes:
        known = {message.id: message for message in before.mailbox.messages}
        now = self.mailbox.messages
        ids = {message.id for message in now}
        return _Changes(
            [
                self._show(message)
                for message in now
                if known.get(message.id) != message
                or before.texts.get(message.id) != self.texts.get(message.id)
            ],
            [self._media_id(message) for message in known.values() if message.id not in ids],
        )

    def _media_id(self, message: Message) -> str:
        return MediaId.of(self.entry_id, message).media_content_id

    def _show(self, message: Message) -> _Told:
        text = self.texts.get(message.id)
        return {"entry_id": self.entry_id, **describe(self.entry_id, message, text)}


@dataclass(slots=True)
class _Pbx:
    """What has been told of one PBX."""

    coordinator: PbxCoordinator
    stop: Callable[[], None]
    extensions: list[_Told] = field(default_factory=list)
    boxes: dict[str, _Box] = field(default_factory=dict)


class _Subscription:
    """What one browser has been told.

    What is known of a PBX that is being reloaded, or cannot be asked, stays told: the card
    greys it out.
    """

    def __init__(self, hass: HomeAssistant, connection: ActiveConnection, number: int) -> None:
        """Begin to listen to PBXs that come, go and change, and to names and rights."""
        self._hass = hass
        self._connection = connection
        self._number = number
        self._is_first = True
        self._told: dict[str, list[_Told]] = {}
        self._known: dict[str, _Pbx] = {}
        self._next: asyncio.Handle | None = None
        listen = hass.bus.async_listen
        self._stops = (
            async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed),
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._something_changed, self._is_our_device),
            listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._something_changed, self._is_our_entity),
            listen(EVENT_USER_UPDATED, self._something_changed, self._is_our_user),
        )

    @callback
    def end(self) -> None:
        """Stop listening, and tell the browser.

        It may not know: the frontend of Home Assistant up to 2026.10 is known to unsubscribe by
        numbers of an earlier connection, which in this one are those of others.
        """
        for stop in self._stops:
            stop()
        self._put_off()
        for pbx in self._known.values():
            pbx.stop()
        del self._hass.data[_SUBSCRIPTIONS][self._connection]
        self._connection.send_event(self._number, {"ended": True})

    @callback
    def break_off(self) -> None:
        """End before anybody unsubscribes."""
        self._connection.subscriptions.pop(self._number, None)
        self.end()

    @callback
    def tell(self) -> None:
        """Send what is new, if anything is."""
        self._put_off()
        try:
            news = self._news()
        except Exception:
            _LOGGER.exception("The messages could not be told to a card")
            # What it knows now has a gap, so it must not believe that it is up to date.
            self.break_off()
            return
        if news:
            self._connection.send_event(self._number, news)

    @callback
    def _tell_soon(self) -> None:
        """Tell what is new, once, when whoever changes it is done."""
        if self._next is None:
            self._next = self._hass.loop.call_soon(self.tell)

    @callback
    def _put_off(self) -> None:
        """Let the rest be told by whoever tells next."""
        if self._next:
            self._next.cancel()
            self._next = None

    def _news(self) -> dict[str, Any]:
        entries: list[PbxConfigEntry] = self._hass.config_entries.async_entries(
            DOMAIN, include_ignore=False, include_disabled=False
        )
        messages: list[_Told] = []
        gone: list[str] = []
        for entry_id in self._known.keys() - {entry.entry_id for entry in entries}:
            pbx = self._known.pop(entry_id)
            pbx.stop()
            for box in pbx.boxes.values():
                gone.extend(box.media_ids())
        for entry in entries:
            if entry.state is ConfigEntryState.LOADED:
                self._look(entry, messages, gone)
        if len(messages) >= _MOST_AT_ONCE:
            self._tell_soon()
        lists: dict[str, Any] = {
            "pbxs": [self._show_pbx(entry) for entry in entries if self._may_see(entry)],
            "extensions": [told for pbx in self._known.values() for told in pbx.extensions],
        }
        news = {name: told for name, told in lists.items() if told != self._told.get(name)}
        self._told |= news
        if messages:
            news["messages"] = messages
        if gone:
            news["gone"] = gone
        if self._is_first:
            news["reset"] = True
            self._is_first = False
        return news

    @callback
    def _entry_changed(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN:
            self._tell_soon()

    @callback
    def _something_changed(self, event: Event[Any]) -> None:
        self._tell_soon()

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

    def _look(self, entry: PbxConfigEntry, messages: list[_Told], gone: list[str]) -> None:
        """Note what has changed of a PBX that answers, or the beginning of much."""
        coordinator = entry.runtime_data
        pbx = self._known.get(entry.entry_id)
        if pbx is None or pbx.coordinator is not coordinator:
            stop = coordinator.async_add_listener(self._tell_soon)
            if pbx:
                pbx.stop()
                pbx.coordinator, pbx.stop = coordinator, stop
            else:
                pbx = self._known[entry.entry_id] = _Pbx(coordinator, stop)
        audible = [
            number
            for number in sorted(coordinator.data.roster)
            if may_hear(self._hass, entry, self._connection.user, number)
        ]
        pbx.extensions = [self._show_extension(entry, number) for number in audible]
        for number in pbx.boxes.keys() - set(audible):
            gone.extend(pbx.boxes.pop(number).media_ids())
        for number in audible:
            if len(messages) >= _MOST_AT_ONCE:
                return
            before, box = pbx.boxes.get(number), _box(self._hass, entry, number)
            if box is not before:
                changes = box.changes_since(before)
                messages.extend(changes.messages)
                gone.extend(changes.gone)
                pbx.boxes[number] = box

    def _may_see(self, entry: PbxConfigEntry) -> bool:
        """Tell whether the user may know of a PBX, and while that is unknown, that there is one."""
        pbx = self._known.get(entry.entry_id)
        return pbx is None or may_see(
            self._hass, entry, self._connection.user, pbx.coordinator.data.roster
        )

    def _show_pbx(self, entry: PbxConfigEntry) -> _Told:
        pbx = self._known.get(entry.entry_id)
        coordinator = pbx.coordinator if pbx else None
        available = entry.state is ConfigEntryState.LOADED and (
            coordinator is not None and coordinator.last_update_success
        )
        answered = coordinator.answered if coordinator and not available else None
        device = device_of(self._hass, entry) if coordinator else None
        return {
            "entry_id": entry.entry_id,
            "device_id": device.id if device else None,
            "title": entry.title,
            "available": available,
            "answered": answered.isoformat() if answered else None,
        }

    def _show_extension(self, entry: PbxConfigEntry, extension: str) -> _Told:
        device = device_of(self._hass, entry, extension)
        return {
            "entry_id": entry.entry_id,
            "extension": extension,
            "device_id": device.id if device else None,
            "name": (device.name_by_user or device.name if device else None) or extension,
            "may_delete": may_control(self._hass, entry, self._connection.user, extension),
        }


_SHARED: Final[HassKey[WeakKeyDictionary[PbxCoordinator, WeakValueDictionary[str, _Box]]]] = (
    HassKey(f"{DOMAIN}_boxes")
)
_SUBSCRIPTIONS: Final[HassKey[dict[ActiveConnection, _Subscription]]] = HassKey(
    f"{DOMAIN}_subscriptions"
)


def _box(hass: HomeAssistant, entry: PbxConfigEntry, extension: str) -> _Box:
    """Return an extension's mailbox as it is now, the very same while nothing changes."""
    coordinator = entry.runtime_data
    boxes = hass.data[_SHARED].setdefault(coordinator, WeakValueDictionary())
    mailbox = coordinator.data.mailbox(extension)
    revision = coordinator.transcripts.revisions[extension]
    box = boxes.get(extension)
    if box is None or (box.mailbox, box.revision) != (mailbox, revision):
        texts = {
            message.id: text
            for message in mailbox.messages
            if (text := coordinator.transcripts.text_of(message)) is not None
        }
        box = boxes[extension] = _Box(entry.entry_id, mailbox, revision, texts)
    return box
