"""Work that several wait for and that is done once."""

import asyncio
from collections.abc import Awaitable, Callable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN
from ..errors import failure
from .permissions import act_for_nobody


class SharedWork[ResultT]:
    """Work under way, by a key. It belongs to an entry and ends with it."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, name: str) -> None:
        """Take the entry, and what the work is called where tasks are listed."""
        self._hass = hass
        self._entry = entry
        self._name = name
        self._tasks: dict[str, asyncio.Task[ResultT]] = {}

    async def do(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return what work brings, whoever began it. To give up waiting does not end it."""

        async def run() -> ResultT:
            act_for_nobody()
            return await work()

        def end(task: asyncio.Task[ResultT]) -> None:
            del self._tasks[key]
            if not task.cancelled():
                # All who waited may have given up, and then nobody else asks for it.
                task.exception()

        if (task := self._tasks.get(key)) is None:
            task = self._entry.async_create_background_task(
                self._hass, run(), f"{DOMAIN} {self._name} {key}", eager_start=False
            )
            self._tasks[key] = task
            task.add_done_callback(end)
        await asyncio.wait([task])
        if task.cancelled():
            raise failure(HomeAssistantError, "not_connected")
        return task.result()
