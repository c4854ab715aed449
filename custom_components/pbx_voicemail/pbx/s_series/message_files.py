"""Downloads and deletes single messages, which the API addresses by file name.

The PBX renames its files whenever a message is deleted or heard, so it is asked for the name
right before each use.
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
from ..models import Message
from .api import Api
from .file_names import FileName, find_file_name
from .reply import NO_SUCH_EXTENSION, NO_SUCH_FILE, OFF_LOOP_BYTES, decode, decode_now, text

_DOWNLOADS: Final = 5
"""How often a recording is downloaded while the PBX keeps renaming it."""

_RIFF_HEADER: Final = len("RIFF____WAVE")
_RIFF_SLACK: Final = 16
"""By how many bytes the size in a WAV file may be off: some count its header, or padding."""


class MessageFiles:
    """The files of messages on one PBX."""

    def __init__(self, api: Api, id_key: bytes) -> None:
        """Take the secret that goes into the ids of messages."""
        self._api = api
        self._id_key = id_key
        self._deleting = asyncio.Lock()

    async def download(self, message: Message, *, selects: bool) -> bytes:
        """Return the audio of a message as the PBX keeps it, which need not be a WAV file.

        `selects` is whether the PBX can be asked for one extension alone. The PBX may rename
        its files at any moment, so it is asked for the name before and again after: what came
        under a name that moved meanwhile may be another message's, and is thrown away.

        Raises PbxGoneError if the message is not there any more, and PbxUnclearError if it
        cannot be told apart from others.
        """
        name = await self._find(message, selects=selects)
        for _ in range(_DOWNLOADS):
            result = await self._download(name)
            before, name = name, await self._find(message, selects=selects)
            if name == before:
                if isinstance(result, PbxRejectedError):
                    # Not as PbxAuthError: the token was good for the question in between.
                    raise PbxRejectedError(result.errno) from result
                return result
        raise PbxUnclearError("the PBX keeps renaming the message")

    async def delete(self, message: Message, *, selects: bool) -> None:
        """Delete a message (OpenVox UC API, "Delete voicemail").

        Only if the PBX renames its files between the two requests, another message is hit.
        Arguments and errors are those of `download`.
        """
        # Each deletion renames files, so the next may ask for a name only after it.
        async with self._deleting:
            name = await self._find(message, selects=selects)
            try:
                await self._api.ask_once("voicemail/delete", decode_now, name.parameters)
            except PbxAuthError as err:
                # The token was good for the question before: a new one would not help.
                raise PbxRejectedError(err.errno) from err

    async def _find(self, message: Message, *, selects: bool) -> FileName:
        try:
            return await self._api.ask(
                "voicemail/query",
                partial(self._read_name, message),
                {"extid": message.extension} if selects else None,
                max_bytes=MAX_LIST_BYTES,
            )
        except PbxRejectedError as err:
            if err.errno in (NO_SUCH_EXTENSION, NO_SUCH_FILE):
                raise PbxGoneError("the mailbox is not on the PBX any more") from err
            raise

    async def _read_name(self, message: Message, body: bytes) -> FileName:
        def parse() -> FileName:
            return find_file_name(decode(body), message.extension, message.id, self._id_key)

        return parse() if len(body) < OFF_LOOP_BYTES else await asyncio.to_thread(parse)

    async def _download(self, name: FileName) -> bytes | PbxRejectedError:
        """Return the audio in a file, or the PBX's refusal to give it out.

        OpenVox UC API, "Download voicemail": a random string allows one download, within
        30 seconds, and only to the address that asked for it.
        """
        try:
            reply = await self._api.ask_once("voicemail/get_random", decode_now, name.parameters)
            if not (random := text(reply.get("random"))):
                raise PbxReplyError("the reply has no random string")
            response = await self._api.download(
                "voicemail/download", {**name.parameters, "random": random}
            )
            _check_audio(response)
        except PbxRejectedError as err:
            return err
        return response.body


def _check_audio(response: HttpResponse) -> None:
    """Raise what a body means that is no recording, or only the beginning of one."""
    body = response.body
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        decode(body)
    if not start or start.startswith((b"{", b"[", b"<")):
        raise PbxReplyError("the answer is not a recording")
    if not body.startswith(b"RIFF"):
        return
    size = int.from_bytes(body[4:8], "little")
    # PBXs that write the header first give some size that no recording has.
    misses_more = len(body) + _RIFF_SLACK < size <= MAX_RECORDING_BYTES
    if len(body) < _RIFF_HEADER or (misses_more and not response.is_whole):
        raise PbxConnectionError("the PBX hung up within the recording")
