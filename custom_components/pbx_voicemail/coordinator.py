"""One poll for the whole PBX."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
import logging
from time import monotonic
from typing import TYPE_CHECKING, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_SCAN_INTERVAL, CONF_TIME_ZONE, EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .config.client import create_client, if_offered
from .const import CONF_DIALECT, CONF_EXTENSIONS, CONF_REFUSED, DEFAULT_SCAN_INTERVAL, DOMAIN
from .errors import failure
from .issues import Issue, report, report_clock, settle
from .outages import Outages
from .pbx import (
    DeviceInfo,
    Extension,
    Mailbox,
    PbxConnectionError,
    PbxError,
    PbxRejectedError,
    PbxReplyError,
)
from .pbx.s_series.clock import find_fault
from .voicemail.arrivals import Arrivals
from .voicemail.data import PbxData, Poll
from .voicemail.roster import Roster, read_extension_numbers

_LOGGER = logging.getLogger(__name__)

_REFUSALS_THAT_COUNT: Final = 3
_VERIFY_SECONDS: Final = 15 * 60
"""How long another PBX in the place of ours is left alone: each question shows it the token."""


class PbxCoordinator(DataUpdateCoordinator[PbxData]):
    """Polls one PBX.

    A missing mailbox means no messages, but only in an answer that succeeded; anything
    else is a failed update and leaves the last data standing.
    """

    config_entry: ConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, zone: tzinfo) -> None:
        """Prepare to poll the entry's PBX, which is being set up and tells dates in `zone`."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=DOMAIN,
            update_interval=timedelta(
                seconds=entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
            ),
            always_update=False,
        )
        self.chosen = read_extension_numbers(entry.options.get(CONF_EXTENSIONS, ()))
        self.data = PbxData({}, {})
        self.client = create_client(hass, entry, zone)
        self.arrivals = Arrivals(hass, entry.entry_id, self.chosen)
        self.renamed: Mapping[str, str] = {}
        """The messages that the last good poll told under new ids: old id to new."""
        self.polls: deque[Poll] = deque(maxlen=20)
        self.answered: datetime | None = None
        """When the PBX last gave a good answer."""
        self._zone = zone
        self._roster = Roster(self.chosen)
        self._outages = Outages(hass, entry, self.client)

    async def ask[AnswerT](self, question: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Return the PBX's answer to a person who waits for it.

        Raises HomeAssistantError, as a poll does in which the same happens.
        """
        try:
            self._outages.respect_lock()
            with self._outages.translated():
                return await question()
        except ConfigEntryAuthFailed:
            self.config_entry.async_start_reauth(self.hass)
            raise
        except UpdateFailed as err:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=err.translation_key,
                translation_placeholders=err.translation_placeholders,
            ) from err.__cause__

    @property
    def device_info(self) -> DeviceInfo:
        """What the PBX last told about itself, but for the time."""
        return self.data.info

    def unique_id(self, *parts: str) -> str:
        """Name the PBX or, with parts such as an extension, something of it."""
        if TYPE_CHECKING:
            assert self.config_entry.unique_id is not None
        return "_".join((self.config_entry.unique_id, *parts))

    @property
    def known_extensions(self) -> list[Extension]:
        """All extensions that there are to choose from, chosen or not."""
        known = {**self.data.roster, **self._roster.listed}
        return [known[number] for number in sorted(known)]

    def extension_of(self, device: dr.DeviceEntry) -> str | None:
        """Return the extension that a device stands for, None for the PBX itself."""
        return extension_of(self.config_entry, device)

    def device_of(self, *extension: str) -> dr.DeviceEntry | None:
        """Return the device that stands for an extension or, without one, for the PBX."""
        return dr.async_get(self.hass).async_get_device_by_identifier(
            (DOMAIN, self.unique_id(*extension)), self.config_entry.entry_id
        )

    def is_unlisted(self, extension: str) -> bool:
        """Tell whether an extension was only known because it had messages."""
        return extension in self._roster.unlisted

    @callback
    def forget(self, extension: str) -> bool:
        """Drop an extension from the roster, unless the PBX still has it."""
        if extension in self._roster.listed or extension in self.data.mailboxes:
            return False
        roster = {
            number: known for number, known in self.data.roster.items() if number != extension
        }
        self.data = replace(self.data, roster=roster)
        self.async_update_listeners()
        return True

    @callback
    def drop(self, extensions: Iterable[str]) -> None:
        """Remove the devices of extensions that only a choice brought in, not the PBX."""
        for extension in extensions:
            device = self.device_of(extension)
            if self.forget(extension) and device:
                dr.async_get(self.hass).async_remove_device(device.id)

    @override
    async def _async_setup(self) -> None:
        entry = self.config_entry
        if entry.data.get(CONF_REFUSED):
            raise ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key="invalid_auth")
        await self.arrivals.load()
        self.client.set_id_key(bytes.fromhex(self.arrivals.id_key))
        await self._outages.look_at_tls()
        if CONF_TIME_ZONE not in entry.options:
            entry.async_on_unload(
                self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._follow_time_zone)
            )

    async def _follow_time_zone(self, event: Event) -> None:
        """Read dates in the zone that Home Assistant is in from now on."""
        if (zone := dt_util.get_default_time_zone()) != self._zone:
            self._zone = zone
            self.client.set_zone(zone)
            self._roster.ask_soon()
            await self.async_refresh()

    @override
    async def _async_update_data(self) -> PbxData:
        self._outages.respect_lock()
        with self._outages.translated(), self._recorded():
            try:
                info = await self._verify()
                mailboxes = await self.client.query_mailboxes(self.chosen)
            except PbxError as err:
                if isinstance(err, PbxConnectionError | PbxReplyError):
                    # Who answers next may be another.
                    self._roster.ask_soon()
                await self._outages.note(err, is_new=self.last_update_success)
                raise
            self._outages.note_answer()
            self.renamed = await self._find_renamed(mailboxes)
            roster = await self._update_roster(mailboxes)
        self.arrivals.rename(self.renamed, self.client.clock_offset)
        self._remember_dialect()
        self.answered = dt_util.utcnow()
        return PbxData(mailboxes, roster, info)

    async def _find_renamed(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, str]:
        """Return messages whose ids have changed with the PBX's time zone, old ids to new."""
        before = self.data.mailboxes
        suspects = self.arrivals.suspects(
            {
                extension: mailbox
                for extension, mailbox in mailboxes.items()
                if mailbox is not before.get(extension)
            }
        )
        if not suspects:
            return {}
        return await self.client.find_renamed(suspects, self.arrivals.clock_offset)

    async def _verify(self) -> DeviceInfo:
        """Return what the PBX tells about itself, and see now and then that it is still the one.

        Raises UpdateFailed if its serial number is another one's.
        """
        if not self._roster.is_due:
            return self.data.info
        info = await self._query_device_info()
        if info is None:
            return self.data.info
        hub = self.device_of()
        known = hub.serial_number if hub else None
        if known and info.serial_number not in (None, known):
            report(self.hass, self.config_entry, Issue.ANOTHER_PBX, severity=IssueSeverity.ERROR)
            error = failure(UpdateFailed, "wrong_pbx")
            error.retry_after = _VERIFY_SECONDS
            raise error
        settle(self.hass, self.config_entry, Issue.ANOTHER_PBX)
        self._outages.model = info.model or self._outages.model
        return info

    async def _update_roster(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Extension]:
        """Return the extensions that we know of."""
        registered = dict[str, Extension]()
        if self._roster.is_due:
            listed = await if_offered(self.client.query_extensions)
            self._roster.take(listed)
            if listed is None:
                registered = self._registered()
        # Read only now: a person may have removed an extension while the PBX was asked.
        return self._roster.merge(self.data.roster or registered, mailboxes.keys())

    def _registered(self) -> dict[str, Extension]:
        """Return the extensions of earlier runs, where the PBX has no list of them."""
        devices = dr.async_entries_for_config_entry(
            dr.async_get(self.hass), self.config_entry.entry_id
        )
        numbers = filter(None, map(self.extension_of, devices))
        return {number: Extension(number) for number in numbers}

    async def _query_device_info(self) -> DeviceInfo | None:
        """Ask the PBX about itself, and see whether its clock is to be trusted."""
        info = await if_offered(self.client.query_device_info)
        fault = None
        if info and info.system_time:
            fault = find_fault(info.system_time, self._zone, dt_util.utcnow())
        model = (info and info.model) or self._outages.model
        report_clock(self.hass, self.config_entry, fault, model=model, zone=self._zone)
        return info and replace(info, system_time=None)

    def _remember_dialect(self) -> None:
        """Keep the dialect for the next start, and start anew if the PBX has changed it."""
        entry = self.config_entry
        version = self.client.dialect.version
        known = entry.data.get(CONF_DIALECT)
        if known == version:
            return
        self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, CONF_DIALECT: version}
        )
        if entry.state is ConfigEntryState.LOADED:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Note how a poll goes."""
        started = monotonic()
        error: PbxError | None = None
        try:
            yield
        except PbxError as err:
            error = err
            raise
        finally:
            self.polls.append(
                Poll(
                    seconds=monotonic() - started,
                    reply_bytes=self.client.reply_bytes,
                    error=error.kind if error else None,
                    errno=error.errno if isinstance(error, PbxRejectedError) else None,
                )
            )


def extension_of(entry: ConfigEntry, device: dr.DeviceEntry) -> str | None:
    """Return the extension that a device of an entry stands for, None for the PBX itself."""
    prefix = f"{entry.unique_id}_"
    for domain, name in device.identifiers:
        if domain == DOMAIN and name.startswith(prefix):
            return name.removeprefix(prefix)
    return None
