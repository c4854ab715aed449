"""The actions: list, delete, save and transcribe messages."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
import re
from typing import Any, Final

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL, POLICY_READ
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, CONF_FILENAME
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
    UnknownUser,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_get_config_entry
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .errors import translated_error
from .pbx import Message, PbxGoneError
from .voicemail.media_id import MESSAGE_ID, describe
from .voicemail.permissions import may_control, may_hear
from .voicemail.saved_files import create, is_in_media, replace
from .voicemail.speech_to_text import ENGINES
from .voicemail.wav import AUDIO_SUFFIXES

_ALL: Final = "all"
_ENGINE: Final = "engine"
_EXTENSION: Final = "extension"
_LANGUAGE: Final = "language"
_LIMIT: Final = "limit"
_MESSAGE_ID: Final = "message_id"
_SINCE: Final = "since"

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_TEXT: Final = vol.All(cv.string, vol.Length(min=1))
_ID: Final = vol.All(cv.string, vol.Match(rf"{MESSAGE_ID.pattern}\Z"))
_TAG: Final = vol.All(
    cv.string,
    vol.Length(max=35),
    vol.Match(re.compile(r"[a-z]{2,3}(-\w{2,8})*\Z", re.IGNORECASE | re.ASCII)),
)
"""A language tag. It goes into what an AI task is told, so it must not be a text."""

_PBX: Final[dict[vol.Marker, Any]] = {vol.Optional(ATTR_CONFIG_ENTRY_ID): _TEXT}
_MESSAGE: Final[dict[vol.Marker, Any]] = {**_PBX, vol.Required(_MESSAGE_ID): _ID}

_GET_MESSAGES: Final = vol.Schema(
    {
        **_PBX,
        vol.Optional(_EXTENSION): _TEXT,
        vol.Optional(_SINCE): cv.datetime,
        vol.Optional(_LIMIT): vol.All(vol.Coerce(int), vol.Range(min=1)),
    }
)


def _one_or_all(data: dict[str, Any]) -> dict[str, Any]:
    is_one, is_all = _MESSAGE_ID in data, data.get(_ALL, False)
    if is_one == is_all or is_all != (_EXTENSION in data):
        # What is not clear might delete more than was meant.
        raise translated_error(ServiceValidationError, "one_or_all")
    return data


_DELETE_MESSAGE: Final = vol.All(
    vol.Schema(
        {
            **_PBX,
            vol.Optional(_MESSAGE_ID): _TEXT,
            vol.Optional(_EXTENSION): _TEXT,
            vol.Optional(_ALL): cv.boolean,
        }
    ),
    _one_or_all,
    vol.Schema({vol.Optional(_MESSAGE_ID): _ID}, extra=vol.ALLOW_EXTRA),
)
_SAVE_RECORDING: Final = vol.Schema({**_MESSAGE, vol.Required(CONF_FILENAME): _TEXT})
_TRANSCRIBE_MESSAGE: Final = vol.Schema(
    {
        **_MESSAGE,
        vol.Optional(_ENGINE): cv.entity_domain([*ENGINES]),
        vol.Optional(_LANGUAGE): _TAG,
    }
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Offer the actions, whether or not a PBX is connected."""
    register = partial(hass.services.async_register, DOMAIN)
    register("get_messages", _get_messages, _GET_MESSAGES, SupportsResponse.ONLY)
    register("delete_message", _delete_message, _DELETE_MESSAGE)
    register("save_recording", _save_recording, _SAVE_RECORDING, SupportsResponse.OPTIONAL)
    register(
        "transcribe_message", _transcribe_message, _TRANSCRIBE_MESSAGE, SupportsResponse.OPTIONAL
    )


async def _get_messages(call: ServiceCall) -> ServiceResponse:
    """Return messages, newest first: of one extension, or of all that the user may hear."""
    entry = _entry(call)
    coordinator = entry.runtime_data
    transcripts = entry.runtime_data.transcripts
    user = await _user(call)
    if _EXTENSION in call.data:
        _require(call, may_hear(call.hass, entry, user, call.data[_EXTENSION]), POLICY_READ)
        extensions = [_extension(call, coordinator)]
    else:
        extensions = [
            number
            for number in coordinator.data.mailboxes
            if may_hear(call.hass, entry, user, number)
        ]
    if not coordinator.last_update_success:
        raise translated_error(HomeAssistantError, "not_connected")
    since = dt_util.as_utc(call.data[_SINCE]) if _SINCE in call.data else None
    mailboxes = [coordinator.data.mailbox(extension) for extension in extensions]

    def find() -> list[JsonValueType]:
        messages = [
            message
            for mailbox in mailboxes
            for message in mailbox.messages
            if since is None or (message.received and message.received >= since)
        ]
        messages.sort(key=lambda message: message.received or _LONG_AGO, reverse=True)
        return [
            describe(entry.entry_id, message, transcripts.text_of(message))
            for message in messages[: call.data.get(_LIMIT)]
        ]

    # Tens of thousands would keep everything else waiting.
    return {"messages": await call.hass.async_add_executor_job(find)}


