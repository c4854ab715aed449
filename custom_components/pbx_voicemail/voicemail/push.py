"""Listens to a PBX that reports changes, so that a poll follows at once.

This only hurries polls and makes them rarer meanwhile. A connection that breaks, or never
comes about, costs nothing but time.
"""

import asyncio
from collections.abc import Callable
import logging
from time import monotonic
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from ..const import DOMAIN
from ..pbx import PbxAuthError, PbxClient, PbxError

_LOGGER = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1
_LONGEST_PAUSE: Final = 5 * 60

_LASTING: Final = 60
"""A connection that lasted for so many seconds was good: the next one is made soon."""


class Push:
    """Keeps one connection to a PBX open, and calls back when something may have changed.

    `changed` is called once when the connection is there, too, since something may have
    changed before; `connected` is called with whether it is.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: PbxClient,
        changed: Callable[[], None],
        connected: Callable[[bool], None],
    ) -> None:
        """Take a client with `Capability.PUSH`."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._changed = changed
        self._connected = connected
        self._is_connected = False

    @callback
    def async_start(self) -> None:
        """Listen until the entry is unloaded."""
        self._entry.async_create_background_task(
            self._hass, self._listen(), f"{DOMAIN} push", eager_start=False
        )

    async def _listen(self) -> None:
        pause: float = _FIRST_PAUSE
        while True:
            started = monotonic()
            try:
                await self._client.listen(self._report)
            except PbxAuthError as err:
                # The next poll finds out the same, and asks a person. The entry is then set up anew.
                _LOGGER.debug("Push has ended: %s", err.kind)
                return
            except PbxError as err:
                _LOGGER.debug("Push has broken off: %s", err.kind)
            finally:
                self._set_connected(False)
            if monotonic() - started >= _LASTING:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    @callback
    def _report(self) -> None:
        self._set_connected(True)
        self._changed()

    @callback
    def _set_connected(self, connected: bool) -> None:
        if connected != self._is_connected:
            self._is_connected = connected
            self._connected(connected)
