"""What keeps a PBX from answering: Home Assistant's errors for it, repair issues and pauses.

A poll ends in one of three ways besides success: we are signed out, and a person has to
answer; we are locked out, for so long or until somebody lifts it; or it failed, and is tried
again.
"""

from collections.abc import Collection, Iterator, Mapping, Set as AbstractSet
from contextlib import contextmanager
import logging
from traceback import clear_frames
from typing import Any, Final

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry
from homeassistant.const import CONF_HOST, CONF_SSL, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.update_coordinator import UpdateFailed

from .config.client import async_fetch_certificate
from .config.lock_out import async_note_lock_out, locked_for
from .const import CONF_OLD_TLS, CONF_REFUSED
from .errors import client_error, translated_error
from .identifiers import device_of
from .issues import Issue, async_create_issue, async_delete_issues, async_update_clock_issues
from .pbx import (
    PbxAuthError,
    PbxCertificateError,
    PbxConnectionError,
    PbxError,
    PbxInfo,
    PbxLockedError,
    PbxLoginError,
    PbxRejectedError,
    PbxReplyError,
    PbxSetupError,
)

_LOGGER = logging.getLogger(__name__)

_PERSISTENT: Final = {
    Issue.LOCKED_OUT,
    Issue.SETUP_FOR_CHANGES,
    Issue.SETUP_FOR_RECORDINGS,
}
"""What no poll would find out again after a restart."""

_BLOCKED_SECONDS: Final = 60 * 60
"""How often a lock-out is tested that lasts until somebody lifts it."""

_ANOTHER_PBX_SECONDS: Final = 15 * 60
"""How long another PBX in the place of ours is left alone: each request shows it the token."""


