"""What polls bring: the data of the last good one, and how each of the latest went."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
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
    """The data of the last good poll: mailboxes that have messages, and all extensions.

    `info` is what the PBX last said about itself.
    """

    mailboxes: Mapping[str, Mailbox]
    roster: Mapping[str, Extension]
    info: PbxInfo = field(default_factory=PbxInfo)

    def mailbox(self, extension: str) -> Mailbox:
        """Return an extension's mailbox, empty if the PBX did not mention it."""
        return self.mailboxes.get(extension) or Mailbox(extension)

    def find(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        found = (mailbox.find(message_id) for mailbox in self.mailboxes.values())
        return next(filter(None, found), None)

    def extensions_of(self, message_ids: Collection[str]) -> dict[str, str]:
        """Return whose messages these are, leaving out those that are not there."""
        if not (wanted := frozenset(message_ids)):
            return {}
        return {
            message_id: mailbox.extension
            for mailbox in self.mailboxes.values()
            for message_id in mailbox.ids & wanted
        }


@dataclass(frozen=True, slots=True)
class Poll:
    """How one poll went: how long it took, how large the reply was, and what was wrong."""

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
    """What polls a PBX, as far as the modules of this package need it."""

    hass: HomeAssistant
    config_entry: ConfigEntry
    data: PbxData
    renamed: Mapping[str, str]
    """The messages that the last good poll found under new ids: old id to new."""
    answered: datetime | None
    """When the PBX last gave a good answer."""

    @property
    def update_interval(self) -> timedelta | None:
        """How often the PBX is polled."""

    def async_update_listeners(self) -> None:
        """Tell the listeners that something has changed."""

    async def async_request_refresh(self) -> None:
        """Poll soon."""

    async def async_get_recording(self, message: Message) -> bytes:
        """Get a recording from the PBX. Raises HomeAssistantError."""

    async def async_tell_read(self, message: Message) -> None:
        """Tell the PBX that a message was heard. Raises HomeAssistantError."""

    def async_apply_marks(self) -> None:
        """Show messages as they are marked by now."""
