"""One poll for the whole PBX."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta, tzinfo
import logging
from time import monotonic
from traceback import clear_frames
from typing import TYPE_CHECKING, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import (
    CONF_HOST,
    CONF_SCAN_INTERVAL,
    CONF_SSL,
    CONF_TIME_ZONE,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
    EVENT_CORE_CONFIG_UPDATE,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .arrivals import Arrivals
from .clock import find_fault
from .connection import async_fetch_certificate, create_client, error_placeholders, if_offered
from .const import (
    CONF_DIALECT,
    CONF_EXTENSIONS,
    CONF_OLD_TLS,
    CONF_REFUSALS,
    CONF_REFUSED,
    DEFAULT_SCAN_INTERVAL,
    DOMAIN,
)
from .issues import Issue, report, report_clock, settle
from .lock_out import LOCK_OUT, async_note_lock_out, locked_for
from .pbx import (
    DeviceInfo,
    Extension,
    Mailbox,
    PbxAuthError,
    PbxCertificateError,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxLoginError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
    Refusals,
)
from .polled import PbxData, Poll
from .roster import Roster, read_extension_numbers

_LOGGER = logging.getLogger(__name__)

_REFUSALS_THAT_COUNT: Final = 3


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
        self._refusals = 0
        self._token_refusals = 0

    async def ask[AnswerT](self, question: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Return the PBX's answer to a person who waits for it.

        Raises HomeAssistantError, as a poll does in which the same happens.
        """
        try:
            self._respect_lock()
            with self._translated_errors():
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

    @property
    def model(self) -> str:
        """What to call the PBX in a text that does not give away where it is."""
        return self.device_info.model or "PBX"

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
        if entry.data[CONF_SSL] and not entry.data[CONF_VERIFY_SSL]:
            report(self.hass, entry, Issue.UNVERIFIED_TLS)
        else:
            settle(self.hass, entry, Issue.UNVERIFIED_TLS)
        await self._look_for_new_tls()
        if CONF_TIME_ZONE not in entry.options:
            entry.async_on_unload(
                self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._follow_time_zone)
            )

    async def _look_for_new_tls(self) -> None:
        """Point out a PBX that speaks only TLS from another decade, until it speaks a newer one."""
        entry = self.config_entry
        if not entry.data.get(CONF_OLD_TLS):
            settle(self.hass, entry, Issue.OLD_TLS)
            return
        certificate = await async_fetch_certificate(self.hass, entry.data)
        if certificate is None or certificate.needs_old_tls:
            report(self.hass, entry, Issue.OLD_TLS)
            return
        settle(self.hass, entry, Issue.OLD_TLS)
        data = {key: value for key, value in entry.data.items() if key != CONF_OLD_TLS}
        self.hass.config_entries.async_update_entry(entry, data=data)

    async def _follow_time_zone(self, event: Event) -> None:
        """Read dates in the zone that Home Assistant is in from now on."""
        if (zone := dt_util.get_default_time_zone()) != self._zone:
            self._zone = zone
            self.client.set_zone(zone)
            self._roster.ask_soon()
            await self.async_refresh()

    @override
    async def _async_update_data(self) -> PbxData:
        self._respect_lock()
        try:
            with self._translated_errors(), self._recorded():
                try:
                    mailboxes = await self.client.query_mailboxes(self.chosen)
                except PbxRejectedError as err:
                    await self._count_refusal(err)
                    raise
                except PbxCertificateError:
                    self._report_outage(Issue.CERTIFICATE_CHANGED)
                    raise
                except PbxConnectionError, PbxReplyError:
                    await self._look_for_tls()
                    raise
                self._refusals = self._token_refusals = 0
                settle(
                    self.hass,
                    self.config_entry,
                    Issue.CERTIFICATE_CHANGED,
                    Issue.TLS_OFFERED,
                    Issue.UNKNOWN_REFUSAL,
                )
                self.renamed = await self._find_renamed(mailboxes)
                info, roster = await self._update_roster(mailboxes)
        finally:
            self._remember_refusals()
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

    def _respect_lock(self) -> None:
        """Send nothing while the PBX has locked us out: every login would make it longer."""
        if (left := locked_for(self.hass, self.config_entry.data[CONF_HOST])) is None:
            settle(self.hass, self.config_entry, Issue.LOCKED_OUT)
            return
        raise UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=PbxLockedError.kind,
            retry_after=left.total_seconds(),
        )

    async def _count_refusal(self, refusal: PbxRejectedError) -> None:
        """Act on the third refusal in a row that nobody can explain.

        OpenVox does not document its errnos, so that a dead token may go by any of them:
        it does if the PBX refuses everything else with it, too. A token that came from a
        login has been renewed by then.
        """
        if isinstance(refusal, PbxAuthError | PbxLockedError | PbxNotReadyError):
            return
        self._refusals += 1
        of_token = CONF_USERNAME not in self.config_entry.data and await self._refuses_all(refusal)
        self._token_refusals = self._token_refusals + 1 if of_token else 0
        if self._token_refusals >= _REFUSALS_THAT_COUNT:
            raise PbxAuthError(refusal.errno) from refusal
        if self._refusals >= _REFUSALS_THAT_COUNT and not of_token:
            report(
                self.hass,
                self.config_entry,
                Issue.UNKNOWN_REFUSAL,
                placeholders={"model": self.model} | error_placeholders(refusal),
            )

    async def _look_for_tls(self) -> None:
        """See, when trouble begins, if it is that the PBX speaks TLS by now and nothing else."""
        if self.config_entry.data[CONF_SSL] or not self.last_update_success:
            return
        if await async_fetch_certificate(self.hass, self.config_entry.data):
            self._report_outage(Issue.TLS_OFFERED)

    def _report_outage(self, issue: Issue) -> None:
        """Tell of trouble that lasts until a person does something about it."""
        report(
            self.hass,
            self.config_entry,
            issue,
            severity=IssueSeverity.ERROR,
            placeholders={"model": self.model},
        )

    async def _refuses_all(self, refusal: PbxRejectedError) -> bool:
        try:
            await self.client.query_device_info()
        except PbxRejectedError as err:
            return err.errno == refusal.errno
        return False

    async def _update_roster(
        self, mailboxes: Mapping[str, Mailbox]
    ) -> tuple[DeviceInfo, Mapping[str, Extension]]:
        """Return what the PBX tells about itself, and the extensions that we know of."""
        info, registered = self.data.info, dict[str, Extension]()
        if self._roster.is_due:
            info = await self._query_device_info() or info
            listed = await if_offered(self.client.query_extensions)
            self._roster.take(listed)
            if listed is None:
                registered = self._registered()
        # Read only now: a person may have removed an extension while the PBX was asked.
        return info, self._roster.merge(self.data.roster or registered, mailboxes.keys())

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
        model = (info and info.model) or self.model
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

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn the client's errors into Home Assistant's, and do what they ask for."""
        try:
            yield
        except PbxError as err:
            # The last error is kept in mind; the megabytes that it may have come from need not be.
            clear_frames(err.__traceback__)
            raise self._translate(err) from err

    def _translate(self, err: PbxError) -> HomeAssistantError:
        if isinstance(err, PbxAuthError):
            if isinstance(err, PbxLoginError):
                self._stop_logging_in()
            return ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key="invalid_auth")
        if isinstance(err, PbxLockedError):
            until = async_note_lock_out(self.hass, self.config_entry.data[CONF_HOST])
            report(
                self.hass,
                self.config_entry,
                Issue.LOCKED_OUT,
                data={"until": until.isoformat()},
                is_persistent=True,
                severity=IssueSeverity.ERROR,
                placeholders={"model": self.model},
            )
            return UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=err.kind,
                retry_after=LOCK_OUT.total_seconds(),
            )
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=err.kind,
            translation_placeholders=error_placeholders(err),
            retry_after=self._retry_after_of(err),
        )

    def _retry_after_of(self, err: PbxError) -> float | None:
        """Return when to poll again, in seconds, if that is sooner than usual."""
        if not isinstance(err, PbxNotReadyError) or self.update_interval is None:
            return None
        return min(err.retry_after, self.update_interval.total_seconds())

    def _remember_refusals(self) -> None:
        """Keep in mind how many logins were refused, over restarts too."""
        entry, refusals = self.config_entry, self.client.refusals
        if refusals != Refusals(**entry.data.get(CONF_REFUSALS, {})):
            data = {key: value for key, value in entry.data.items() if key != CONF_REFUSALS}
            if refusals.count:
                data[CONF_REFUSALS] = asdict(refusals)
            self.hass.config_entries.async_update_entry(entry, data=data)

    def _stop_logging_in(self) -> None:
        """Keep a password that was refused from being tried again, at restarts too."""
        entry = self.config_entry
        self.hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_REFUSED: True})


def extension_of(entry: ConfigEntry, device: dr.DeviceEntry) -> str | None:
    """Return the extension that a device of an entry stands for, None for the PBX itself."""
    prefix = f"{entry.unique_id}_"
    for domain, name in device.identifiers:
        if domain == DOMAIN and name.startswith(prefix):
            return name.removeprefix(prefix)
    return None
