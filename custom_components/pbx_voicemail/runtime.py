"""What works for one PBX while it is set up, and keeps nothing of messages that are gone."""

from collections.abc import Mapping, Set as AbstractSet
from datetime import datetime, timedelta
from functools import cache

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .coordinator import PbxCoordinator
from .voicemail.data import PbxData
from .voicemail.pace import Pace
from .voicemail.recordings import Recordings, cache_of
from .voicemail.transcripts import Transcripts, store_of

type PbxConfigEntry = ConfigEntry[PbxRuntime]


class PbxRuntime:
    """A PBX that answers: its data, recordings and transcripts."""

    def __init__(self, coordinator: PbxCoordinator) -> None:
        """Take the data, which has been asked for once."""
        self.coordinator = coordinator
        self.recordings = Recordings(coordinator)
        self.transcripts = Transcripts(coordinator, self.recordings)
        self.pace = Pace()
        self._tidied = coordinator.data
        self._stop_waiting: CALLBACK_TYPE | None = None

    async def begin(self) -> None:
        """Take up what was kept in earlier runs, and tidy up from now on."""
        await self.coordinator.arrivals.begin(self.coordinator.data.mailboxes)
        await self.recordings.begin()
        await self.transcripts.begin()
        hass, entry = self.coordinator.hass, self.coordinator.config_entry
        entry.async_on_unload(self.coordinator.async_add_listener(self._tidy))
        entry.async_on_unload(self._end_waiting)
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
        if renamed := self.coordinator.renamed:
            self.transcripts.rename(renamed)
            self.coordinator.config_entry.async_create_background_task(
                self.coordinator.hass, self.recordings.rename(renamed), "pbx_voicemail renaming"
            )
        held = self.recordings.held | self.transcripts.held
        gone = _gone(held, before, self._tidied)
        # A mailbox that is told as empty may have been lost for a moment.
        doubtful = {one for one in gone if not self._tidied.mailbox(held[one]).count}
        self._drop(gone - doubtful)
        if doubtful and self._stop_waiting is None:
            self._wait()

    def _wait(self) -> None:
        """Look again at emptied mailboxes after the next answer."""
        answered = self.coordinator.answered

        @callback
        def look_again(now: datetime) -> None:
            if self.coordinator.answered == answered:
                self._wait()
                return
            self._stop_waiting = None
            held = self.recordings.held | self.transcripts.held
            self._drop(held.keys() - self.coordinator.data.extensions_of(held).keys())

        interval = self.coordinator.update_interval or timedelta()
        self._stop_waiting = async_call_later(self.coordinator.hass, 2 * interval, look_again)

    @callback
    def _drop(self, gone: AbstractSet[str]) -> None:
        if gone:
            self.transcripts.drop(gone)
            self.coordinator.config_entry.async_create_background_task(
                self.coordinator.hass, self.recordings.drop(gone), "pbx_voicemail tidying"
            )

    @callback
    def _end_waiting(self) -> None:
        if self._stop_waiting:
            self._stop_waiting()


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
