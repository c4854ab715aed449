"""Serves recordings to those who are signed in, as browsers, phones and speakers ask for them."""

from contextlib import ExitStack
from http import HTTPStatus
from typing import override
from weakref import finalize

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from homeassistant.components.http import KEY_HASS_USER, HomeAssistantView
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .coordinator import PbxConfigEntry
from .pbx import PbxGoneError
from .voicemail.media_id import RECORDING_URL, message_id_in
from .voicemail.permissions import may_hear
from .voicemail.recordings import Recording


class RecordingView(HomeAssistantView):
    """One recording, by the path that a message's media id stands for.

    What it names is all in the path, since Home Assistant signs no path with a query. It may
    end in an audio file's suffix, which says nothing: many speakers refuse it without. The PBX
    is asked by Home Assistant, so neither its address nor its token is in an answer.
    """

    # An extension is any text, with slashes too once it is unquoted.
    url = RECORDING_URL + "/{entry_id}/{extension:.+}/{file_name}"
    name = f"api:{DOMAIN}:recording"

    def __init__(self, hass: HomeAssistant) -> None:
        """Take where PBXs are."""
        self._hass = hass

    async def get(
        self, request: web.Request, entry_id: str, extension: str, file_name: str
    ) -> web.StreamResponse:
        """Answer with the recording or a part of it, as asked for."""
        entry: PbxConfigEntry | None = self._hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN:
            return _refuse(HTTPStatus.NOT_FOUND, "There is no such PBX")
        if entry.state is not ConfigEntryState.LOADED:
            return _refuse(HTTPStatus.BAD_GATEWAY, "The PBX is not connected")
        coordinator = entry.runtime_data
        if not may_hear(self._hass, entry, request[KEY_HASS_USER], extension):
            return _refuse(HTTPStatus.FORBIDDEN, "You may not hear messages of this extension")
        message = None
        if message_id := message_id_in(file_name):
            message = coordinator.data.mailbox(extension).find(message_id)
        if message is None:
            return _refuse(HTTPStatus.NOT_FOUND, "The message is no longer on the PBX")
        with ExitStack() as hold:
            hold.enter_context(coordinator.recordings.hold(message))
            try:
                recording = await coordinator.recordings.async_get(message)
            except HomeAssistantError as err:
                gone = err.translation_key == PbxGoneError.kind
                return _refuse(HTTPStatus.NOT_FOUND if gone else HTTPStatus.BAD_GATEWAY, str(err))
            return _RecordingResponse(recording, hold.pop_all())

    head = get


class _RecordingResponse(web.FileResponse):
    """A recording that stays in its place until it has been sent."""

    def __init__(self, recording: Recording, hold: ExitStack) -> None:
        super().__init__(
            recording.path,
            headers={
                hdrs.CONTENT_TYPE: recording.sound.content_type,
                # Browsers may keep it, and ask by its ETag whether it is still there to be heard.
                hdrs.CACHE_CONTROL: "private, no-cache",
            },
        )
        # Also if the browser has gone, and nobody prepares the answer any more.
        self._release = finalize(self, hold.close)

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            return await super().prepare(request)
        finally:
            self._release()


def _refuse(status: HTTPStatus, reason: str) -> web.Response:
    return web.Response(status=status, text=reason)
