"""A message as the outside knows it: automations, the media browser, the card."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .pbx import Message

RECORDING_URL = f"/api/{DOMAIN}/recording"


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
        if not entry_id or not all(names) or len(names) > 2:
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

    @property
    def url(self) -> str:
        """Where in Home Assistant the recording is served, without its host."""
        return f"{RECORDING_URL}/{self.identifier}"


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
        "read": message.read,
        "media_content_id": MediaId.of(entry_id, message).media_content_id,
        "transcript": transcript,
    }
