"""Media source that lists PBXs, their extensions, and the messages of these."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import chain, islice
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

_MAX_SEARCH_RESULTS: Final = 100
_MAX_LISTED: Final = 1000
_UNKNOWN_CALLER: Final = f"component.{DOMAIN}.common.unknown_caller"

type _Hit = tuple[PbxConfigEntry, Message]


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the media source."""
    return PbxMediaSource(hass)


class PbxMediaSource(MediaSource):
    """The messages that the current user may hear."""

    name = "PBX Voicemail"

    def __init__(self, hass: HomeAssistant) -> None:
        """Provide the messages of all PBXs."""
        super().__init__(DOMAIN)
        self.hass = hass

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return all PBXs, or the content of a PBX or of an extension."""
        if not item.identifier:
            return _folder(None, self.name, [self._pbx_folder(entry) for entry in self._entries()])
        media_id = _parse(item)
        entry = self._entry(media_id)
        if media_id.extension is None:
            extensions = _audible_extensions(self.hass, entry)
            return self._pbx_folder(
                entry, [self._extension_folder(entry, extension) for extension in extensions]
            )
        mailbox = _mailbox(self.hass, entry, media_id)

        def create_items() -> list[BrowseMediaSource]:
            latest = islice(mailbox.messages, _MAX_LISTED)
            return [self._message_item(entry, message) for message in latest]

        items = await self.hass.async_add_executor_job(create_items)
        folder = self._extension_folder(entry, media_id.extension, items)
        folder.not_shown = mailbox.count - len(items)
        return folder

    @override
    async def async_search_media(
        self, item: MediaSourceItem, query: SearchMediaQuery
    ) -> SearchMedia:
        """Find messages by extension, caller or transcript."""
        media_id = _parse(item) if item.identifier else None
        mailboxes = self._mailboxes(media_id)
        text = query.search_query.casefold()

        def search(hits: list[_Hit], entry: PbxConfigEntry, mailbox: Mailbox) -> list[_Hit]:
            found = (
                (entry, message)
                for message in mailbox.messages
                if any(text in value.casefold() for value in _searchable(entry, message))
            )
            return nlargest(_MAX_SEARCH_RESULTS, chain(hits, found), key=_received)

        hits: list[_Hit] = []
        # One by one, since a thread that never pauses keeps the event loop waiting, too.
        for entry, mailbox in mailboxes:
            if mailbox.count:
                hits = await self.hass.async_add_executor_job(search, hits, entry, mailbox)
        return SearchMedia(
            result=await self.hass.async_add_executor_job(
                lambda: [self._message_item(*hit) for hit in hits]
            )
        )

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the URL and the file of a recording, which is downloaded first."""
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
            media_id.url(recording.format.suffix),
            recording.format.content_type,
            path=recording.path,
        )

    def _entries(self) -> list[PbxConfigEntry]:
        """Return the PBXs that the current user may see."""
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

    def _mailboxes(self, media_id: MediaId | None) -> list[tuple[PbxConfigEntry, Mailbox]]:
        """Return the mailboxes below an item, None for the top, that the current user may hear."""
        entries = [self._entry(media_id)] if media_id else self._entries()
        if media_id and media_id.extension:
            return [(entry, _mailbox(self.hass, entry, media_id)) for entry in entries]
        return [
            (entry, entry.runtime_data.data.mailbox(number))
            for entry in entries
            for number in _audible_extensions(self.hass, entry)
        ]

    def _pbx_folder(
        self, entry: PbxConfigEntry, children: list[BrowseMediaSource] | None = None
    ) -> BrowseMediaSource:
        return _folder(MediaId(entry.entry_id), entry.title, children)

    def _extension_folder(
        self,
        entry: PbxConfigEntry,
        extension: str,
        children: list[BrowseMediaSource] | None = None,
    ) -> BrowseMediaSource:
        device = device_of(self.hass, entry, extension)
        name = (device.name_by_user or device.name if device else None) or extension
        count = entry.runtime_data.data.mailbox(extension).count
        title = f"{name} · {count}" if count and children is None else name
        return _folder(MediaId(entry.entry_id, extension), title, children)

    def _message_item(self, entry: PbxConfigEntry, message: Message) -> BrowseMediaSource:
        return BrowseMediaSource(
            domain=DOMAIN,
            identifier=MediaId.from_message(entry.entry_id, message).identifier,
            media_class=MediaClass.MUSIC,
            # The real type is unknown until the download, but some players list only audio.
            media_content_type="audio/wav",
            title=" · ".join(self._title_parts(entry, message)),
            can_play=True,
            can_expand=False,
        )

    def _title_parts(self, entry: PbxConfigEntry, message: Message) -> Iterator[str]:
        callers = entry.runtime_data.callers
        name, number = callers.name_of(message), callers.formatted_number_of(message)
        if name and number:
            yield f"{name} ({number})"
        elif caller := name or number:
            yield caller
        else:
            translations = async_get_cached_translations(
                self.hass, self.hass.config.language, "common", DOMAIN
            )
            yield translations.get(_UNKNOWN_CALLER, "?")
        if message.received:
            yield f"{dt_util.as_local(message.received):%Y-%m-%d %H:%M}"
        if message.duration is not None:
            yield "{}:{:02}".format(*divmod(message.duration, 60))


def _parse(item: MediaSourceItem) -> MediaId:
    try:
        return MediaId.parse(item.identifier)
    except ValueError as err:
        raise translated_error(BrowseError, "message_gone") from err


def _audible_extensions(hass: HomeAssistant, entry: PbxConfigEntry) -> list[str]:
    """Return the extensions whose messages the current user may hear."""
    user = current_user()
    return [
        number
        for number in sorted(entry.runtime_data.data.roster)
        if may_hear(hass, entry, user, number)
    ]


def _mailbox(hass: HomeAssistant, entry: PbxConfigEntry, media_id: MediaId) -> Mailbox:
    """Return the mailbox of an extension. Raises BrowseError if the user may not hear it."""
    data = entry.runtime_data.data
    extension = media_id.extension or ""
    if not may_hear(hass, entry, current_user(), extension):
        raise translated_error(BrowseError, "not_allowed")
    if extension not in data.roster:
        raise translated_error(BrowseError, "unknown_extension", extension=extension)
    return data.mailbox(extension)


def _received(hit: _Hit) -> float:
    _, message = hit
    return message.received.timestamp() if message.received else 0


def _searchable(entry: PbxConfigEntry, message: Message) -> Iterator[str]:
    """Return the texts by which a message can be found."""
    coordinator = entry.runtime_data
    extension = coordinator.data.roster.get(message.extension)
    transcript = coordinator.transcripts.text_of(message)
    name = extension.name if extension else None
    texts = (
        message.extension,
        name,
        message.caller,
        coordinator.callers.name_of(message),
        transcript,
    )
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
