"""Where on a PBX a message is: the file name by which the API addresses it, for the moment.

The PBX reuses file names as soon as a message is deleted, so a place is good for the next
question, and for no longer.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import PbxGoneError, PbxUnclearError
from ..models import number_messages
from .reply import JsonObject, objects, text


@dataclass(frozen=True, slots=True)
class Place:
    """The file of a message and, where the API tells, whether that lies among the read ones.

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


def find_place(reply: JsonObject, extension: str, message_id: str, key: bytes) -> Place:
    """Read from a reply to `voicemail/query` where a message is.

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
    return Place(extension, *found, twins=identities[identity])


def _entries(reply: JsonObject, extension: str) -> Iterator[JsonObject]:
    for item in objects(reply.get("voicemails")):
        if text(item.get("extid")) == extension:
            yield from objects(item.get("voicemail"))
