"""One poll for the whole PBX, and the roster: the extensions we know."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
import logging
from time import monotonic
from traceback import clear_frames
from typing import TYPE_CHECKING, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_SCAN_INTERVAL, CONF_SSL, CONF_USERNAME, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .arrivals import Arrivals
from .clock import find_fault, hours_and_minutes
from .connection import create_client, error_placeholders, if_offered
from .const import CONF_DIALECT, CONF_EXTENSIONS, CONF_REFUSED, DEFAULT_SCAN_INTERVAL, DOMAIN
from .issues import Issue, locked_until, report, settle
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
    PbxRejectedError,
    PbxReplyError,
)
from .polled import PbxData, Poll

_LOGGER = logging.getLogger(__name__)

_ROSTER_SECONDS: Final = 60 * 60
_LOCKED_FOR: Final = timedelta(minutes=10)
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
        self.chosen: tuple[str, ...] = tuple(entry.options.get(CONF_EXTENSIONS, ()))
        self.data = PbxData({}, {})
        self.client = create_client(hass, entry.data, zone)
        self.arrivals = Arrivals(hass, entry.entry_id, self.chosen)
        self.device_info = DeviceInfo()
        self.polls: deque[Poll] = deque(maxlen=20)
        self.answered: datetime | None = None
        """When the PBX last gave a good answer."""
        self._zone = zone
        self._listed: Mapping[str, Extension] = {}
        self._list_due = 0.0
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
        known = {**self.data.roster, **self._listed}
        return [known[number] for number in sorted(known)]

    def extension_of(self, device: dr.DeviceEntry) -> str | None:
        """Return the extension that a device stands for, None for the PBX itself."""
        prefix = self.unique_id("")
        for domain, name in device.identifiers:
            if domain == DOMAIN and name.startswith(prefix):
                return name.removeprefix(prefix)
        return None

    def device_of(self, *extension: str) -> dr.DeviceEntry | None:
        """Return the device that stands for an extension or, without one, for the PBX."""
        return dr.async_get(self.hass).async_get_device_by_identifier(
            (DOMAIN, self.unique_id(*extension)), self.config_entry.entry_id
        )

    @callback
    def forget(self, extension: str) -> bool:
        """Drop an extension from the roster, unless the PBX still has it."""
        if extension in self._listed or extension in self.data.mailboxes:
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
        if entry.data[CONF_SSL] and not entry.data[CONF_VERIFY_SSL]:
            report(self.hass, entry, Issue.UNVERIFIED_TLS)
        else:
            settle(self.hass, entry, Issue.UNVERIFIED_TLS)

    @override
    async def _async_update_data(self) -> PbxData:
        self._respect_lock()
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
            roster = await self._update_roster(mailboxes)
        self._remember_dialect()
        self.answered = dt_util.utcnow()
        return PbxData(mailboxes, roster)

    def _respect_lock(self) -> None:
        """Send nothing while the PBX has locked us out: every login would make it longer."""
        if (until := locked_until(self.hass, self.config_entry)) is None:
            return
        if (left := until - dt_util.utcnow()) <= timedelta():
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
        if isinstance(refusal, PbxAuthError | PbxLockedError):
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
        if await self.client.fetch_fingerprint():
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

    async def _update_roster(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Extension]:
        """Return the extensions that are chosen or, without a choice, all that we know of.

        Those are the ones listed by the PBX, seen with messages, or known before.
        """
        known = self.data.roster
        if monotonic() >= self._list_due:
            await self._update_device_info()
            listed = await if_offered(self.client.query_extensions)
            self._list_due = monotonic() + _ROSTER_SECONDS
            if listed is not None:
                gone = self._listed.keys() - {extension.number for extension in listed}
                self._listed = {extension.number: extension for extension in listed}
                known = {number: known[number] for number in known.keys() - gone}
            elif not known:
                known = self._registered()
        if self.chosen:
            return {number: self._listed.get(number) or Extension(number) for number in self.chosen}
        if mailboxes.keys() <= known.keys() and self._listed.items() <= known.items():
            return known
        return {**known, **{number: Extension(number) for number in mailboxes}, **self._listed}

    def _registered(self) -> Mapping[str, Extension]:
        """Return the extensions of earlier runs, where the PBX has no list of them."""
        devices = dr.async_entries_for_config_entry(
            dr.async_get(self.hass), self.config_entry.entry_id
        )
        numbers = filter(None, map(self.extension_of, devices))
        return {number: Extension(number) for number in numbers}

    async def _update_device_info(self) -> None:
        """Ask the PBX about itself, and see whether its clock is to be trusted."""
        self.device_info = await if_offered(self.client.query_device_info) or self.device_info
        fault = None
        if shown := self.device_info.system_time:
            fault = find_fault(shown, self._zone, dt_util.utcnow())
        if fault is None:
            settle(self.hass, self.config_entry, Issue.WRONG_CLOCK, Issue.WRONG_TIME_ZONE)
            return
        is_zone = fault.offset is not None
        told = Issue.WRONG_TIME_ZONE if is_zone else Issue.WRONG_CLOCK
        untold = Issue.WRONG_CLOCK if is_zone else Issue.WRONG_TIME_ZONE
        settle(self.hass, self.config_entry, untold)
        report(
            self.hass,
            self.config_entry,
            told,
            data={"offset": fault.offset.total_seconds()} if fault.offset is not None else None,
            is_fixable=is_zone,
            placeholders={
                "model": self.model,
                "difference": hours_and_minutes(fault.ahead),
                "time_zone": str(self._zone),
            },
        )

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
            until = dt_util.utcnow() + _LOCKED_FOR
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
                retry_after=_LOCKED_FOR.total_seconds(),
            )
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=err.kind,
            translation_placeholders=error_placeholders(err),
        )

    def _stop_logging_in(self) -> None:
        """Keep a password that was refused from being tried again, at restarts too."""
        entry = self.config_entry
        self.hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_REFUSED: True})
