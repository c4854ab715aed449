"""Listens to a PBX that reports changes, so that a poll follows at once.

It does not replace polling: while there is no connection, polls are only more frequent.
"""

import asyncio
from collections.abc import Callable
import logging
from math import inf
from time import monotonic
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from ..const import DOMAIN
from ..pbx import PbxAuthError, PbxClient, PbxError

_LOGGER = logging.getLogger(__name__)

_MIN_DELAY: Final = 1
_MAX_DELAY: Final = 30
"""As rare as polls: the first message after an outage must not wait longer than they take."""

_STABLE_SECONDS: Final = 5
"""An outage has ended when a connection has lasted so long."""

_DELAY_FACTOR: Final = 0.1
"""The delay before the next attempt, as a part of how long the outage has lasted: a PBX that restarts
is listened to again at once, and one that is off is not asked all the time."""


class Push:
    """Keeps one connection to a PBX open, and reconnects with a growing delay.

    `changed` is called when something may have changed, and once per connection, since changes
    before it were missed. `connected` is called when the connection is made, and when it is lost.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: PbxClient,
        changed: Callable[[], None],
        connected: Callable[[bool], None],
    ) -> None:
        """Prepare to use a client with `Capability.PUSH`."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._changed = changed
        self._connected = connected
        self.is_connected = False
        """Whether the PBX reports changes."""
        self._connected_at = inf
        self._task: asyncio.Task[None] | None = None

    @callback
    def async_start(self) -> None:
        """Listen until the entry is unloaded."""
        self._task = self._entry.async_create_background_task(
            self._hass, self._async_listen(), f"{DOMAIN} push", eager_start=False
        )

    async def async_stop(self) -> None:
        """Stop listening, if it was started."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _async_listen(self) -> None:
        lost_at = monotonic()
        while True:
            retry_after: float | None = None
            try:
                await self._client.listen(self._handle_change)
            except PbxAuthError as err:
                # The next poll gets the same error, and starts a reauthentication.
                _LOGGER.debug("Push has ended: %s", err.kind)
                self._set_connected(False)
                return
            except PbxError as err:
                _LOGGER.debug("The push connection is lost: %s", err.kind)
                retry_after = err.retry_after
            if monotonic() - self._connected_at >= _STABLE_SECONDS:
                lost_at = monotonic()
            self._set_connected(False)
            delay = _DELAY_FACTOR * (monotonic() - lost_at)
            delay = min(max(delay, _MIN_DELAY), _MAX_DELAY)
            await asyncio.sleep(max(delay, retry_after or 0))

    @callback
    def _handle_change(self) -> None:
        self._set_connected(True)
        self._changed()

    @callback
    def _set_connected(self, connected: bool) -> None:
        if connected != self.is_connected:
            self.is_connected = connected
            self._connected_at = monotonic() if connected else inf
            self._connected(connected)
