"""What polls bring: the data of the last good one, and how each of the latest went."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..pbx import DeviceInfo, Extension, Mailbox, Message


@dataclass(frozen=True, slots=True)
class PbxData:
    """What the last good poll told: mailboxes that have messages, and all extensions.

    `info` is what the PBX last told about itself, but for the time.
    """

    mailboxes: Mapping[str, Mailbox]
    roster: Mapping[str, Extension]
    info: DeviceInfo = field(default_factory=DeviceInfo)

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
