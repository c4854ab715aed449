"""Runs work once for all who request it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN
from ..errors import translated_error
from .permissions import clear_current_user


class SingleFlight[ResultT]:
    """Work in progress, by key. It is cancelled when the config entry is unloaded."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, name: str) -> None:
        """Use the config entry to run tasks, and a name for them."""
        self._hass = hass
        self._entry = entry
        self._name = name
        self._tasks: dict[str, asyncio.Task[ResultT]] = {}

    async def async_run(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return the result of work, or of the same work in progress.

        Cancelling this does not cancel the work. Raises what the work raises, and
        HomeAssistantError if the config entry is unloaded.
        """

        async def run() -> ResultT:
            clear_current_user()
            return await work()

        def remove(task: asyncio.Task[ResultT]) -> None:
            del self._tasks[key]
            if not task.cancelled():
                # Retrieves it: asyncio complains of exceptions that nobody waits for any more.
                task.exception()

        if (task := self._tasks.get(key)) is None:
            task = self._entry.async_create_background_task(
                self._hass, run(), f"{DOMAIN} {self._name} {key}", eager_start=False
            )
            self._tasks[key] = task
            task.add_done_callback(remove)
        await asyncio.wait([task])
        if task.cancelled():
            raise translated_error(HomeAssistantError, "not_connected")
        return task.result()
