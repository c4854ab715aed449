"""Downloads and deletes single messages, which the API addresses by file name.

The PBX renames files whenever a message is deleted or heard, so the file name is queried right
before each use.
"""

import asyncio
from functools import partial
from typing import Final

from ..errors import (
    PbxAuthError,
    PbxConnectionError,
    PbxGoneError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnclearError,
)
from ..http import MAX_LIST_BYTES, MAX_RECORDING_BYTES, HttpResponse
from ..json_values import OFF_LOOP_BYTES, as_text
from ..models import Message
from .api import Api
from .file_names import FileName, find_file_name
from .reply import NO_SUCH_EXTENSION, NO_SUCH_FILE, decode, decode_short

_MAX_DOWNLOADS: Final = 5
"""How often a recording is downloaded while the PBX keeps renaming it."""

_RIFF_HEADER_BYTES: Final = len("RIFF____WAVE")
_RIFF_TOLERANCE: Final = 16
"""By how many bytes the size in a WAV file may be off: some count its header, or padding."""


class MessageFiles:
    """The files of the messages on one PBX."""

    def __init__(self, api: Api, id_key: bytes) -> None:
        """Use an API, and the secret that message ids are made with."""
        self._api = api
        self._id_key = id_key
        self._delete_lock = asyncio.Lock()

    async def download(self, message: Message, *, can_filter: bool) -> bytes:
        """Return the recording of a message, as the PBX stores it.

        `can_filter` is whether the messages of one extension can be queried alone. If the PBX
        renames the file during the download, the result may belong to another message, and is
        discarded.

        Raises PbxGoneError if the message was deleted, and PbxUnclearError if its file cannot be
        identified.
        """
        name = await self._find(message, can_filter=can_filter)
        for _ in range(_MAX_DOWNLOADS):
            result = await self._download(name)
            before, name = name, await self._find(message, can_filter=can_filter)
            if name == before:
                if isinstance(result, PbxRejectedError):
                    # Never PbxAuthError: the query after the download has worked.
                    raise PbxRejectedError(result.errno) from result
                return result
        raise PbxUnclearError("the PBX keeps renaming the message")

    async def delete(self, message: Message, *, can_filter: bool) -> None:
        """Delete a message (OpenVox UC API, "Delete voicemail").

        It can only delete another message if the PBX renames files between the two requests.
        Parameters and errors are those of `download`.
        """
        # Each deletion renames files, so the next one must not query a file name before.
        async with self._delete_lock:
            name = await self._find(message, can_filter=can_filter)
            try:
                await self._api.request_once("voicemail/delete", decode_short, name.parameters)
            except PbxAuthError as err:
                # The query before has worked, so a new token would not help.
                raise PbxRejectedError(err.errno) from err

    async def _find(self, message: Message, *, can_filter: bool) -> FileName:
        try:
            return await self._api.request(
                "voicemail/query",
                partial(self._read_name, message),
                {"extid": message.extension} if can_filter else None,
                max_bytes=MAX_LIST_BYTES,
            )
        except PbxRejectedError as err:
            if err.errno in (NO_SUCH_EXTENSION, NO_SUCH_FILE):
                raise PbxGoneError("the mailbox is not on the PBX any more") from err
            raise

    async def _read_name(self, message: Message, response: HttpResponse) -> FileName:
        body = response.body

        def parse() -> FileName:
            return find_file_name(decode(body), message.extension, message.id, self._id_key)

        return parse() if len(body) < OFF_LOOP_BYTES else await asyncio.to_thread(parse)

    async def _download(self, name: FileName) -> bytes | PbxRejectedError:
        """Return the content of a file, or the error with which the PBX refuses it.

        OpenVox UC API, "Download voicemail": a random string allows one download within 30
        seconds, from the address that requested it.
        """
        try:
            reply = await self._api.request_once(
                "voicemail/get_random", decode_short, name.parameters
            )
            if not (random := as_text(reply.get("random"))):
                raise PbxReplyError("the reply has no random string")
            response = await self._api.download(
                "voicemail/download", {**name.parameters, "random": random}
            )
            _check_audio(response)
        except PbxRejectedError as err:
            return err
        return response.body


def _check_audio(response: HttpResponse) -> None:
    """Raise PbxError if a response is not a recording, or an incomplete one."""
    body = response.body
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        decode(body)
    if not start or start.startswith((b"{", b"[", b"<")):
        raise PbxReplyError("the answer is not a recording")
    if not body.startswith(b"RIFF"):
        return
    size = int.from_bytes(body[4:8], "little")
    # Some PBXs write a placeholder as the size, which is larger than any recording.
    is_cut_off = len(body) + _RIFF_TOLERANCE < size <= MAX_RECORDING_BYTES
    if len(body) < _RIFF_HEADER_BYTES or (is_cut_off and not response.is_whole):
        raise PbxConnectionError("the PBX hung up within the recording")
