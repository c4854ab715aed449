"""Deletes what is stored of messages that are gone: recordings, transcripts, read marks."""

from collections.abc import Mapping, Set as AbstractSet
from datetime import datetime, timedelta
from functools import cache

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from ..const import DOMAIN
from .data import MessageSource, PbxData
from .read_marks import ReadMarks, read_marks_store
from .recordings import Recordings, recording_cache
from .transcripts import Transcripts, transcript_store


class Cleanup:
    """Deletes what is stored of messages that have left one PBX."""

    def __init__(
        self,
        source: MessageSource,
        recordings: Recordings,
        transcripts: Transcripts,
        marks: ReadMarks,
    ) -> None:
        """Prepare to clean up after each poll of `source`."""
        self._source = source
        self._recordings = recordings
        self._transcripts = transcripts
        self._marks = marks
        self._last_data = source.data
        self._cancel_timer: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Clean up after each poll, until the entry is unloaded."""
        entry = self._source.config_entry
        entry.async_on_unload(self._source.async_add_listener(self._handle_update))
        entry.async_on_unload(self._stop_timer)
        extensions = self._extensions
        self._delete_gone(extensions.keys() - self._last_data.extensions_of(extensions).keys())

    @callback
    def _handle_update(self) -> None:
        before, self._last_data = self._last_data, self._source.data
        if renamed := self._source.renamed:
            self._transcripts.async_rename(renamed)
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._recordings.async_rename(renamed), f"{DOMAIN} rename"
            )
        self._delete_gone(_find_gone(self._extensions, before, self._last_data))

    @callback
    def _delete_gone(self, gone: AbstractSet[str]) -> None:
        extensions = self._extensions
        # A PBX can lose a mailbox for a moment, which makes it look empty.
        doubtful = {
            message_id
            for message_id in gone
            if not self._last_data.mailbox(extensions[message_id]).count
        }
        self._delete(gone - doubtful)
        if doubtful and self._cancel_timer is None:
            self._schedule_check()

    @callback
    def _schedule_check(self) -> None:
        """Check mailboxes that look empty again, after the next successful poll."""
        last_success = self._source.last_update_success_time

        @callback
        def check(now: datetime) -> None:
            if self._source.last_update_success_time == last_success:
                self._schedule_check()
                return
            self._cancel_timer = None
            extensions = self._extensions
            self._delete(extensions.keys() - self._source.data.extensions_of(extensions).keys())

        interval = self._source.update_interval or timedelta()
        self._cancel_timer = async_call_later(self._source.hass, 2 * interval, check)

    @property
    def _extensions(self) -> dict[str, str]:
        """The messages of which something is stored, and their extensions if they can be read."""
        stored = self._recordings.extensions | self._transcripts.extensions | self._marks.extensions
        if not (unreadable := self._source.data.unreadable):
            return stored
        return {one: extension for one, extension in stored.items() if extension not in unreadable}

    @callback
    def _delete(self, message_ids: AbstractSet[str]) -> None:
        if message_ids:
            self._transcripts.async_delete(message_ids)
            self._marks.drop(message_ids)
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._recordings.async_delete(message_ids), f"{DOMAIN} cleanup"
            )

    @callback
    def _stop_timer(self) -> None:
        if self._cancel_timer:
            self._cancel_timer()


async def async_delete_stored_data(hass: HomeAssistant, entry_id: str) -> None:
    """Delete what is stored of the messages of a PBX that has been removed."""
    await hass.async_add_executor_job(recording_cache(hass, entry_id).delete_all)
    await transcript_store(hass, entry_id).async_remove()
    await read_marks_store(hass, entry_id).async_remove()


def _find_gone(extensions: Mapping[str, str], before: PbxData, now: PbxData) -> set[str]:
    """Return the ids of messages that are gone, looking only at mailboxes that have changed."""

    @cache
    def has_changed(extension: str) -> bool:
        return extension in before.unreadable or (
            before.mailboxes.get(extension) is not now.mailboxes.get(extension)
        )

    @cache
    def ids(extension: str) -> frozenset[str]:
        return now.mailbox(extension).ids

    return {
        message_id
        for message_id, extension in extensions.items()
        if has_changed(extension) and message_id not in ids(extension)
    }
