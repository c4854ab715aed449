"""One poll for the whole PBX, and what belongs to a PBX while it is set up."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
import logging
from typing import Final, Self, override

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import (
    CONF_SCAN_INTERVAL,
    CONF_TIME_ZONE,
    EVENT_CORE_CONFIG_UPDATE,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .config.client import create_client, time_zone_of
from .const import CONF_DIAL_OUT, CONF_EXTENSIONS, DEFAULT_SCAN_INTERVAL, DOMAIN
from .identifiers import registered_extensions
from .issues import Issue
from .outages import Outages
from .pbx import (
    Capability,
    Extension,
    Mailbox,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxInfo,
    PbxReplyError,
)
from .pbx_requests import PbxRequests
from .voicemail.arrivals import Arrivals
from .voicemail.callers import Callers
from .voicemail.cleanup import Cleanup
from .voicemail.data import PbxData, PollLog
from .voicemail.listeners import ExtensionListeners
from .voicemail.phone_book import PhoneBook
from .voicemail.push import Push
from .voicemail.rate_limit import RateLimiter
from .voicemail.read_marks import ReadMarks
from .voicemail.read_state import ReadState
from .voicemail.recordings import Recordings
from .voicemail.roster import Roster, parse_extension_numbers
from .voicemail.transcripts import Transcripts

_LOGGER = logging.getLogger(__name__)

_COOLDOWN: Final = 1
"""How long after a poll the next one waits that is wanted at once, in seconds."""

_PUSH_FACTOR: Final = 10
"""How many times rarer polls are while the PBX reports changes."""

_LONGEST_PUSH_INTERVAL: Final = timedelta(minutes=15)
"""Unless polls are rarer anyway: not every change is reported."""

type PbxConfigEntry = ConfigEntry[PbxCoordinator]


class PbxCoordinator(DataUpdateCoordinator[PbxData]):
    """Polls one PBX.

    A missing mailbox means no messages, but only in an answer that succeeded; anything
    else is a failed update and leaves the last data in place.
    """

    config_entry: PbxConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: PbxConfigEntry,
        client: PbxClient,
        *,
        arrivals: Arrivals,
        marks: ReadMarks,
        phone_book: PhoneBook,
    ) -> None:
        """Prepare to poll the PBX of an entry that is being set up."""
        self._interval = timedelta(
            seconds=entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
        )
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=DOMAIN,
            update_interval=self._interval,
            always_update=False,
            request_refresh_debouncer=Debouncer(hass, _LOGGER, cooldown=_COOLDOWN, immediate=True),
        )
        self.chosen = chosen_extensions(entry)
        self.data = PbxData({}, {})
        self.client = client
        self._outages = Outages(hass, entry)
        self.requests = PbxRequests(hass, entry, client, self._outages)
        self.arrivals = arrivals
        self.phone_book = phone_book
        self.recordings = Recordings(self, self.requests.async_get_recording)
        self.transcripts = Transcripts(self, self.recordings)
        self.read_state = ReadState(self, client, marks, self.requests.async_mark_read)
        self.rate_limiter = RateLimiter()
        self.adding_entities = asyncio.Lock()
        """Held while a platform adds the entities of an extension."""
        self.renamed: Mapping[str, str] = {}
        """The messages that the last good poll found under new ids: old id to new."""
        self.log = PollLog()
        self.last_update_success_time: datetime | None = None
        """When the last successful poll was."""
        self._capabilities = client.capabilities
        self._time_zone = dt_util.get_default_time_zone()
        self._roster = Roster(self.chosen)
        self.callers = Callers(phone_book, self._roster)
        self._extension_listeners = ExtensionListeners(hass, entry)
        self._push = Push(
            hass,
            entry,
            client,
            changed=self._async_poll_soon,
            connected=self._async_follow_push,
        )
        self._is_poll_wanted = False
        self._polls: asyncio.Task[None] | None = None
        """Polls for as long as a poll is wanted."""

    @classmethod
    async def async_create(cls, hass: HomeAssistant, entry: PbxConfigEntry) -> Self:
        """Return the coordinator of an entry, which has not asked the PBX anything yet."""
        arrivals = Arrivals(hass, entry.entry_id, chosen_extensions(entry))
        await arrivals.async_load()
        marks = ReadMarks(hass, entry.entry_id)
        await marks.async_load()
        phone_book = PhoneBook(hass, entry.entry_id, entry.options.get(CONF_DIAL_OUT, ""))
        await phone_book.async_load()
        id_key = bytes.fromhex(arrivals.id_key)
        client = create_client(hass, entry, await time_zone_of(entry.options), id_key)
        return cls(hass, entry, client, arrivals=arrivals, marks=marks, phone_book=phone_book)

    async def async_load(self) -> None:
        """Read what was kept of messages in earlier runs, once the PBX has answered."""
        await self.arrivals.async_start(self.data.mailboxes, self.data.unreadable)
        await self.recordings.async_load()
        await self.transcripts.async_load()
        Cleanup(self, self.recordings, self.transcripts, self.read_state.marks).async_start()
        if Capability.PUSH in self.client.capabilities:
            self._push.async_start()
        self._async_spread_polls()
        self.config_entry.async_on_unload(
            self.phone_book.async_add_listener(self.async_update_listeners)
        )
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._async_follow_country)
        )
        # Home Assistant does not unload entries when it stops.
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._async_stop)
        )

    @callback
    def _async_spread_polls(self) -> None:
        """Poll once more at a time of its own, from which the next polls are counted.

        Entries that are set up together would otherwise be polled in the same second for ever.
        """
        entry_ids = [
            entry.entry_id
            for entry in self.hass.config_entries.async_entries(
                DOMAIN, include_ignore=False, include_disabled=False
            )
        ]
        if index := entry_ids.index(self.config_entry.entry_id):
            delay = self._interval * index / len(entry_ids)
            self.config_entry.async_on_unload(
                async_call_later(self.hass, delay, self._async_poll_again)
            )

    async def _async_poll_again(self, now: datetime) -> None:
        await self.async_refresh()

    async def async_save(self) -> None:
        """Write what the next run needs, and sign out."""
        await self._async_close()
        await self.arrivals.async_save()
        await self.transcripts.async_save()
        await self.read_state.marks.async_save()
        await self.phone_book.async_save()

    @callback
    def async_apply_marks(self) -> None:
        """Show messages as they are marked by now."""
        mailboxes = self.read_state.marks.apply(self.read_state.mailboxes)
        self.data = replace(self.data, mailboxes=mailboxes)
        self.async_update_listeners()

    @callback
    @override
    def async_add_listener(
        self, update_callback: CALLBACK_TYPE, context: object = None
    ) -> Callable[[], None]:
        """Call a listener when the data changes; with an extension as `context`, when that does."""
        if isinstance(context, str):
            return self._extension_listeners.add(context, update_callback)
        return super().async_add_listener(update_callback)

    @callback
    @override
    def async_update_listeners(self) -> None:
        """Call the listeners of what has changed."""
        super().async_update_listeners()
        self._extension_listeners.async_update(
            self.last_update_success, self.data, self.callers.revision
        )

    @property
    def known_extensions(self) -> list[Extension]:
        """All extensions that there are to choose from, chosen or not."""
        known = {**self.data.roster, **self._roster.listed}
        return [known[number] for number in sorted(known)]

    def is_unlisted(self, extension: str) -> bool:
        """Return whether an extension was only known because it had messages."""
        return extension in self._roster.unlisted

    @callback
    def async_forget(self, extension: str) -> bool:
        """Drop an extension from the roster, unless the PBX still has it."""
        if extension in self._roster.listed or extension in self.data.mailboxes:
            return False
        roster = {
            number: known for number, known in self.data.roster.items() if number != extension
        }
        self.data = replace(self.data, roster=roster)
        self.async_update_listeners()
        return True

    @override
    async def _async_setup(self) -> None:
        self._outages.raise_if_signed_out()
        await self._outages.check_tls()
        if (
            Capability.LOCAL_CLOCK in self.client.capabilities
            and CONF_TIME_ZONE not in self.config_entry.options
        ):
            self.config_entry.async_on_unload(
                self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._async_follow_time_zone)
            )

    async def _async_follow_time_zone(self, event: Event) -> None:
        """Read dates in the time zone that Home Assistant is set to from now on."""
        if (zone := dt_util.get_default_time_zone()) == self._time_zone:
            return
        self._time_zone = zone
        self.client.set_time_zone(zone)
        self._roster.request_refresh()
        await self.async_refresh()

    async def _async_follow_country(self, event: Event) -> None:
        """Read phone numbers as those of the country that Home Assistant is set to from now on."""
        await self.phone_book.async_follow_country()

    @callback
    def _async_poll_soon(self) -> None:
        """Poll as soon as the poll that is running, and the pause after it, have ended."""
        self._is_poll_wanted = True
        if self._polls is None or self._polls.done():
            self._polls = self.config_entry.async_create_background_task(
                self.hass, self._async_poll_while_wanted(), f"{DOMAIN} poll"
            )

    async def _async_poll_while_wanted(self) -> None:
        # What is reported during a poll may have come too late for it.
        while self._is_poll_wanted:
            self._is_poll_wanted = False
            await self.async_refresh()
            await asyncio.sleep(_COOLDOWN)

    @callback
    def _async_follow_push(self, connected: bool) -> None:
        """Poll at once when the PBX stops reporting changes."""
        if not connected:
            self._async_poll_soon()

    @property
    def _next_interval(self) -> timedelta:
        """The time until the next poll: long while the PBX reports changes."""
        if not self._push.is_connected or self.client.is_catching_up:
            return self._interval
        return max(self._interval, min(_PUSH_FACTOR * self._interval, _LONGEST_PUSH_INTERVAL))

    async def _async_stop(self, event: Event) -> None:
        await self._async_close()
        await self.arrivals.async_save()

    async def _async_close(self) -> None:
        await self.async_shutdown()
        await self._push.async_stop()
        await self.requests.async_close()

    @override
    async def _async_update_data(self) -> PbxData:
        # A poll that fails is repeated soon, whatever is reported.
        self.update_interval = self._interval
        self._outages.raise_if_locked_out()
        self.read_state.poll_begins()
        with self.requests.errors_as_ha(Issue.SETUP_FOR_POLLS), self.log.recording(self.client):
            try:
                info = await self._async_verify()
                mailboxes = await self.client.mailboxes(self.chosen)
            except PbxError as err:
                if isinstance(err, PbxConnectionError | PbxReplyError):
                    # Who answers next may be another.
                    self._roster.request_refresh()
                await self._outages.note_failure(err, is_new=self.last_update_success)
                raise
            self._outages.note_success()
            self.renamed = await self._async_find_renamed(mailboxes)
            roster = await self._async_update_roster(mailboxes)
        self.arrivals.async_rename(self.renamed, self.client.id_context)
        self.read_state.marks.rename(self.renamed)
        unreadable = self.client.unreadable
        self._outages.note_unreadable(unreadable, self.client.setup_errors)
        self.arrivals.async_look(mailboxes, unreadable)
        self._reload_if_capabilities_changed()
        self.last_update_success_time = dt_util.utcnow()
        self.update_interval = self._next_interval
        mailboxes = self.read_state.poll_succeeded(mailboxes)
        return PbxData(mailboxes, roster, info, frozenset(unreadable))

    async def _async_find_renamed(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, str]:
        """Return messages whose ids have changed, old ids to new."""
        before = self.read_state.mailboxes
        suspects = self.arrivals.possibly_renamed(
            {
                extension: mailbox
                for extension, mailbox in mailboxes.items()
                if mailbox is not before.get(extension)
            }
        )
        if not suspects:
            return {}
        return await self.client.find_renamed(suspects, self.arrivals.id_context)

    async def _async_verify(self) -> PbxInfo:
        """Return what the PBX says about itself, and check now and then that it is still the one.

        Raises UpdateFailed if its serial number is another one's.
        """
        if not self._roster.is_refresh_due:
            return self.data.info
        info = await self.client.info()
        self._outages.check_identity(info)
        return replace(info, clock_fault=None)

    async def _async_update_roster(
        self, mailboxes: Mapping[str, Mailbox]
    ) -> Mapping[str, Extension]:
        """Return the extensions that we know of."""
        registered = dict[str, Extension]()
        if self._roster.is_refresh_due:
            listed = await self.client.extensions()
            self._roster.set_listed(listed)
            if listed is None:
                numbers = registered_extensions(self.hass, self.config_entry)
                registered = {number: Extension(number) for number in numbers}
        # Read only now: a person may have removed an extension while the PBX was asked.
        return self._roster.merge(self.data.roster or registered, mailboxes.keys())

    @callback
    def _reload_if_capabilities_changed(self) -> None:
        """Set up anew if new firmware can do more, or less: entities depend on it."""
        capabilities = self.client.capabilities
        has_changed = capabilities != self._capabilities
        self._capabilities = capabilities
        if has_changed and self.config_entry.state is ConfigEntryState.LOADED:
            self.hass.config_entries.async_schedule_reload(self.config_entry.entry_id)


def chosen_extensions(entry: ConfigEntry) -> tuple[str, ...]:
    """Return the extensions chosen in the options, none if all are wanted."""
    return parse_extension_numbers(entry.options.get(CONF_EXTENSIONS, ()))