class Outages:
    """Knows what the owner of a PBX was told about its failures."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Take the entry of a PBX that is being set up."""
        self.model = "PBX"
        """What to call the PBX in a text that must not show where it is."""
        self._hass = hass
        self._entry = entry
        self._doubts_credentials = False
        self._unreadable: AbstractSet[str] = frozenset()

    @callback
    def raise_if_signed_out(self) -> None:
        """Raise ConfigEntryAuthFailed if the credentials were refused for good."""
        if self._entry.data.get(CONF_REFUSED):
            raise translated_error(ConfigEntryAuthFailed, PbxAuthError.kind)

    @callback
    def raise_if_locked_out(self) -> None:
        """Raise UpdateFailed while the PBX has locked us out: every login would extend it."""
        if (left := locked_for(self._hass, self._entry.data[CONF_HOST])) is None:
            async_delete_issues(self._hass, self._entry, Issue.LOCKED_OUT)
            return
        error = translated_error(UpdateFailed, PbxLockedError.kind)
        error.retry_after = left.total_seconds()
        raise error

    @contextmanager
    def errors_as_ha(self, setup_issue: Issue) -> Iterator[None]:
        """Turn the client's errors into Home Assistant's, and act on them.

        `setup_issue` is which one of `SETUP_ISSUES` shows that the PBX is not set up for what is
        tried. It is deleted as soon as that succeeds.
        """
        try:
            yield
        except PbxSetupError as err:
            self._create_issue(setup_issue, translation_key=err.kind, placeholders=err.placeholders)
            raise client_error(UpdateFailed, err) from err
        except PbxError as err:
            # The last error is kept; the megabytes that it may have come from need not be.
            clear_frames(err.__traceback__)
            raise self._act_on(err) from err
        else:
            async_delete_issues(self._hass, self._entry, setup_issue)

    async def note_failure(self, err: PbxError, *, is_new: bool) -> None:
        """Tell the owner of what may last until they act, after a poll that failed.

        `is_new` is whether the poll before succeeded.
        """
        match err:
            case PbxAuthError():
                self._doubts_credentials |= not err.is_certain
            case PbxRejectedError(is_lasting=True):
                self._create_issue(
                    Issue.UNKNOWN_REFUSAL, IssueSeverity.WARNING, placeholders=err.placeholders
                )
            case PbxCertificateError():
                self._create_issue(Issue.CERTIFICATE_CHANGED)
            case PbxConnectionError() | PbxReplyError() if is_new:
                await self._check_if_tls_is_offered()

    @callback
    def note_success(self) -> None:
        """Withdraw what the owner was told, after a poll that succeeded."""
        if self._doubts_credentials:
            for flow in self._entry.async_get_active_flows(self._hass, {SOURCE_REAUTH}):
                self._hass.config_entries.flow.async_abort(flow["flow_id"])
        self._doubts_credentials = False
        async_delete_issues(
            self._hass,
            self._entry,
            Issue.BLOCKED,
            Issue.CERTIFICATE_CHANGED,
            Issue.TLS_OFFERED,
            Issue.UNKNOWN_REFUSAL,
        )

    @callback
    def note_unreadable(
        self, errors: Mapping[str, PbxError], setup_errors: Collection[PbxSetupError]
    ) -> None:
        """Tell the owner, after a poll that succeeded, of mailboxes that could not be read.

        `setup_errors` are what the owner has to do about it.
        """
        if errors.keys() != self._unreadable:
            self._unreadable = errors.keys()
            reasons = ", ".join(sorted({str(err) for err in errors.values()}))
            if errors:
                _LOGGER.warning("Mailboxes that cannot be read: %d (%s)", len(errors), reasons)
            else:
                _LOGGER.info("All mailboxes can be read again")
        if err := next(iter(setup_errors), None):
            self._create_issue(
                Issue.SETUP_FOR_MAILBOX, translation_key=err.kind, placeholders=err.placeholders
            )
        else:
            async_delete_issues(self._hass, self._entry, Issue.SETUP_FOR_MAILBOX)

    @callback
    def check_identity(self, info: PbxInfo) -> None:
        """Check that it is still the PBX that was set up, and that its clock is right.

        Raises UpdateFailed if its serial number is another one's.
        """
        hub = device_of(self._hass, self._entry)
        known = hub.serial_number if hub else None
        if known and info.serial_number not in (None, known):
            async_create_issue(
                self._hass, self._entry, Issue.ANOTHER_PBX, severity=IssueSeverity.ERROR
            )
            error = translated_error(UpdateFailed, "wrong_pbx")
            error.retry_after = _ANOTHER_PBX_SECONDS
            raise error
        async_delete_issues(self._hass, self._entry, Issue.ANOTHER_PBX)
        self.model = info.model or self.model
        async_update_clock_issues(self._hass, self._entry, info.clock_fault, model=self.model)

    async def check_tls(self) -> None:
        """Point out TLS that does not protect as it should, for as long as it does not."""
        if self._entry.data[CONF_SSL] and not self._entry.data[CONF_VERIFY_SSL]:
            async_create_issue(self._hass, self._entry, Issue.UNVERIFIED_TLS)
        else:
            async_delete_issues(self._hass, self._entry, Issue.UNVERIFIED_TLS)
        if not self._entry.data.get(CONF_OLD_TLS):
            async_delete_issues(self._hass, self._entry, Issue.OLD_TLS)
            return
        certificate = await async_fetch_certificate(self._hass, self._entry.data)
        if certificate is None or certificate.needs_old_tls:
            async_create_issue(self._hass, self._entry, Issue.OLD_TLS)
            return
        async_delete_issues(self._hass, self._entry, Issue.OLD_TLS)
        data = {key: value for key, value in self._entry.data.items() if key != CONF_OLD_TLS}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    async def _check_if_tls_is_offered(self) -> None:
        """Find out, when trouble begins, if the PBX speaks TLS by now and nothing else."""
        if self._entry.data[CONF_SSL]:
            return
        if await async_fetch_certificate(self._hass, self._entry.data):
            self._create_issue(Issue.TLS_OFFERED)

    @callback
    def _create_issue(
        self,
        issue: Issue,
        severity: IssueSeverity = IssueSeverity.ERROR,
        *,
        data: dict[str, str | int | float | None] | None = None,
        translation_key: str | None = None,
        placeholders: Mapping[str, str] | None = None,
    ) -> None:
        async_create_issue(
            self._hass,
            self._entry,
            issue,
            data=data,
            is_persistent=issue in _PERSISTENT,
            severity=severity,
            translation_key=translation_key,
            placeholders={"model": self.model, **(placeholders or {})},
        )

    @callback
    def _act_on(self, err: PbxError) -> HomeAssistantError:
        """Return the error of Home Assistant's, having done what it asks for."""
        match err:
            case PbxLoginError():
                self._remember_refusal()
                return client_error(ConfigEntryAuthFailed, err)
            case PbxAuthError(is_certain=True):
                return translated_error(ConfigEntryAuthFailed, PbxAuthError.kind)
            case PbxAuthError():
                # Polling goes on: a token that is refused costs nothing.
                self._entry.async_start_reauth(self._hass)
            case PbxLockedError():
                self._note_lock_out(err)
        error = client_error(UpdateFailed, err)
        error.retry_after = err.retry_after
        return error

    @callback
    def _remember_refusal(self) -> None:
        """Have nothing tried again, after a restart either, until a person answers."""
        data: dict[str, Any] = {**self._entry.data, CONF_REFUSED: True}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    @callback
    def _note_lock_out(self, err: PbxLockedError) -> None:
        if err.retry_after is None:
            err.retry_after = _BLOCKED_SECONDS
            self._create_issue(Issue.BLOCKED)
            return
        lock_out = async_note_lock_out(self._hass, self._entry.data[CONF_HOST], err.retry_after)
        err.retry_after = lock_out.length.total_seconds()
        self._create_issue(Issue.LOCKED_OUT, data=lock_out.as_issue_data())
