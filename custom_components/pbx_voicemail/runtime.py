"""What works for one PBX while it is set up, and keeps nothing of messages that are gone."""

from collections.abc import Mapping
from functools import cache

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback

from .coordinator import PbxCoordinator
from .polled import PbxData
from .recordings import Recordings, cache_of
from .transcripts import Transcripts, store_of

type PbxConfigEntry = ConfigEntry[PbxRuntime]


class PbxRuntime:
    """A PBX that answers: its data, recordings and transcripts."""

    def __init__(self, coordinator: PbxCoordinator) -> None:
        """Take the data, which has been asked for once."""
        self.coordinator = coordinator
        self.recordings = Recordings(coordinator)
        self.transcripts = Transcripts(coordinator, self.recordings)
        self._tidied = coordinator.data

    async def begin(self) -> None:
        """Take up what was kept in earlier runs, and tidy up from now on."""
        await self.coordinator.arrivals.begin(self.coordinator.data.mailboxes)
        await self.recordings.begin()
        await self.transcripts.begin()
        hass, entry = self.coordinator.hass, self.coordinator.config_entry
        entry.async_on_unload(self.coordinator.async_add_listener(self._tidy))
        # Home Assistant does not unload entries when it stops.
        entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._stop))

    async def end(self) -> None:
        """Write down what the next run needs, and sign out."""
        await self.coordinator.arrivals.end()
        await self.transcripts.end()
        await self.coordinator.client.sign_out()

    async def _stop(self, event: Event) -> None:
        await self.coordinator.client.sign_out()

    @callback
    def _tidy(self) -> None:
        before, self._tidied = self._tidied, self.coordinator.data
        held = self.recordings.held | self.transcripts.held
        if gone := _gone(held, before, self._tidied):
            self.transcripts.drop(gone)
            self.coordinator.config_entry.async_create_background_task(
                self.coordinator.hass, self.recordings.drop(gone), "pbx_voicemail tidying"
            )


async def remove_kept(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what was kept for a PBX that is removed."""
    await hass.async_add_executor_job(cache_of(hass, entry_id).remove)
    await store_of(hass, entry_id).async_remove()


def _gone(held: Mapping[str, str], before: PbxData, now: PbxData) -> set[str]:
    """Return which messages of those held have left, looking only where something changed."""

    @cache
    def changed(extension: str) -> bool:
        return before.mailboxes.get(extension) is not now.mailboxes.get(extension)

    @cache
    def ids(extension: str) -> frozenset[str]:
        return now.mailbox(extension).ids

    return {
        message_id
        for message_id, extension in held.items()
        if changed(extension) and message_id not in ids(extension)
    }
