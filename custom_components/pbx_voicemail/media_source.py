"""Messages in the media browser: PBX, extension, message."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import islice
from typing import Final, override

from homeassistant.components.media_player import (
    BrowseError,
    MediaClass,
    MediaType,
    SearchMedia,
    SearchMediaQuery,
)
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import PbxConfigEntry
from .errors import translated_error
from .identifiers import device_of
from .pbx import Mailbox, Message
from .voicemail.media_id import MediaId
from .voicemail.permissions import current_user, may_hear, may_see

_MOST_FOUND: Final = 100
_MOST_SHOWN: Final = 1000
_UNKNOWN_CALLER: Final = f"component.{DOMAIN}.common.unknown_caller"


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Offer the messages of all PBXs."""
    return PbxMediaSource(hass)


class PbxMediaSource(MediaSource):
    """The messages that the user at hand may hear."""

    name = "PBX Voicemail"

    def __init__(self, hass: HomeAssistant) -> None:
        """Take where PBXs are."""
        super().__init__(DOMAIN)
        self.hass = hass

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Show what is below a PBX or an extension, or all PBXs."""
        if not item.identifier:
            return _folder(None, self.name, [self._show_pbx(entry) for entry in self._entries()])
        media_id = _parse(item)
        entry = self._entry(media_id)
        if media_id.extension is None:
            extensions = _audible(self.hass, entry)
            return self._show_pbx(
                entry, [self._show_extension(entry, extension) for extension in extensions]
            )
        mailbox = _mailbox(self.hass, entry, media_id)

        def show() -> list[BrowseMediaSource]:
            latest = islice(mailbox.messages, _MOST_SHOWN)
            return [self._show_message(entry, message) for message in latest]

        messages = await self.hass.async_add_executor_job(show)
        shown = self._show_extension(entry, media_id.extension, messages)
        shown.not_shown = mailbox.count - len(messages)
        return shown

    @override
    async def async_search_media(
        self, item: MediaSourceItem, query: SearchMediaQuery
    ) -> SearchMedia:
        """Find messages by who called whom, and by what was said."""
        media_id = _parse(item) if item.identifier else None
        entries = [self._entry(media_id)] if media_id else self._entries()
        words = query.search_query.casefold()
        if media_id and media_id.extension:
            places = [(entry, _mailbox(self.hass, entry, media_id)) for entry in entries]
        else:
            places = [
                (entry, entry.runtime_data.data.mailbox(number))
                for entry in entries
                for number in _audible(self.hass, entry)
            ]

        def search() -> list[BrowseMediaSource]:
            found = (
                (entry, message)
                for entry, mailbox in places
                for message in mailbox.messages
                if any(words in text.casefold() for text in _texts(entry, message))
            )
            latest = nlargest(
                _MOST_FOUND,
                found,
                key=lambda hit: hit[1].received.timestamp() if hit[1].received else 0,
            )
            return [self._show_message(*hit) for hit in latest]

        return SearchMedia(result=await self.hass.async_add_executor_job(search))

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Get a recording, so that both its address and its file are there."""
        try:
            media_id = _parse(item)
            entry = self._entry(media_id)
            mailbox = _mailbox(self.hass, entry, media_id) if media_id.extension else None
            message = mailbox.find(media_id.message_id or "") if mailbox else None
            if message is None:
                raise translated_error(BrowseError, "message_gone")
            recording = await entry.runtime_data.recordings.async_get(message)
        except HomeAssistantError as err:
            raise Unresolvable(
                translation_domain=err.translation_domain,
                translation_key=err.translation_key,
                translation_placeholders=err.translation_placeholders,
            ) from err
        return PlayMedia(
            media_id.url(recording.sound.suffix),
            recording.sound.content_type,
            path=recording.path,
        )

    def _entries(self) -> list[PbxConfigEntry]:
        """Return the PBXs that the user at hand may know of."""
        user = current_user()
        return [
            entry
            for entry in self.hass.config_entries.async_loaded_entries(DOMAIN)
            if may_see(self.hass, entry, user, entry.runtime_data.data.roster)
        ]

    def _entry(self, media_id: MediaId) -> PbxConfigEntry:
        for entry in self._entries():
            if entry.entry_id == media_id.entry_id:
                return entry
        raise translated_error(BrowseError, "not_connected")

    def _show_pbx(
        self, entry: PbxConfigEntry, children: list[BrowseMediaSource] | None = None
    ) -> BrowseMediaSource:
        return _folder(MediaId(entry.entry_id), entry.title, children)

    def _show_extension(
        self,
        entry: PbxConfigEntry,
        extension: str,
        children: list[BrowseMediaSource] | None = None,
    ) -> BrowseMediaSource:
        coordinator = entry.runtime_data
        device = device_of(self.hass, entry, extension)
        name = (device.name_by_user or device.name if device else None) or extension
        count = coordinator.data.mailbox(extension).count
        title = f"{name} · {count}" if count and children is None else name
        return _folder(MediaId(entry.entry_id, extension), title, children)

    def _show_message(self, entry: PbxConfigEntry, message: Message) -> BrowseMediaSource:
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=MediaId.of(entry.entry_id, message).identifier,
            media_class=MediaClass.MUSIC,
            # What it really is, only the recording tells; some players show nothing but audio.
            media_content_type="audio/wav",
            title=" · ".join(self._title(message)),
            can_play=True,
            can_expand=False,
        )

    def _title(self, message: Message) -> Iterator[str]:
        if message.caller_name and message.caller:
            yield f"{message.caller_name} ({message.caller})"
        elif caller := message.caller_name or message.caller:
            yield caller
        else:
            words = async_get_cached_translations(
                self.hass, self.hass.config.language, "common", DOMAIN
            )
            yield words.get(_UNKNOWN_CALLER, "?")
        if message.received:
            yield f"{dt_util.as_local(message.received):%Y-%m-%d %H:%M}"
        if message.duration is not None:
            yield "{}:{:02}".format(*divmod(message.duration, 60))


