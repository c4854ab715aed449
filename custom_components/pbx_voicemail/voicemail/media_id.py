"""Media ids of messages, and messages as automations, actions and the card get them."""

from dataclasses import dataclass
import re
from typing import Final, Self
from urllib.parse import quote, unquote

from homeassistant.util.json import JsonValueType

from ..const import DOMAIN
from ..pbx import Message
from .callers import Caller
from .wav import AUDIO_SUFFIXES

RECORDING_URL: Final = f"/api/{DOMAIN}/recording"

MESSAGE_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
"""Matches the whole of any message id."""

_FILE_NAME: Final = re.compile(
    rf"({MESSAGE_ID.pattern})(?:{'|'.join(map(re.escape, AUDIO_SUFFIXES))})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class MediaId:
    """Identifies a PBX, one of its extensions, or a message in the media browser."""

    entry_id: str
    extension: str | None = None
    message_id: str | None = None

    @classmethod
    def from_message(cls, entry_id: str, message: Message) -> Self:
        """Return the media id of a message."""
        return cls(entry_id, message.extension, message.id)

    @classmethod
    def parse(cls, identifier: str) -> Self:
        """Parse an identifier. Raises ValueError if it is not valid."""
        entry_id, *names = map(unquote, identifier.split("/"))
        are_ids = all(MESSAGE_ID.fullmatch(name) for name in names[1:])
        if not entry_id or not all(names) or len(names) > 2 or not are_ids:
            raise ValueError(f"{identifier} is not a valid identifier")
        return cls(entry_id, *names)

    @property
    def identifier(self) -> str:
        """The text that `parse` accepts. Slashes are quoted, since an extension may have some."""
        names = filter(None, (self.entry_id, self.extension, self.message_id))
        return "/".join(quote(name, safe="") for name in names)

    @property
    def media_content_id(self) -> str:
        """The media source id, for actions such as `media_player.play_media`."""
        return f"media-source://{DOMAIN}/{self.identifier}"

    def url(self, suffix: str = "") -> str:
        """Return the path at which Home Assistant serves the recording.

        Some players need a suffix in it. One that is not an audio file's is left out.
        """
        path = f"{RECORDING_URL}/{self.identifier}"
        return f"{path}{suffix}" if _FILE_NAME.fullmatch(f"{self.message_id}{suffix}") else path


def parse_file_name(file_name: str) -> str | None:
    """Return the message id in the last part of a recording's URL, None if there is none."""
    match = _FILE_NAME.fullmatch(file_name)
    return match[1] if match else None


def message_as_dict(
    entry_id: str, message: Message, caller: Caller, transcript: str | None
) -> dict[str, JsonValueType]:
    """Return a message as events, action responses and the card contain it.

    `caller` is the number as the PBX reports it, `caller_formatted` as people write it, and
    `caller_e164` as it is dialled, None if it is not a public number. `caller_known` is whether
    the phone book or the PBX's list of extensions has it. `received` is ISO 8601 with a time
    zone, `duration` in seconds, and `transcript` None if there is none yet.
    """
    return {
        "message_id": message.id,
        "extension": message.extension,
        "caller": caller.number,
        "caller_name": caller.name,
        "caller_formatted": caller.formatted,
        "caller_e164": caller.e164,
        "caller_known": caller.is_known,
        "received": message.received.isoformat() if message.received else None,
        "duration": message.duration,
        "read": bool(message.read),
        "urgent": message.urgent,
        "media_content_id": MediaId.from_message(entry_id, message).media_content_id,
        "transcript": transcript,
    }
