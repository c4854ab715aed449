"""The recordings of messages: files that the web server gives out to whoever is signed in.

The files of a folder are numbered in the order of the summary, and renumbered at once when a
message goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import re
from typing import Final

from ..errors import PbxReplyError, PbxUnclearError
from ..http import MAX_RECORDING_BYTES
from ..models import Message
from .errors import (
    AsteriskSetupError,
    RecordingFormatError,
    RecordingsNotLinkedError,
    StaticContentOffError,
)
from .mailbox_list import Place
from .messages import Messages
from .session import Session
from .summary import Entry
from .web_server import MAX_SHORT_BYTES

_SUFFIXES: Final = (".wav", ".WAV", ".gsm")
"""In the order of their quality. Asterisk may keep one message in several formats."""

_TRIES: Final = 5
"""How often a recording is downloaded while Asterisk keeps renumbering."""

_UNREADABLE: Final = 3
"""Behind so many files that a summary leaves out, since it cannot read them, messages are found."""

_ID: Final = re.compile(rb"^msg_id\s*=>?\s*(\S+)\s*$", re.MULTILINE)
_FOLDER: Final = "private/voicemail"


@dataclass(frozen=True, slots=True)
class _Files:
    """What was found of a message: its audio, or only that its description is there."""

    audio: bytes | None = None
    is_described: bool = False


class Recordings:
    """Downloads recordings."""

    def __init__(self, session: Session, messages: Messages) -> None:
        """Take where to ask."""
        self._session = session
        self._messages = messages

    async def download(self, message: Message) -> bytes:
        """Return the audio of a message as Asterisk keeps it.

        It is the message's if its description was beside it before and after, and if the next
        summary has the message in the same place. Asterisk locks the folder for a summary, so
        renumbering, which moves audio and description one after the other, has ended by then.

        Raises PbxGoneError if the message is gone, PbxUnclearError if it cannot be told apart,
        and AsteriskSetupError if the web server does not give out recordings.
        """
        summary, (entry, *_) = await self._messages.find(message)
        for _ in range(_TRIES):
            if not entry.id:
                raise PbxUnclearError("the PBX has no id for the message")
            files = await self._download(summary.place, entry)
            before = entry
            summary, (entry, *_) = await self._messages.find(message)
            if entry != before or files is None:
                continue
            if files.audio is not None:
                return files.audio
            raise RecordingFormatError if files.is_described else await self._missing_error()
        raise PbxUnclearError("the PBX keeps renaming the message")

    async def _download(self, place: Place, entry: Entry) -> _Files | None:
        """Return what is found of an entry, None if other messages are in its place."""
        is_empty = True
        for path in _paths(place, entry):
            description = await self._get(f"{path}.txt")
            is_empty &= description is None
            if description is None or _read_id(description) != entry.id:
                continue
            for suffix in _SUFFIXES:
                audio = await self._get(f"{path}{suffix}", MAX_RECORDING_BYTES)
                if audio is not None:
                    again = await self._get(f"{path}.txt")
                    return _Files(audio) if again == description else None
            return _Files(is_described=True)
        return _Files() if is_empty else None

    async def _get(self, path: str, max_bytes: int = MAX_SHORT_BYTES) -> bytes | None:
        """Return a file below `static`, None if it is not given out."""
        response = await self._session.download(path, max_bytes)
        if response.status in (403, 404):
            return None
        if response.status != 200:
            raise PbxReplyError(f"the answer is HTTP {response.status}")
        return response.body

    async def _missing_error(self) -> AsteriskSetupError:
        """Return why no file is given out. Without a path, a server of files says 403."""
        response = await self._session.download("", MAX_SHORT_BYTES)
        return RecordingsNotLinkedError() if response.status == 403 else StaticContentOffError()


def _paths(place: Place, entry: Entry) -> Iterator[str]:
    """Return where the files of an entry may be, without their suffixes, the likely first."""
    folder = f"{_FOLDER}/{place.context}/{place.number}/{entry.folder}"
    for number in range(entry.index, entry.index + 1 + _UNREADABLE):
        yield f"{folder}/msg{number:04}"


def _read_id(description: bytes) -> str | None:
    """Return Asterisk's id of a message from its description."""
    ids = _ID.findall(description)
    return ids[-1].decode(errors="replace") if ids else None
