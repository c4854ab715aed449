"""Runs work once for all who ask for it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN
from ..errors import translated_error
from .permissions import act_without_user


class SingleFlight[ResultT]:
    """Work in progress, by a key. It belongs to an entry and is cancelled with it."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, name: str) -> None:
        """Take the entry, and a name for the tasks."""
        self._hass = hass
        self._entry = entry
        self._name = name
        self._tasks: dict[str, asyncio.Task[ResultT]] = {}

    async def async_run(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return the result of work, whoever started it. Giving up waiting does not cancel it."""

        async def run() -> ResultT:
            act_without_user()
            return await work()

        def forget(task: asyncio.Task[ResultT]) -> None:
            del self._tasks[key]
            if not task.cancelled():
                # Retrieves it, since all who waited may have given up.
                task.exception()

        if (task := self._tasks.get(key)) is None:
            task = self._entry.async_create_background_task(
                self._hass, run(), f"{DOMAIN} {self._name} {key}", eager_start=False
            )
            self._tasks[key] = task
            task.add_done_callback(forget)
        await asyncio.wait([task])
        if task.cancelled():
            raise translated_error(HomeAssistantError, "not_connected")
        return task.result()
