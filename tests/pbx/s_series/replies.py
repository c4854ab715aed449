"""Helper for tests that parse a single reply."""

from datetime import tzinfo

from custom_components.pbx_voicemail.pbx import Mailbox
from custom_components.pbx_voicemail.pbx.json_values import JsonObject
from custom_components.pbx_voicemail.pbx.s_series import mailboxes


def read_mailboxes(reply: JsonObject, zone: tzinfo, key: bytes = b"") -> dict[str, Mailbox]:
    """Return the mailboxes in a reply, by extension."""
    read = mailboxes.read_mailboxes(reply, zone, {}, key)
    return {number: one.mailbox for number, one in read.items()}
