"""Listeners to single extensions, of which only those are called whose extension has changed.

A large PBX has thousands of entities, and most polls change those of one extension, if any.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
import logging

from homeassistant.core import CALLBACK_TYPE, callback

from .data import PbxData

_LOGGER = logging.getLogger(__name__)


class ExtensionListeners:
    """The listeners of one PBX, by extension."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: defaultdict[str, list[CALLBACK_TYPE]] = defaultdict(list)
        self._last: tuple[bool, PbxData, tuple[int, int]] = (True, PbxData({}, {}), (0, 0))

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
        callers may have changed.
        """
        was_available, before, last_revision = self._last
        self._last = (available, data, callers_revision)
        has_changed = available is not was_available or callers_revision != last_revision
        for extension in list(self._listeners) if has_changed else _changed(before, data):
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
