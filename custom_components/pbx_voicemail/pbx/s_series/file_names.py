"""Finds the file name by which the API currently addresses a message.

The PBX reuses file names as soon as a message is deleted, so a file name is only valid for the
next request.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import PbxGoneError, PbxUnclearError
from ..json_values import JsonObject, as_text
from .mailboxes import number_messages
from .reply import as_objects


@dataclass(frozen=True, slots=True)
class FileName:
    """The file name of a message and, if the API says it, the folder: read or unread.

    `twins` is how many messages have the same caller, date and duration. They are told apart by
    their order, so when one of them is deleted, another one gets its id.
    """

    extension: str
    file: str
    status: str
    twins: int

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of a request for the message. Only Yeastar has and needs a status."""
        status = {"voicemailstatus": self.status} if self.status else {}
        return {"extid": self.extension, "voicemailfile": self.file} | status


def find_file_name(reply: JsonObject, extension: str, message_id: str, key: bytes) -> FileName:
    """Find the file name of a message in a reply to `voicemail/query`.

    Raises PbxGoneError if the message is not there, and PbxUnclearError if another message has
    the same file name: Asterisk numbers the files of each folder separately.
    """
    files = []
    found = identity = None
    identities: Counter[tuple[str, ...]] = Counter()
    for numbered in number_messages(extension, _entries(reply, extension), key):
        file = (
            as_text(numbered.entry.get("voicemailfile")),
            as_text(numbered.entry.get("voicemailstatus")),
        )
        files.append(file)
        identities[numbered.identity] += 1
        if numbered.id == message_id:
            found, identity = file, numbered.identity
    if found is None or identity is None:
        raise PbxGoneError("the message is no longer on the PBX")
    if not found[0]:
        raise PbxUnclearError("the message has no file name")
    if files.count(found) > 1:
        raise PbxUnclearError("two messages have the same file name")
    return FileName(extension, *found, twins=identities[identity])


def _entries(reply: JsonObject, extension: str) -> Iterator[JsonObject]:
    for item in as_objects(reply.get("voicemails")):
        if as_text(item.get("extid")) == extension:
            yield from as_objects(item.get("voicemail"))
