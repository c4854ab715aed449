"""Repair issues of a PBX."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .pbx import ClockFault


class Issue(StrEnum):
    """The kinds of issues. The values are the translation keys, except those of `SETUP_ISSUES`."""

    ANOTHER_PBX = "another_pbx"
    BLOCKED = "blocked"
    CERTIFICATE_CHANGED = "certificate_changed"
    LOCKED_OUT = "locked_out"
    OLD_TLS = "old_tls"
    TLS_OFFERED = "tls_offered"
    UNKNOWN_REFUSAL = "unknown_refusal"
    UNVERIFIED_TLS = "unverified_tls"
    WRONG_CLOCK = "wrong_clock"
    WRONG_TIME_ZONE = "wrong_time_zone"
    SETUP_FOR_POLLS = "setup_for_polls"
    SETUP_FOR_RECORDINGS = "setup_for_recordings"
    SETUP_FOR_CHANGES = "setup_for_changes"
    SETUP_FOR_MAILBOX = "setup_for_mailbox"


SETUP_ISSUES: Final = frozenset(
    {
        Issue.SETUP_FOR_POLLS,
        Issue.SETUP_FOR_RECORDINGS,
        Issue.SETUP_FOR_CHANGES,
        Issue.SETUP_FOR_MAILBOX,
    }
)
"""What the owner has to set up on the PBX, by what does not work until then.

Their translation keys are the kinds of PbxSetupError.
"""


@callback
def async_create_issue(
    hass: HomeAssistant,
    entry: ConfigEntry,
    issue: Issue,
    *,
    data: dict[str, str | int | float | None] | None = None,
    is_fixable: bool = False,
    is_persistent: bool = False,
    severity: ir.IssueSeverity = ir.IssueSeverity.WARNING,
    translation_key: str | None = None,
    placeholders: Mapping[str, str] | None = None,
) -> None:
    """Create a repair issue of a PBX, or update it."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, issue),
        data={"entry_id": entry.entry_id, **(data or {})},
        is_fixable=is_fixable,
        is_persistent=is_persistent,
        severity=severity,
        translation_key=translation_key or issue,
        translation_placeholders=dict(placeholders) if placeholders else None,
    )


@callback
def async_update_clock_issues(
    hass: HomeAssistant, entry: ConfigEntry, fault: ClockFault | None, *, model: str
) -> None:
    """Create the issue for a fault of the PBX's clock, and delete the others."""
    issues = {Issue.WRONG_CLOCK, Issue.WRONG_TIME_ZONE}
    if fault:
        is_zone = fault.offset is not None
        issue = Issue.WRONG_TIME_ZONE if is_zone else Issue.WRONG_CLOCK
        issues.remove(issue)
        async_create_issue(
            hass,
            entry,
            issue,
            data={"offset": fault.offset.total_seconds()} if fault.offset is not None else None,
            is_fixable=is_zone,
            placeholders={
                "model": model,
                "difference": _hours_and_minutes(fault.ahead),
                "time_zone": fault.time_zone,
            },
        )
    async_delete_issues(hass, entry, *issues)


@callback
def async_delete_issues(hass: HomeAssistant, entry: ConfigEntry, *issues: Issue) -> None:
    """Delete repair issues of a PBX, if they exist."""
    for issue in issues:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, issue))


@callback
def issue_data(
    hass: HomeAssistant, entry: ConfigEntry, issue: Issue
) -> Mapping[str, str | int | float | None] | None:
    """Return the data of a repair issue, None if it does not exist."""
    found = ir.async_get(hass).async_get_issue(DOMAIN, _issue_id(entry, issue))
    return found.data if found else None


def _issue_id(entry: ConfigEntry, issue: Issue) -> str:
    return f"{issue}_{entry.entry_id}"


def _hours_and_minutes(span: timedelta) -> str:
    """Return a time span as `+1:30` or `-0:07`."""
    minutes = round(abs(span) / timedelta(minutes=1))
    return f"{'-' if span < timedelta() else '+'}{minutes // 60}:{minutes % 60:02}"
