"""What keeps a PBX from answering: who is told of it, and what is not tried meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from traceback import clear_frames
from typing import Any, Final

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry
from homeassistant.const import CONF_HOST, CONF_SSL, CONF_USERNAME, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.update_coordinator import UpdateFailed

from .config.client import async_fetch_certificate, error_placeholders
from .config.lock_out import LOCK_OUT, async_note_lock_out, locked_for
from .const import CONF_OLD_TLS, CONF_REFUSALS, CONF_REFUSED, DOMAIN
from .issues import Issue, report, settle
from .pbx import (
    PbxAuthError,
    PbxCertificateError,
    PbxClient,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxLoginError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxReplyError,
    Refusals,
)

_REFUSALS_THAT_COUNT: Final = 3


class Outages:
    """Turns a client's errors into Home Assistant's, repair issues and pauses."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, client: PbxClient) -> None:
        """Take the entry of a PBX that is being set up, and its client."""
        self.model = "PBX"
        """What to call the PBX in a text that does not give away where it is."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._refusals = 0
        self._token_refusals = 0

    def respect_lock(self) -> None:
        """Raise UpdateFailed while the PBX has locked us out: every login would make it longer."""
        if (left := locked_for(self._hass, self._entry.data[CONF_HOST])) is None:
            settle(self._hass, self._entry, Issue.LOCKED_OUT)
            return
        raise UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=PbxLockedError.kind,
            retry_after=left.total_seconds(),
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the client's errors into Home Assistant's, and do what they ask for."""
        try:
            yield
        except PbxError as err:
            # The last error is kept in mind; the megabytes that it may have come from need not be.
            clear_frames(err.__traceback__)
            raise self._translate(err) from err
        finally:
            self._remember_refusals()

    async def note(self, err: PbxError, *, is_new: bool) -> None:
        """Tell the owner what may last until they do something, after a poll that failed.

        `is_new` is whether the poll before was a good one.
        """
        match err:
            case PbxRejectedError():
                await self._count_refusal(err)
            case PbxCertificateError():
                self._report(Issue.CERTIFICATE_CHANGED)
            case PbxConnectionError() | PbxReplyError() if is_new:
                await self._look_for_tls()

    def note_answer(self) -> None:
        """Take back what was told, after a poll that went well."""
        if self._token_refusals >= _REFUSALS_THAT_COUNT:
            for flow in self._entry.async_get_active_flows(self._hass, {SOURCE_REAUTH}):
                self._hass.config_entries.flow.async_abort(flow["flow_id"])
        self._refusals = self._token_refusals = 0
        settle(
            self._hass,
            self._entry,
            Issue.CERTIFICATE_CHANGED,
            Issue.TLS_OFFERED,
            Issue.UNKNOWN_REFUSAL,
        )

    async def look_at_tls(self) -> None:
        """Point out TLS that does not protect as it should, for as long as it does not."""
        if self._entry.data[CONF_SSL] and not self._entry.data[CONF_VERIFY_SSL]:
            report(self._hass, self._entry, Issue.UNVERIFIED_TLS)
        else:
            settle(self._hass, self._entry, Issue.UNVERIFIED_TLS)
        if not self._entry.data.get(CONF_OLD_TLS):
            settle(self._hass, self._entry, Issue.OLD_TLS)
            return
        certificate = await async_fetch_certificate(self._hass, self._entry.data)
        if certificate is None or certificate.needs_old_tls:
            report(self._hass, self._entry, Issue.OLD_TLS)
            return
        settle(self._hass, self._entry, Issue.OLD_TLS)
        self._update_data(without=CONF_OLD_TLS)

    async def _count_refusal(self, refusal: PbxRejectedError) -> None:
        """Act on the third refusal in a row that nobody can explain.

        OpenVox does not document its errnos, so that a dead token may go by any of them:
        it does if the PBX refuses everything else with it, too. A token that came from a
        login has been renewed by then.
        """
        if isinstance(refusal, PbxAuthError | PbxLockedError | PbxNotReadyError):
            return
        self._refusals += 1
        of_token = CONF_USERNAME not in self._entry.data and await self._refuses_all(refusal)
        self._token_refusals = self._token_refusals + 1 if of_token else 0
        if self._token_refusals >= _REFUSALS_THAT_COUNT:
            # It is no proof, so the polls go on: a token that is asked for wrongly costs nothing.
            self._entry.async_start_reauth(self._hass)
        if self._refusals >= _REFUSALS_THAT_COUNT and not of_token:
            report(
                self._hass,
                self._entry,
                Issue.UNKNOWN_REFUSAL,
                placeholders={"model": self.model} | error_placeholders(refusal),
            )

    async def _look_for_tls(self) -> None:
        """See, when trouble begins, if it is that the PBX speaks TLS by now and nothing else."""
        if self._entry.data[CONF_SSL]:
            return
        if await async_fetch_certificate(self._hass, self._entry.data):
            self._report(Issue.TLS_OFFERED)

    def _report(self, issue: Issue) -> None:
        """Tell of trouble that lasts until a person does something about it."""
        report(
            self._hass,
            self._entry,
            issue,
            severity=IssueSeverity.ERROR,
            placeholders={"model": self.model},
        )

    async def _refuses_all(self, refusal: PbxRejectedError) -> bool:
        try:
            await self._client.query_device_info()
        except PbxRejectedError as err:
            return err.errno == refusal.errno
        return False

    def _translate(self, err: PbxError) -> HomeAssistantError:
        if isinstance(err, PbxAuthError):
            if isinstance(err, PbxLoginError):
                # Not at restarts either.
                self._update_data({CONF_REFUSED: True})
            return ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key="invalid_auth")
        if isinstance(err, PbxLockedError):
            until = async_note_lock_out(self._hass, self._entry.data[CONF_HOST])
            report(
                self._hass,
                self._entry,
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
            retry_after=err.retry_after if isinstance(err, PbxNotReadyError) else None,
        )

    def _remember_refusals(self) -> None:
        """Keep in mind how many logins were refused, over restarts too."""
        refusals = self._client.refusals
        if refusals == Refusals(**self._entry.data.get(CONF_REFUSALS, {})):
            return
        if refusals.count:
            self._update_data({CONF_REFUSALS: asdict(refusals)})
        else:
            self._update_data(without=CONF_REFUSALS)

    def _update_data(self, more: dict[str, Any] | None = None, without: str = "") -> None:
        data = {key: value for key, value in self._entry.data.items() if key != without}
        self._hass.config_entries.async_update_entry(self._entry, data=data | (more or {}))
