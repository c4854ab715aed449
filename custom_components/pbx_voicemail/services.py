"""Actions that list, delete, mark, save and transcribe messages, and import the phone book."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

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
from homeassistant.helpers.service import async_get_config_entry, async_register_admin_service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .coordinator import PbxConfigEntry, PbxCoordinator
from .errors import client_error, translated_error
from .pbx import Message, PbxGoneError
from .schemas import (
    ATTR_ALL,
    ATTR_ENGINE,
    ATTR_EXTENSION,
    ATTR_LANGUAGE,
    ATTR_LIMIT,
    ATTR_MESSAGE_ID,
    ATTR_READ,
    ATTR_SINCE,
    ATTR_UNREAD,
    ATTR_VCARD,
    SERVICE_DELETE_MESSAGE_SCHEMA,
    SERVICE_GET_MESSAGES_SCHEMA,
    SERVICE_IMPORT_PHONE_BOOK_SCHEMA,
    SERVICE_MARK_READ_SCHEMA,
    SERVICE_SAVE_RECORDING_SCHEMA,
    SERVICE_TRANSCRIBE_MESSAGE_SCHEMA,
)
from .voicemail.media_id import message_as_dict
from .voicemail.permissions import may_control, may_hear
from .voicemail.phone_book import async_import_vcards
from .voicemail.saved_files import copy_or_replace, copy_to_new_file, is_in_media_dir
from .voicemail.wav import AUDIO_SUFFIXES

SERVICE_DELETE_MESSAGE: Final = "delete_message"
SERVICE_GET_MESSAGES: Final = "get_messages"
SERVICE_IMPORT_PHONE_BOOK: Final = "import_phone_book"
SERVICE_MARK_READ: Final = "mark_read"
SERVICE_SAVE_RECORDING: Final = "save_recording"
SERVICE_TRANSCRIBE_MESSAGE: Final = "transcribe_message"


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    register = partial(hass.services.async_register, DOMAIN)
    register(
        SERVICE_GET_MESSAGES,
        _async_get_messages,
        SERVICE_GET_MESSAGES_SCHEMA,
        SupportsResponse.ONLY,
    )
    register(SERVICE_DELETE_MESSAGE, _async_delete_message, SERVICE_DELETE_MESSAGE_SCHEMA)
    register(SERVICE_MARK_READ, _async_mark_read, SERVICE_MARK_READ_SCHEMA)
    register(
        SERVICE_SAVE_RECORDING,
        _async_save_recording,
        SERVICE_SAVE_RECORDING_SCHEMA,
        SupportsResponse.OPTIONAL,
    )
    register(
        SERVICE_TRANSCRIBE_MESSAGE,
        _async_transcribe_message,
        SERVICE_TRANSCRIBE_MESSAGE_SCHEMA,
        SupportsResponse.OPTIONAL,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_IMPORT_PHONE_BOOK,
        _async_import_phone_book,
        SERVICE_IMPORT_PHONE_BOOK_SCHEMA,
        SupportsResponse.OPTIONAL,
    )


async def _async_get_messages(call: ServiceCall) -> ServiceResponse:
    """Return the messages of one extension or of all that the user may hear, newest first."""
    entry = _get_entry(call)
    coordinator = entry.runtime_data
    extensions = _get_extensions(call, entry, await _async_get_user(call))
    if not coordinator.last_update_success:
        raise translated_error(HomeAssistantError, "not_connected")
    since = dt_util.as_utc(call.data[ATTR_SINCE]) if ATTR_SINCE in call.data else None
    mailboxes = [coordinator.data.mailbox(extension) for extension in extensions]

    def find() -> list[JsonValueType]:
        messages = [
            message
            for mailbox in mailboxes
            for message in mailbox.messages
            if since is None or (message.received and message.received >= since)
            if not (call.data[ATTR_UNREAD] and message.read)
        ]
        messages.sort(key=lambda message: message.received_or_earliest, reverse=True)
        return [
            message_as_dict(
                entry.entry_id,
                message,
                coordinator.callers.find(message),
                coordinator.transcripts.text_of(message),
            )
            for message in messages[: call.data.get(ATTR_LIMIT)]
        ]

    # In a thread, since tens of thousands of messages would block the event loop.
    return {"messages": await call.hass.async_add_executor_job(find)}


async def _async_delete_message(call: ServiceCall) -> None:
    """Delete one message, or all messages of an extension that Home Assistant knows.

    They are deleted one by one: if the PBX deleted all, it would include messages that have
    just arrived and have not been announced.
    """
    coordinator, messages = await _async_get_one_or_all(call)
    try:
        for message in messages:
            try:
                await coordinator.requests.async_delete(message)
            except HomeAssistantError as err:
                if not (call.data.get(ATTR_ALL) and err.translation_key == PbxGoneError.kind):
                    raise
    finally:
        await coordinator.async_refresh()


async def _async_mark_read(call: ServiceCall) -> None:
    """Mark one message, or all messages of an extension, as read or as unread."""
    coordinator, messages = await _async_get_one_or_all(call)
    if call.data[ATTR_READ]:
        await coordinator.read_state.async_mark_read(messages)
    else:
        coordinator.read_state.async_mark_unread(messages)


async def _async_save_recording(call: ServiceCall) -> ServiceResponse:
    """Copy a recording to a file.

    Automations may replace a file, because their authors chose its name. Users may not, and
    unless they are administrators, they may only write to media folders.
    """
    hass, user = call.hass, await _async_get_user(call)
    entry, message = _get_message(call, user)
    recordings = entry.runtime_data.recordings
    _require(call, may_control(hass, entry, user, message.extension), POLICY_CONTROL)
    path = await _async_get_audio_path(call, user)
    with recordings.keep_cached(message):
        recording = await recordings.async_get(message)
        copy = copy_or_replace if user is None else copy_to_new_file
        try:
            await hass.async_add_executor_job(copy, recording.path, path)
        except FileExistsError as err:
            raise translated_error(
                ServiceValidationError, "path_taken", filename=call.data[CONF_FILENAME]
            ) from err
        except OSError as err:
            detail = err.strerror or type(err).__name__
            raise translated_error(HomeAssistantError, "cannot_keep", detail=detail) from err
    return {"filename": str(path), "content_type": recording.format.content_type}


async def _async_transcribe_message(call: ServiceCall) -> ServiceResponse:
    """Return the transcript of a message, and create it if necessary."""
    user = await _async_get_user(call)
    entry, message = _get_message(call, user)
    engine = call.data.get(ATTR_ENGINE)
    if engine and user and not user.permissions.check_entity(engine, POLICY_CONTROL):
        raise Unauthorized(
            context=call.context,
            user_id=user.id,
            entity_id=engine,
            permission=POLICY_CONTROL,
        )
    transcript = await entry.runtime_data.transcripts.async_transcribe(
        message,
        engine,
        call.data.get(ATTR_LANGUAGE),
        may_store=may_control(call.hass, entry, user, message.extension),
    )
    return {
        "text": transcript.text,
        "engine": transcript.engine,
        "language": transcript.language,
        "seconds": transcript.seconds,
    }


async def _async_import_phone_book(call: ServiceCall) -> ServiceResponse:
    """Replace the phone book of a PBX with the contacts of vCards, in a text or a file."""
    coordinator = _get_entry(call).runtime_data
    vcards: str | Path = call.data.get(ATTR_VCARD) or await _async_get_path(
        call, "path_not_readable"
    )
    result = await async_import_vcards(coordinator.phone_book, vcards)
    return {"contacts": result.contacts, "numbers": result.numbers}


def _get_entry(call: ServiceCall) -> PbxConfigEntry:
    """Return the config entry of a call, which may leave it out if there is only one."""
    entry: PbxConfigEntry = async_get_config_entry(
        call.hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return entry


def _get_message(call: ServiceCall, user: User | None) -> tuple[PbxConfigEntry, Message]:
    """Return the message of a call and its config entry, which the call may leave out.

    A message that the user may not hear is treated as missing, since even an id says that
    somebody called.
    """
    has_entry = ATTR_CONFIG_ENTRY_ID in call.data
    entries: list[PbxConfigEntry] = call.hass.config_entries.async_loaded_entries(DOMAIN)
    found = [
        (entry, message)
        for entry in ([_get_entry(call)] if has_entry or not entries else entries)
        if (message := entry.runtime_data.data.find(call.data[ATTR_MESSAGE_ID]))
        and may_hear(call.hass, entry, user, message.extension)
    ]
    if not found:
        raise translated_error(ServiceValidationError, "message_gone")
    if len(found) > 1:
        raise translated_error(ServiceValidationError, "message_of_several")
    return found[0]


async def _async_get_one_or_all(call: ServiceCall) -> tuple[PbxCoordinator, Sequence[Message]]:
    """Return the message of a call, or all of an extension, if the user may control them."""
    user = await _async_get_user(call)
    if not call.data.get(ATTR_ALL):
        entry, message = _get_message(call, user)
        _require(call, may_control(call.hass, entry, user, message.extension), POLICY_CONTROL)
        return entry.runtime_data, (message,)
    entry = _get_entry(call)
    coordinator, extension = entry.runtime_data, call.data[ATTR_EXTENSION]
    _require(call, may_control(call.hass, entry, user, extension), POLICY_CONTROL)
    mailbox = coordinator.data.mailbox(_get_extension(call, coordinator))
    return coordinator, await call.hass.async_add_executor_job(lambda: mailbox.messages)


def _get_extensions(call: ServiceCall, entry: PbxConfigEntry, user: User | None) -> list[str]:
    """Return the extension of a call or, without one, all that the user may hear."""
    coordinator = entry.runtime_data
    if extension := call.data.get(ATTR_EXTENSION):
        _require(call, may_hear(call.hass, entry, user, extension), POLICY_READ)
        return [_get_extension(call, coordinator)]
    return [
        number for number in coordinator.data.mailboxes if may_hear(call.hass, entry, user, number)
    ]


def _get_extension(call: ServiceCall, coordinator: PbxCoordinator) -> str:
    extension: str = call.data[ATTR_EXTENSION]
    if extension not in coordinator.data.roster:
        raise translated_error(ServiceValidationError, "unknown_extension", extension=extension)
    if err := coordinator.client.unreadable.get(extension):
        raise client_error(HomeAssistantError, err)
    return extension


async def _async_get_audio_path(call: ServiceCall, user: User | None) -> Path:
    """Return the path of the file to write. Raises ServiceValidationError if it is not allowed."""
    hass, filename = call.hass, call.data[CONF_FILENAME]
    path = await _async_get_path(call, "path_not_allowed")
    is_restricted = user is not None and not user.is_admin
    if is_restricted and not await hass.async_add_executor_job(is_in_media_dir, hass, path):
        raise translated_error(ServiceValidationError, "path_not_media", filename=filename)
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        suffixes = ", ".join(AUDIO_SUFFIXES)
        raise translated_error(
            ServiceValidationError, "path_not_audio", filename=filename, suffixes=suffixes
        )
    return path


async def _async_get_path(call: ServiceCall, error: str) -> Path:
    """Return the path of the file of a call. Raises an error with this key if it is not allowed."""
    hass, filename = call.hass, call.data[CONF_FILENAME]
    path = Path(hass.config.path(filename))
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, str(path)):
        raise translated_error(ServiceValidationError, error, filename=filename)
    return path


async def _async_get_user(call: ServiceCall) -> User | None:
    """Return the user who made a call, None if it was an automation."""
    if call.context.user_id is None:
        return None
    if (user := await call.hass.auth.async_get_user(call.context.user_id)) is None:
        raise UnknownUser(context=call.context)
    return user


def _require(call: ServiceCall, is_allowed: bool, permission: str) -> None:
    if not is_allowed:
        raise Unauthorized(
            context=call.context, user_id=call.context.user_id, permission=permission
        )