def _parse(item: MediaSourceItem) -> MediaId:
    try:
        return MediaId.parse(item.identifier)
    except ValueError as err:
        raise translated_error(BrowseError, "message_gone") from err


def _audible(hass: HomeAssistant, entry: PbxConfigEntry) -> list[str]:
    """Return the extensions whose messages the user at hand may hear."""
    coordinator = entry.runtime_data
    user = current_user()
    return [
        number for number in sorted(coordinator.data.roster) if may_hear(hass, entry, user, number)
    ]


def _mailbox(hass: HomeAssistant, entry: PbxConfigEntry, media_id: MediaId) -> Mailbox:
    """Return an extension's mailbox, if the user at hand may hear its messages."""
    coordinator = entry.runtime_data
    extension = media_id.extension or ""
    if not may_hear(hass, entry, current_user(), extension):
        raise translated_error(BrowseError, "not_allowed")
    if extension not in coordinator.data.roster:
        raise translated_error(BrowseError, "unknown_extension", extension=extension)
    return coordinator.data.mailbox(extension)


def _texts(entry: PbxConfigEntry, message: Message) -> Iterator[str]:
    """Return what a message may be found by."""
    coordinator = entry.runtime_data
    extension = coordinator.data.roster.get(message.extension)
    transcript = coordinator.transcripts.text_of(message)
    name = extension.name if extension else None
    texts = message.extension, name, message.caller, message.caller_name, transcript
    return filter(None, texts)


def _folder(
    media_id: MediaId | None, title: str, children: list[BrowseMediaSource] | None
) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=media_id.identifier if media_id else None,
        media_class=MediaClass.DIRECTORY,
        media_content_type=MediaType.MUSIC,
        title=title,
        can_play=False,
        can_expand=True,
        can_search=True,
        children=children,
    )
