"""HTTP view that serves recordings to signed-in users and their media players."""

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
from .voicemail.media_id import RECORDING_URL, parse_file_name
from .voicemail.permissions import may_hear
from .voicemail.recordings import Recording


class RecordingView(HomeAssistantView):
    """Serves one recording, at the path that `MediaId.url` returns.

    The message is identified by the path alone, since Home Assistant cannot sign a query. A
    suffix is accepted and ignored: many speakers need one. Home Assistant downloads from the
    PBX, so a response never contains the address or the token of the PBX.
    """

    # An extension may contain slashes once it is unquoted.
    url = RECORDING_URL + "/{entry_id}/{extension:.+}/{file_name}"
    name = f"api:{DOMAIN}:recording"

    def __init__(self, hass: HomeAssistant) -> None:
        """Serve the recordings of all PBXs."""
        self._hass = hass

    async def get(
        self, request: web.Request, entry_id: str, extension: str, file_name: str
    ) -> web.StreamResponse:
        """Return the recording, or the requested range of it.

        The message counts as heard from then on.
        """
        entry: PbxConfigEntry | None = self._hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN:
            return _error(HTTPStatus.NOT_FOUND, "There is no such PBX")
        if entry.state is not ConfigEntryState.LOADED:
            return _error(HTTPStatus.BAD_GATEWAY, "The PBX is not connected")
        coordinator = entry.runtime_data
        if not may_hear(self._hass, entry, request[KEY_HASS_USER], extension):
            return _error(HTTPStatus.FORBIDDEN, "You may not hear messages of this extension")
        message = None
        if message_id := parse_file_name(file_name):
            message = coordinator.data.mailbox(extension).find(message_id)
        if message is None:
            return _error(HTTPStatus.NOT_FOUND, "The message is no longer on the PBX")
        with ExitStack() as stack:
            stack.enter_context(coordinator.recordings.keep_cached(message))
            try:
                recording = await coordinator.recordings.async_get(message)
            except HomeAssistantError as err:
                is_gone = err.translation_key == PbxGoneError.kind
                return _error(HTTPStatus.NOT_FOUND if is_gone else HTTPStatus.BAD_GATEWAY, str(err))
            if _is_to_be_heard(request):
                coordinator.read_state.async_note_heard(message)
            return _RecordingResponse(recording, stack.pop_all())

    head = get


class _RecordingResponse(web.FileResponse):
    """A recording, which stays in the cache until it has been sent."""

    def __init__(self, recording: Recording, stack: ExitStack) -> None:
        super().__init__(
            recording.path,
            headers={
                hdrs.CONTENT_TYPE: recording.format.content_type,
                # Browsers may cache it, but check each time that the message still exists.
                hdrs.CACHE_CONTROL: "private, no-cache",
            },
        )
        # Also releases it if the browser disconnects before the response is prepared.
        self._release = finalize(self, stack.close)

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            return await super().prepare(request)
        finally:
            self._release()


def _is_to_be_heard(request: web.Request) -> bool:
    """Return whether the audio itself is requested, not only its headers.

    Safari requests the first two bytes to find out whether ranges are supported.
    """
    return request.method == hdrs.METH_GET and request.headers.get(hdrs.RANGE) != "bytes=0-1"


def _error(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text)
