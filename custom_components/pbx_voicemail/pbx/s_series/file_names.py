"""The file name by which the API addresses a message at the moment.

The PBX reuses file names as soon as a message is deleted, so a name is good for the next
request, and for no longer.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import PbxGoneError, PbxUnclearError
from .mailboxes import number_messages
from .reply import JsonObject, objects, text


@dataclass(frozen=True, slots=True)
class FileName:
    """The file of a message and, where the API says, the folder: read or unread.

    `twins` is how many messages have the same caller, second and length. Which of them
    is which follows from their order alone: when one goes, another takes its id.
    """

    extension: str
    file: str
    status: str
    twins: int

    @property
    def parameters(self) -> dict[str, str]:
        """What addresses the message in a request (Yeastar wants the status, OpenVox has none)."""
        status = {"voicemailstatus": self.status} if self.status else {}
        return {"extid": self.extension, "voicemailfile": self.file} | status


def find_file_name(reply: JsonObject, extension: str, message_id: str, key: bytes) -> FileName:
    """Read the file name of a message from a reply to `voicemail/query`.

    Raises PbxGoneError if it is not there, and PbxUnclearError if nothing addresses it
    alone: Asterisk numbers the files of each folder by themselves.
    """
    places = []
    found = identity = None
    identities: Counter[tuple[str, ...]] = Counter()
    for numbered in number_messages(extension, _entries(reply, extension), key):
        place = (
            text(numbered.entry.get("voicemailfile")),
            text(numbered.entry.get("voicemailstatus")),
        )
        places.append(place)
        identities[numbered.identity] += 1
        if numbered.id == message_id:
            found, identity = place, numbered.identity
    if found is None or identity is None:
        raise PbxGoneError("the message is no longer on the PBX")
    if not found[0]:
        raise PbxUnclearError("the message has no file name")
    if places.count(found) > 1:
        raise PbxUnclearError("two messages have the same file name")
    return FileName(extension, *found, twins=identities[identity])


def _entries(reply: JsonObject, extension: str) -> Iterator[JsonObject]:
    for item in objects(reply.get("voicemails")):
        if text(item.get("extid")) == extension:
            yield from objects(item.get("voicemail"))
