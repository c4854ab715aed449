"""AMI, the text in which an Asterisk's manager answers: blocks of `Key: value` lines.

A blank line ends a block. Line ends are CR LF; a bare LF is part of a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ..errors import PbxReplyError

_END_OF_BLOCK: Final = b"\r\n\r\n"
_DENIED: Final = "Permission denied"
_UNKNOWN: Final = "Invalid/unknown command"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to one action: its own fields, and the blocks that follow, as they came."""

    fields: Mapping[str, str]
    blocks: Sequence[bytes]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a reply. Raises PbxReplyError if it is not the manager's."""
        if not body.startswith(b"Response: "):
            raise PbxReplyError("the answer is not that of Asterisk's manager")
        head, *blocks = body.split(_END_OF_BLOCK)
        return cls(read_block(head), blocks)

    @property
    def message(self) -> str:
        """What the manager says. A failed action may be a success that says otherwise here."""
        return self.fields.get("Message", "").strip()

    @property
    def is_error(self) -> bool:
        """Whether the action was not carried out."""
        return self.fields["Response"] == "Error"

    @property
    def is_denied(self) -> bool:
        """Whether the session is gone, or lacks the right: Asterisk says the same of both."""
        return self.is_error and self.message == _DENIED

    @property
    def is_unknown(self) -> bool:
        """Whether this Asterisk does not know the action."""
        return self.is_error and self.message.startswith(_UNKNOWN)

    def entries(self, event: str) -> Sequence[bytes]:
        """Return the blocks of a list, which are events of one name.

        Raises PbxReplyError unless the list is complete and as long as it says.
        """
        start, end = f"Event: {event}\r\n".encode(), f"Event: {event}Complete\r\n".encode()
        entries = [block for block in self.blocks if block.startswith(start)]
        fields = read_block(next((block for block in self.blocks if block.startswith(end)), b""))
        if fields.get("EventList") != "Complete" or fields.get("ListItems") != str(len(entries)):
            raise PbxReplyError("the answer is not a complete list")
        return entries


def read_block(block: bytes) -> dict[str, str]:
    """Return the fields of a block. Bytes that are not UTF-8 garble nothing but their value."""
    lines = block.decode(errors="replace").split("\r\n")
    return {key: value for key, _, value in (line.partition(": ") for line in lines)}
