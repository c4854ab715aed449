"""Deletes what was kept of messages that are gone: recordings and transcripts."""

from collections.abc import Mapping, Set as AbstractSet
from datetime import datetime, timedelta
from functools import cache

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .data import MessageSource, PbxData
from .recordings import Recordings, cache_of
from .transcripts import Transcripts, store_of


class Tidying:
    """Follows the messages of one PBX, and keeps nothing of those that are gone."""

    def __init__(
        self, source: MessageSource, recordings: Recordings, transcripts: Transcripts
    ) -> None:
        """Take what is kept."""
        self._source = source
        self._recordings = recordings
        self._transcripts = transcripts
        self._tidied = source.data
        self._cancel_timer: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Tidy up after each poll, until the entry is unloaded."""
        entry = self._source.config_entry
        entry.async_on_unload(self._source.async_add_listener(self._tidy))
        entry.async_on_unload(self._stop)

    @callback
    def _tidy(self) -> None:
        before, self._tidied = self._tidied, self._source.data
        if renamed := self._source.renamed:
            self._transcripts.rename(renamed)
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._recordings.rename(renamed), "pbx_voicemail renaming"
            )
        extensions = self._extensions
        gone = _gone(extensions, before, self._tidied)
        # A mailbox that appears to be empty may have been lost for a moment.
        doubtful = {one for one in gone if not self._tidied.mailbox(extensions[one]).count}
        self._drop(gone - doubtful)
        if doubtful and self._cancel_timer is None:
            self._look_again_later()

    @callback
    def _look_again_later(self) -> None:
        """Look again at emptied mailboxes after the next answer."""
        answered = self._source.answered

        @callback
        def look_again(now: datetime) -> None:
            if self._source.answered == answered:
                self._look_again_later()
                return
            self._cancel_timer = None
            extensions = self._extensions
            self._drop(extensions.keys() - self._source.data.extensions_of(extensions).keys())

        interval = self._source.update_interval or timedelta()
        self._cancel_timer = async_call_later(self._source.hass, 2 * interval, look_again)

    @property
    def _extensions(self) -> dict[str, str]:
        """The messages of which something is kept, and their extensions."""
        return self._recordings.extensions | self._transcripts.extensions

    @callback
    def _drop(self, gone: AbstractSet[str]) -> None:
        if gone:
            self._transcripts.drop(gone)
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._recordings.drop(gone), "pbx_voicemail tidying"
            )

    @callback
    def _stop(self) -> None:
        if self._cancel_timer:
            self._cancel_timer()


async def async_remove_kept(hass: HomeAssistant, entry_id: str) -> None:
    """Delete all that was kept for a PBX that is removed."""
    await hass.async_add_executor_job(cache_of(hass, entry_id).remove)
    await store_of(hass, entry_id).async_remove()


def _gone(extensions: Mapping[str, str], before: PbxData, now: PbxData) -> set[str]:
    """Return which of the messages are gone, looking only where something changed."""

    @cache
    def changed(extension: str) -> bool:
        return before.mailboxes.get(extension) is not now.mailboxes.get(extension)

    @cache
    def ids(extension: str) -> frozenset[str]:
        return now.mailbox(extension).ids

    return {
        message_id
        for message_id, extension in extensions.items()
        if changed(extension) and message_id not in ids(extension)
    }