async def _delete_message(call: ServiceCall) -> None:
    """Delete one message, or all that are known of an extension, each by itself.

    Not by the PBX's own word for all: that would take along what has just been left, and
    nobody has heard of.
    """
    user = await _user(call)
    messages: Sequence[Message]
    if is_all := call.data.get(_ALL, False):
        entry = _entry(call)
        coordinator = entry.runtime_data
        _require(call, may_control(call.hass, entry, user, call.data[_EXTENSION]), POLICY_CONTROL)
        mailbox = coordinator.data.mailbox(_extension(call, coordinator))
        messages = await call.hass.async_add_executor_job(lambda: mailbox.messages)
    else:
        entry, message = _message(call, user)
        coordinator, messages = entry.runtime_data, (message,)
        _require(call, may_control(call.hass, entry, user, message.extension), POLICY_CONTROL)
    try:
        for message in messages:
            try:
                await coordinator.async_delete(message)
            except HomeAssistantError as err:
                if not (is_all and err.translation_key == PbxGoneError.kind):
                    raise
    finally:
        await coordinator.async_refresh()


async def _save_recording(call: ServiceCall) -> ServiceResponse:
    """Write a recording to a file, where Home Assistant may write.

    An automation may write over a file, for it does what its author wants. A user may not,
    and writes into media folders alone unless they are an administrator.
    """
    hass, user = call.hass, await _user(call)
    entry, message = _message(call, user)
    recordings = entry.runtime_data.recordings
    _require(call, may_control(call.hass, entry, user, message.extension), POLICY_CONTROL)
    filename: str = call.data[CONF_FILENAME]
    path = Path(hass.config.path(filename))
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, str(path)):
        raise translated_error(ServiceValidationError, "path_not_allowed", filename=filename)
    is_restricted = user is not None and not user.is_admin
    if is_restricted and not await hass.async_add_executor_job(is_in_media, hass, path):
        raise translated_error(ServiceValidationError, "path_not_media", filename=filename)
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        suffixes = ", ".join(AUDIO_SUFFIXES)
        raise translated_error(
            ServiceValidationError, "path_not_audio", filename=filename, suffixes=suffixes
        )
    with recordings.hold(message):
        recording = await recordings.async_get(message)
        copy = replace if user is None else create
        try:
            await hass.async_add_executor_job(copy, recording.path, path)
        except FileExistsError as err:
            raise translated_error(ServiceValidationError, "path_taken", filename=filename) from err
        except OSError as err:
            detail = err.strerror or type(err).__name__
            raise translated_error(HomeAssistantError, "cannot_keep", detail=detail) from err
    return {"filename": str(path), "content_type": recording.sound.content_type}


async def _transcribe_message(call: ServiceCall) -> ServiceResponse:
    """Return what is said in a message, in writing."""
    user = await _user(call)
    entry, message = _message(call, user)
    engine = call.data.get(_ENGINE)
    if engine and user and not user.permissions.check_entity(engine, POLICY_CONTROL):
        raise Unauthorized(
            context=call.context,
            user_id=user.id,
            entity_id=engine,
            permission=POLICY_CONTROL,
        )
    transcript = await entry.runtime_data.transcripts.write(
        message,
        engine,
        call.data.get(_LANGUAGE),
        may_keep=may_control(call.hass, entry, user, message.extension),
    )
    return {
        "text": transcript.text,
        "engine": transcript.engine,
        "language": transcript.language,
        "seconds": transcript.seconds,
    }


def _entry(call: ServiceCall) -> PbxConfigEntry:
    """Return the PBX that is meant; there is no need to name the only one."""
    entry: PbxConfigEntry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return entry


def _message(call: ServiceCall, user: User | None) -> tuple[PbxConfigEntry, Message]:
    """Return the message that is meant, and its PBX, which needs no naming.

    One that the user may not hear is not there for them: an id stands for who called when.
    """
    named = ATTR_CONFIG_ENTRY_ID in call.data
    entries: list[PbxConfigEntry] = call.hass.config_entries.async_loaded_entries(DOMAIN)
    found = [
        (entry, message)
        for entry in ([_entry(call)] if named or not entries else entries)
        if (message := entry.runtime_data.data.find(call.data[_MESSAGE_ID]))
        and may_hear(call.hass, entry, user, message.extension)
    ]
    if not found:
        raise translated_error(ServiceValidationError, "message_gone")
    if len(found) > 1:
        raise translated_error(ServiceValidationError, "message_of_several")
    return found[0]


def _extension(call: ServiceCall, coordinator: PbxCoordinator) -> str:
    extension: str = call.data[_EXTENSION]
    if extension not in coordinator.data.roster:
        raise translated_error(ServiceValidationError, "unknown_extension", extension=extension)
    return extension


async def _user(call: ServiceCall) -> User | None:
    """Return who calls, None if it is an automation."""
    if call.context.user_id is None:
        return None
    if (user := await call.hass.auth.async_get_user(call.context.user_id)) is None:
        raise UnknownUser(context=call.context)
    return user


def _require(call: ServiceCall, allowed: bool, permission: str) -> None:
    if not allowed:
        raise Unauthorized(
            context=call.context, user_id=call.context.user_id, permission=permission
        )
