"""Diagnostics that users can attach to a public report.

They contain settings and counts only: no secret, no address, and nothing about callers.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import (
    CONF_SCAN_INTERVAL,
    CONF_SSL,
    CONF_TIME_ZONE,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.core import HomeAssistant

from .const import (
    CONF_API,
    CONF_CREDENTIALS,
    CONF_EXTENSIONS,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_OLD_TLS,
    DEFAULT_SCAN_INTERVAL,
)
from .coordinator import PbxConfigEntry
from .pbx import Mailbox
from .voicemail.data import Poll


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: PbxConfigEntry
) -> dict[str, Any]:
    """Return settings and, if the entry is loaded, facts about the PBX and the latest polls."""
    settings = {
        "api": entry.data[CONF_API],
        "tls": entry.data[CONF_SSL],
        "verify_ssl": entry.data[CONF_VERIFY_SSL],
        "pinned": CONF_FINGERPRINT in entry.data,
        "old_tls": CONF_OLD_TLS in entry.data,
        "signs_in": CONF_USERNAME in entry.data[CONF_CREDENTIALS],
        "scan_interval": entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL),
        "time_zone": entry.options.get(CONF_TIME_ZONE),
        "chosen_extensions": len(entry.options.get(CONF_EXTENSIONS, ())),
    }
    if entry.state is not ConfigEntryState.LOADED:
        return {
            "state": entry.state.value,
            "reason": entry.error_reason_translation_key,
            "settings": settings,
        }
    coordinator = entry.runtime_data
    mailboxes = coordinator.data.mailboxes.values()
    # In a thread, since tens of thousands of messages would block the event loop.
    without_date = await hass.async_add_executor_job(_count_without_date, mailboxes)
    return {
        "pbx": {
            "family": entry.data[CONF_FAMILY],
            **coordinator.client.describe(),
            "model": coordinator.data.info.model,
            "hardware_version": coordinator.data.info.hardware_version,
            "firmware_version": coordinator.data.info.firmware_version,
        },
        "settings": settings,
        "counts": {
            "extensions": len(coordinator.data.roster),
            "mailboxes_with_messages": len(coordinator.data.mailboxes),
            "messages": sorted(mailbox.count for mailbox in mailboxes),
            "messages_without_date": without_date,
        },
        "recordings": {
            "kept": len(coordinator.recordings.extensions),
            "codecs": dict(coordinator.recordings.codecs),
            "not_converted": coordinator.recordings.unplayable,
        },
        "transcripts": {
            "before_announcing": coordinator.transcripts.transcribes_arrivals,
            "kept": len(coordinator.transcripts.extensions),
        },
        "last_polls": [_poll_as_dict(poll) for poll in coordinator.log.polls],
    }


def _count_without_date(mailboxes: Iterable[Mailbox]) -> int:
    return sum(message.received is None for mailbox in mailboxes for message in mailbox.messages)


def _poll_as_dict(poll: Poll) -> dict[str, Any]:
    return asdict(poll) | {"seconds": round(poll.seconds, 3)}
