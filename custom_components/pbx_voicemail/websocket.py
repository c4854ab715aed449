"""The message list for cards: told once, and then what changes of it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeassistant.components import websocket_api
from homeassistant.components.websocket_api import ActiveConnection
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from .const import DOMAIN
from .message import MediaId, describe
from .pbx import Mailbox
from .permissions import may_delete, may_hear
from .runtime import PbxConfigEntry, PbxRuntime

type _Told = dict[str, JsonValueType]

SUBSCRIBE: Final = f"{DOMAIN}/messages/subscribe"

_MOST_AT_ONCE: Final = 2000
"""About how many messages an event has: to tell more would keep everything else waiting."""


@callback
def register_commands(hass: HomeAssistant) -> None:
    """Offer the list to browsers."""
    websocket_api.async_register_command(hass, _subscribe)


@websocket_api.websocket_command({vol.Required("type"): SUBSCRIBE})
@callback
def _subscribe(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Tell all messages that the user may hear, and go on telling what changes.

    The first event has `reset`, since a browser subscribes again when it has lost the
    connection, and then forgets what it knew. Each has, where there is news:

    `pbxs`, all of them: `entry_id`, `device_id`, `title`, `available`, and `answered`, when the PBX
    was last heard of, if it is not available (ISO 8601);
    `extensions`, all of them: `entry_id`, `extension`, `device_id`, `name`, `may_delete`;
    `messages`, those that are new or changed, in the words of events and actions, and with
    their `entry_id`; many are told by several events;
    `gone`, the media ids of those that are no more.
    """
    subscription = _Subscription(hass, connection, msg["id"])
    connection.subscriptions[msg["id"]] = subscription.end
    connection.send_result(msg["id"])
    subscription.tell()


@dataclass(slots=True)
class _Box:
    """What has been told of one mailbox, and by which state of it and of its transcripts."""

    mailbox: Mailbox
    revision: int
    messages: Mapping[str, _Told]


@dataclass(slots=True)
class _Pbx:
    """What has been told of one PBX."""

    runtime: PbxRuntime
    stop: Callable[[], None]
    extensions: list[_Told] = field(default_factory=list)
    boxes: dict[str, _Box] = field(default_factory=dict)


class _Subscription:
    """What one browser has been told.

    What is known of a PBX that is being reloaded, or cannot be asked, stays told: the card
    greys it out.
    """

    def __init__(self, hass: HomeAssistant, connection: ActiveConnection, number: int) -> None:
        """Begin to listen to PBXs that come, go and change."""
        self._hass = hass
        self._connection = connection
        self._number = number
        self._is_first = True
        self._told: dict[str, list[_Told]] = {}
        self._known: dict[str, _Pbx] = {}
        self._rest: asyncio.Handle | None = None
        self._stop = async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._follow)

    @callback
    def end(self) -> None:
        """Stop to listen."""
        self._stop()
        self._put_off()
        for pbx in self._known.values():
            pbx.stop()

    @callback
    def tell(self) -> None:
        """Send what is new, if anything is."""
        self._put_off()
        entries: list[PbxConfigEntry] = self._hass.config_entries.async_entries(
            DOMAIN, include_ignore=False, include_disabled=False
        )
        messages: list[_Told] = []
        gone: list[str] = []
        for entry_id in self._known.keys() - {entry.entry_id for entry in entries}:
            pbx = self._known.pop(entry_id)
            pbx.stop()
            gone.extend(media_id for box in pbx.boxes.values() for media_id in box.messages)
        for entry in entries:
            if entry.state is ConfigEntryState.LOADED:
                self._look(entry, messages, gone)
        if len(messages) >= _MOST_AT_ONCE:
            self._rest = self._hass.loop.call_soon(self.tell)
        news: dict[str, Any] = {
            "pbxs": [self._show_pbx(entry) for entry in entries],
            "extensions": [told for pbx in self._known.values() for told in pbx.extensions],
        }
        news = {name: told for name, told in news.items() if told != self._told.get(name)}
        self._told |= news
        if messages:
            news["messages"] = messages
        if gone:
            news["gone"] = gone
        if self._is_first:
            news["reset"] = True
            self._is_first = False
        if news:
            self._connection.send_event(self._number, news)

    @callback
    def _put_off(self) -> None:
        """Let the rest be told by whoever tells next."""
        if self._rest:
            self._rest.cancel()
            self._rest = None

    @callback
    def _follow(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN:
            self.tell()

    def _look(self, entry: PbxConfigEntry, messages: list[_Told], gone: list[str]) -> None:
        """Note what has changed of a PBX that answers, or the beginning of much."""
        runtime = entry.runtime_data
        pbx = self._known.get(entry.entry_id)
        if pbx is None or pbx.runtime is not runtime:
            stop = runtime.coordinator.async_add_listener(self.tell)
            if pbx:
                pbx.stop()
                pbx.runtime, pbx.stop = runtime, stop
            else:
                pbx = self._known[entry.entry_id] = _Pbx(runtime, stop)
        data = runtime.coordinator.data
        audible = [
            number
            for number in sorted(data.roster)
            if may_hear(runtime.coordinator, self._connection.user, number)
        ]
        pbx.extensions = [self._show_extension(entry, number) for number in audible]
        for number in [*audible, *(pbx.boxes.keys() - set(audible))]:
            if len(messages) >= _MOST_AT_ONCE:
                return
            box = pbx.boxes.get(number)
            told = box.messages if box else {}
            if number in audible:
                mailbox, revision = data.mailbox(number), runtime.transcripts.revisions[number]
                if box and (box.mailbox, box.revision) == (mailbox, revision):
                    continue
                shown = self._show_messages(entry, mailbox)
                pbx.boxes[number] = _Box(mailbox, revision, shown)
            else:
                shown = {}
                del pbx.boxes[number]
            messages.extend(
                message for media_id, message in shown.items() if told.get(media_id) != message
            )
            gone.extend(media_id for media_id in told if media_id not in shown)

    def _show_pbx(self, entry: PbxConfigEntry) -> _Told:
        pbx = self._known.get(entry.entry_id)
        coordinator = pbx.runtime.coordinator if pbx else None
        available = entry.state is ConfigEntryState.LOADED and (
            coordinator is not None and coordinator.last_update_success
        )
        answered = coordinator.answered if coordinator and not available else None
        device = coordinator.device_of() if coordinator else None
        return {
            "entry_id": entry.entry_id,
            "device_id": device.id if device else None,
            "title": entry.title,
            "available": available,
            "answered": answered.isoformat() if answered else None,
        }

    def _show_extension(self, entry: PbxConfigEntry, extension: str) -> _Told:
        coordinator = entry.runtime_data.coordinator
        device = coordinator.device_of(extension)
        return {
            "entry_id": entry.entry_id,
            "extension": extension,
            "device_id": device.id if device else None,
            "name": (device.name_by_user or device.name if device else None) or extension,
            "may_delete": may_delete(coordinator, self._connection.user, extension),
        }

    def _show_messages(self, entry: PbxConfigEntry, mailbox: Mailbox) -> Mapping[str, _Told]:
        transcripts = entry.runtime_data.transcripts
        return {
            MediaId.of(entry.entry_id, message).media_content_id: {
                "entry_id": entry.entry_id,
                **describe(entry.entry_id, message, transcripts.text_of(message)),
            }
            for message in mailbox.messages
        }
