"""A real Asterisk for the tests here."""

from .fixtures import (
    asterisk,
    asterisk_program,
    client,
    mailbox,
    make_client,
    put,
    requests,
    running_asterisk,
    session,
    unused_mailboxes,
)

__all__ = [
    "asterisk",
    "asterisk_program",
    "client",
    "mailbox",
    "make_client",
    "put",
    "requests",
    "running_asterisk",
    "session",
    "unused_mailboxes",
]
