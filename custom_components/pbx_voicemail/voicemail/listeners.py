"""Listeners to single extensions, of which only those are called whose extension has changed.

A large PBX has thousands of entities, and most polls change those of one extension, if any.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import count
import logging
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from ..const import DOMAIN
from .data import PbxData

_LOGGER = logging.getLogger(__name__)

_MAX_AT_ONCE: Final = 5
"""The listeners of how many extensions are called at once: those of one can take half a millisecond."""


class ExtensionListeners:
    """The listeners of one PBX, by extension."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Start without listeners."""
        self._hass = hass
        self._entry = entry
        self._listeners: defaultdict[str, list[CALLBACK_TYPE]] = defaultdict(list)
        self._last: tuple[bool, PbxData, tuple[int, int]] = (True, PbxData({}, {}), (0, 0))
        self._waiting: OrderedDict[str, None] = OrderedDict()
        """The extensions whose listeners have still to be called, in order."""
        self._task: asyncio.Task[None] | None = None

    @callback
    def add(self, extension: str, listener: CALLBACK_TYPE) -> Callable[[], None]:
        """Add a listener, and return what removes it."""
        listeners = self._listeners[extension]
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    @callback
    def async_update(
        self, available: bool, data: PbxData, callers_revision: tuple[int, int] = (0, 0)
    ) -> None:
        """Call the listeners of extensions that have changed since the last call.

        They are called for all if the PBX has become available or unavailable, or if the names of
        callers may have changed. If these are many, most are called a moment later.
        """
        was_available, before, last_revision = self._last
        self._last = (available, data, callers_revision)
        has_changed = available is not was_available or callers_revision != last_revision
        changed = self._listeners if has_changed else _changed(before, data)
        self._waiting.update(dict.fromkeys(changed))
        if self._waiting and (self._task is None or self._task.done()):
            self._task = self._entry.async_create_task(
                self._hass, self._async_call_listeners(), f"{DOMAIN} listeners"
            )

    async def _async_call_listeners(self) -> None:
        for called in count(1):
            if not self._waiting:
                return
            extension, _ = self._waiting.popitem(last=False)
            self._call_listeners(extension)
            if called % _MAX_AT_ONCE == 0:
                await asyncio.sleep(0)

    @callback
    def _call_listeners(self, extension: str) -> None:
        for listener in list(self._listeners.get(extension, ())):
            try:
                listener()
            except Exception:
                _LOGGER.exception("A listener to extension data failed")


def _changed(before: PbxData, after: PbxData) -> Iterable[str]:
    """Return the extensions whose mailbox is another one, or that have come or gone."""
    changed = set(before.unreadable ^ after.unreadable)
    if before.roster is not after.roster:
        changed |= before.roster.keys() ^ after.roster.keys()
    if before.mailboxes is not after.mailboxes:
        changed |= {
            extension
            for extension in before.mailboxes.keys() | after.mailboxes.keys()
            if before.mailboxes.get(extension) is not after.mailboxes.get(extension)
        }
    return changed
