"""The data that the coordinator provides, and what it keeps about the latest polls."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.update_coordinator import BaseDataUpdateCoordinatorProtocol

from ..pbx import Extension, Mailbox, Message, PbxClient, PbxError, PbxInfo, PbxRejectedError


@dataclass(frozen=True, slots=True)
class PbxData:
    """The data of the last successful poll.

    `mailboxes` are those that have messages, `roster` all known extensions, and `info` is what
    the PBX last said about itself. What is in the mailboxes of `unreadable` is not known.
    """

    mailboxes: Mapping[str, Mailbox]
    roster: Mapping[str, Extension]
    info: PbxInfo = field(default_factory=PbxInfo)
    unreadable: AbstractSet[str] = frozenset()

    def mailbox(self, extension: str) -> Mailbox:
        """Return the mailbox of an extension, an empty one if it has no messages."""
        return self.mailboxes.get(extension) or Mailbox(extension)

    def find(self, message_id: str) -> Message | None:
        """Return the message with an id, None if there is none."""
        found = (mailbox.find(message_id) for mailbox in self.mailboxes.values())
        return next(filter(None, found), None)

    def extensions_of(self, message_ids: Collection[str]) -> dict[str, str]:
        """Return the extensions of messages by message id, without messages that are gone."""
        if not (wanted := frozenset(message_ids)):
            return {}
        return {
            message_id: mailbox.extension
            for mailbox in self.mailboxes.values()
            for message_id in mailbox.ids & wanted
        }


@dataclass(frozen=True, slots=True)
class Poll:
    """The duration of a poll, the size of the reply, and the error if it failed."""

    seconds: float
    reply_bytes: int
    error: str | None
    errno: str | None


class PollLog:
    """How the latest polls went, for diagnostics."""

    def __init__(self) -> None:
        """Start with no polls."""
        self.polls: deque[Poll] = deque(maxlen=20)

    @contextmanager
    def recording(self, client: PbxClient) -> Iterator[None]:
        """Record how the poll that runs inside goes."""
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
                    reply_bytes=client.reply_bytes,
                    error=error.kind if error else None,
                    errno=error.errno if isinstance(error, PbxRejectedError) else None,
                )
            )


class MessageSource(BaseDataUpdateCoordinatorProtocol, Protocol):
    """The part of the coordinator that the modules of this package use."""

    hass: HomeAssistant
    config_entry: ConfigEntry
    data: PbxData
    renamed: Mapping[str, str]
    """The messages that have new ids since the last successful poll, old id to new."""
    last_update_success_time: datetime | None
    """When the last successful poll was."""

    @property
    def update_interval(self) -> timedelta | None:
        """The time between polls."""

    def async_update_listeners(self) -> None:
        """Notify all listeners."""

    async def async_request_refresh(self) -> None:
        """Poll soon."""

    def async_apply_marks(self) -> None:
        """Show messages as they are marked by now."""
