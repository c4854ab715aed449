"""What is asked of a PBX, by polls and by people, with its errors as Home Assistant's."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.update_coordinator import UpdateFailed

from .config.client import async_remember
from .const import CONF_CREDENTIALS, DOMAIN
from .issues import Issue
from .outages import Outages
from .pbx import Message, PbxClient

_CLOSE_TIMEOUT: Final = 5
"""How long signing out waits for requests that are still running, in seconds."""


class PbxRequests:
    """Asks the PBX of a config entry, and stores what the client learns meanwhile."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, client: PbxClient, outages: Outages
    ) -> None:
        """Prepare to use a client."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._outages = outages
        self._credentials = entry.data[CONF_CREDENTIALS]
        self._running: set[asyncio.Task[Any]] = set()
        """The tasks that wait for an answer."""

    async def async_get_recording(self, message: Message) -> bytes:
        """Return the audio of a message. Raises HomeAssistantError."""
        return await self._async_ask(
            Issue.SETUP_FOR_RECORDINGS, lambda: self._client.recording(message)
        )

    async def async_delete(self, message: Message) -> None:
        """Delete a message. Raises HomeAssistantError."""
        await self._async_ask(Issue.SETUP_FOR_CHANGES, lambda: self._client.delete(message))

    async def async_mark_read(self, message: Message) -> None:
        """Tell the PBX that a message was heard. Raises HomeAssistantError."""
        await self._async_ask(Issue.SETUP_FOR_CHANGES, lambda: self._client.mark_read(message))

    async def async_close(self) -> None:
        """Sign out, once nothing is asked any more: a request would sign in again."""
        if self._running:
            await asyncio.wait(self._running, timeout=_CLOSE_TIMEOUT)
        await self._client.close()
        self._remember()

    @contextmanager
    def errors_as_ha(self, setup_issue: Issue) -> Iterator[None]:
        """Raise Home Assistant's errors instead of the client's, which is asked inside.

        `setup_issue` is the issue if the PBX has to be set up for it first.
        """
        task = asyncio.current_task()
        if TYPE_CHECKING:
            assert task
        self._running.add(task)
        try:
            with self._outages.errors_as_ha(setup_issue):
                yield
        finally:
            self._running.discard(task)
            self._remember()

    @callback
    def _remember(self) -> None:
        """Store what the client has learned, unless its credentials have been replaced."""
        if self._entry.data[CONF_CREDENTIALS] == self._credentials:
            async_remember(self._hass, self._entry, self._client)

    async def _async_ask[AnswerT](
        self, setup_issue: Issue, question: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """Return the PBX's answer to a person who waits for it.

        Raises HomeAssistantError, as a poll does in which the same happens.
        """
        try:
            self._outages.raise_if_locked_out()
            with self.errors_as_ha(setup_issue):
                return await question()
        except ConfigEntryAuthFailed:
            self._entry.async_start_reauth(self._hass)
            raise
        except UpdateFailed as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=err.translation_key,
                translation_placeholders=err.translation_placeholders,
            ) from err.__cause__
