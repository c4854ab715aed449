"""What a person is asked to mend: the repair issues of a PBX."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN


class Issue(StrEnum):
    """One kind of trouble; the value is its translation key, too."""

    CERTIFICATE_CHANGED = "certificate_changed"
    LOCKED_OUT = "locked_out"
    TLS_OFFERED = "tls_offered"
    UNKNOWN_REFUSAL = "unknown_refusal"
    UNVERIFIED_TLS = "unverified_tls"
    WRONG_CLOCK = "wrong_clock"
    WRONG_TIME_ZONE = "wrong_time_zone"


@callback
def report(
    hass: HomeAssistant,
    entry: ConfigEntry,
    issue: Issue,
    *,
    data: dict[str, str | int | float | None] | None = None,
    is_fixable: bool = False,
    is_persistent: bool = False,
    severity: ir.IssueSeverity = ir.IssueSeverity.WARNING,
    placeholders: Mapping[str, str] | None = None,
) -> None:
    """Tell of trouble with a PBX, or renew what was told of it."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, issue),
        data={"entry_id": entry.entry_id, **(data or {})},
        is_fixable=is_fixable,
        is_persistent=is_persistent,
        severity=severity,
        translation_key=issue,
        translation_placeholders=dict(placeholders) if placeholders else None,
    )


@callback
def settle(hass: HomeAssistant, entry: ConfigEntry, *issues: Issue) -> None:
    """Take back what was told."""
    for issue in issues:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, issue))


@callback
def locked_until(hass: HomeAssistant, entry: ConfigEntry) -> datetime | None:
    """Return when the PBX will listen to us again, None if it does.

    The issue itself is the memory: it outlives a restart, and so does the lock.
    """
    issue = ir.async_get(hass).async_get_issue(DOMAIN, _issue_id(entry, Issue.LOCKED_OUT))
    return datetime.fromisoformat(str(issue.data["until"])) if issue and issue.data else None


def _issue_id(entry: ConfigEntry, issue: Issue) -> str:
    return f"{issue}_{entry.entry_id}"
