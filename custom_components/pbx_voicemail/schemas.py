"""Schemas of the actions: what a call contains."""

import re
from typing import Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, CONF_FILENAME
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .errors import translated_error
from .voicemail.media_id import MESSAGE_ID
from .voicemail.speech_to_text import ENGINE_DOMAINS

ATTR_ALL: Final = "all"
ATTR_ENGINE: Final = "engine"
ATTR_EXTENSION: Final = "extension"
ATTR_LANGUAGE: Final = "language"
ATTR_LIMIT: Final = "limit"
ATTR_MESSAGE_ID: Final = "message_id"
ATTR_READ: Final = "read"
ATTR_SINCE: Final = "since"
ATTR_UNREAD: Final = "unread"
ATTR_VCARD: Final = "vcard"

_TEXT: Final = vol.All(cv.string, vol.Length(min=1))
_MESSAGE_ID: Final = vol.All(cv.string, vol.Match(rf"{MESSAGE_ID.pattern}\Z"))
_LANGUAGE_TAG: Final = vol.All(
    cv.string,
    vol.Length(max=35),
    vol.Match(re.compile(r"[a-z]{2,3}(-\w{2,8})*\Z", re.IGNORECASE | re.ASCII)),
)
"""It becomes part of the instructions for an AI task, so it must not be any text."""

_PBX_FIELDS: Final[dict[vol.Marker, Any]] = {vol.Optional(ATTR_CONFIG_ENTRY_ID): _TEXT}
_MESSAGE_FIELDS: Final[dict[vol.Marker, Any]] = {
    **_PBX_FIELDS,
    vol.Required(ATTR_MESSAGE_ID): _MESSAGE_ID,
}

SERVICE_GET_MESSAGES_SCHEMA: Final = vol.Schema(
    {
        **_PBX_FIELDS,
        vol.Optional(ATTR_EXTENSION): _TEXT,
        vol.Optional(ATTR_SINCE): cv.datetime,
        vol.Optional(ATTR_LIMIT): vol.All(vol.Coerce(int), vol.Range(min=1)),
        vol.Optional(ATTR_UNREAD, default=False): cv.boolean,
    }
)


def _validate_one_or_all(data: dict[str, Any]) -> dict[str, Any]:
    """Require either a message id, or `all` with an extension: a mistake would delete too much."""
    is_one, is_all = ATTR_MESSAGE_ID in data, data.get(ATTR_ALL, False)
    if is_one == is_all or is_all != (ATTR_EXTENSION in data):
        raise translated_error(ServiceValidationError, "one_or_all")
    return data


def _validate_text_or_file(data: dict[str, Any]) -> dict[str, Any]:
    """Require either vCards, or the name of a file."""
    if (ATTR_VCARD in data) == (CONF_FILENAME in data):
        raise translated_error(ServiceValidationError, "vcard_or_file")
    return data


def _one_or_all_schema(fields: dict[vol.Marker, Any] | None = None) -> vol.All[Any]:
    """Return the schema of an action on one message, or on all of an extension."""
    return vol.All(
        vol.Schema(
            {
                **_PBX_FIELDS,
                vol.Optional(ATTR_MESSAGE_ID): _TEXT,
                vol.Optional(ATTR_EXTENSION): _TEXT,
                vol.Optional(ATTR_ALL): cv.boolean,
                **(fields or {}),
            }
        ),
        _validate_one_or_all,
        vol.Schema({vol.Optional(ATTR_MESSAGE_ID): _MESSAGE_ID}, extra=vol.ALLOW_EXTRA),
    )


SERVICE_DELETE_MESSAGE_SCHEMA: Final = _one_or_all_schema()
SERVICE_MARK_READ_SCHEMA: Final = _one_or_all_schema(
    {vol.Optional(ATTR_READ, default=True): cv.boolean}
)
SERVICE_IMPORT_PHONE_BOOK_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            **_PBX_FIELDS,
            vol.Optional(ATTR_VCARD): _TEXT,
            vol.Optional(CONF_FILENAME): _TEXT,
        }
    ),
    _validate_text_or_file,
)
SERVICE_SAVE_RECORDING_SCHEMA: Final = vol.Schema(
    {**_MESSAGE_FIELDS, vol.Required(CONF_FILENAME): _TEXT}
)
SERVICE_TRANSCRIBE_MESSAGE_SCHEMA: Final = vol.Schema(
    {
        **_MESSAGE_FIELDS,
        vol.Optional(ATTR_ENGINE): cv.entity_domain([*ENGINE_DOMAINS]),
        vol.Optional(ATTR_LANGUAGE): _LANGUAGE_TAG,
    }
)
