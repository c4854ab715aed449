"""A message as the outside knows it: automations, the media browser, the card."""

from dataclasses import dataclass
import re
from typing import Final, Self
from urllib.parse import quote, unquote

from homeassistant.util.json import JsonValueType

from ..const import DOMAIN
from ..pbx import Message
from .wav import AUDIO_SUFFIXES

RECORDING_URL: Final = f"/api/{DOMAIN}/recording"

MESSAGE_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
"""What every message id is, from its first to its last character."""

_FILE_NAME: Final = re.compile(
    rf"({MESSAGE_ID.pattern})(?:{'|'.join(map(re.escape, AUDIO_SUFFIXES))})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class MediaId:
    """Names a PBX, one of its extensions, or a message in the media browser."""

    entry_id: str
    extension: str | None = None
    message_id: str | None = None

    @classmethod
    def of(cls, entry_id: str, message: Message) -> Self:
        """Return the name of a message."""
        return cls(entry_id, message.extension, message.id)

    @classmethod
    def parse(cls, identifier: str) -> Self:
        """Read an identifier. Raises ValueError if it is not one."""
        entry_id, *names = map(unquote, identifier.split("/"))
        are_ids = all(MESSAGE_ID.fullmatch(name) for name in names[1:])
        if not entry_id or not all(names) or len(names) > 2 or not are_ids:
            raise ValueError(f"{identifier} is not the identifier of anything")
        return cls(entry_id, *names)

    @property
    def identifier(self) -> str:
        """What `parse` reads. An extension is any text, so it must not bring slashes along."""
        names = filter(None, (self.entry_id, self.extension, self.message_id))
        return "/".join(quote(name, safe="") for name in names)

    @property
    def media_content_id(self) -> str:
        """What names it to `media_player.play_media` and others that take media sources."""
        return f"media-source://{DOMAIN}/{self.identifier}"

    def url(self, suffix: str = "") -> str:
        """Return where in Home Assistant the recording is served, without its host.

        The suffix is for players that go by it. One that is not an audio file's is left out.
        """
        path = f"{RECORDING_URL}/{self.identifier}"
        return f"{path}{suffix}" if _FILE_NAME.fullmatch(f"{self.message_id}{suffix}") else path


def message_id_in(file_name: str) -> str | None:
    """Return the message id in the last part of a recording's address, None if there is none."""
    match = _FILE_NAME.fullmatch(file_name)
    return match[1] if match else None


def describe(entry_id: str, message: Message, transcript: str | None) -> dict[str, JsonValueType]:
    """Tell a message in the words of events and actions.

    `received` is ISO 8601 with a zone, `duration` in seconds, `read` None where the PBX
    does not tell, `transcript` None while there is none.
    """
    return {
        "message_id": message.id,
        "extension": message.extension,
        "caller": message.caller,
        "caller_name": message.caller_name,
        "received": message.received.isoformat() if message.received else None,
        "duration": message.duration,
        "read": bool(message.read),
        "media_content_id": MediaId.of(entry_id, message).media_content_id,
        "transcript": transcript,
    }
