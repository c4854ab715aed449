"""What is done to single messages: playing, deleting, and marking them as read."""

import asyncio
import re
from typing import Final

from ..errors import (
    PbxAuthError,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxRejectedError,
    PbxReplyError,
    PbxUnclearError,
    PbxUnsupportedError,
)
from ..http import MAX_RECORDING_BYTES, HttpResponse
from ..json_values import JsonObject, as_text
from ..models import Message, message_id
from .errors import FirmwareTooOldError, ParameterRefusedError
from .mailboxes import Mailboxes
from .query import MailboxQuery
from .reply import NOT_FOUND, decode
from .requests import Body
from .session import Session

_READ: Final[tuple[str | int, ...]] = (1, "1")
"""The mark as the guide sends it, and in the type that it gives for it ("Update Read Status")."""

_LINK: Final = re.compile(r"/(api/download/(?!\.)[^/?#%\\\s]{1,255})")
"""The only form of a link to a recording: another one could send the token elsewhere."""

_RIFF_TOLERANCE: Final = 16
"""By how many bytes an audio file may be shorter than it says: some programs count wrongly."""


class Actions:
    """Finds messages by the ids that they have here, right before something is done to them."""

    def __init__(
        self, session: Session, query: MailboxQuery, mailboxes: Mailboxes, id_key: bytes
    ) -> None:
        """Take where to ask, and the secret that goes into the ids of messages."""
        self._session = session
        self._query = query
        self._mailboxes = mailboxes
        self._id_key = id_key
        self._marks = list(_READ)

    async def delete(self, message: Message) -> None:
        """Delete a message. Raises PbxGoneError, and PbxUnclearError if others have its id.

        If the answer is lost, the request is not repeated: the mailbox tells what it did.
        """
        pbx_id = await self._find(message, is_alone=True)
        try:
            await self._ask("vm/delete", query={"id": pbx_id})
        except PbxConnectionError, PbxReplyError:
            if not await self._is_gone(message):
                raise

    async def mark_read(self, message: Message) -> None:
        """Mark a message as read. Raises the errors of `delete`."""
        pbx_id = await self._find(message, is_alone=True)
        while True:
            try:
                await self._ask("vm/update", body={"id": pbx_id, "vm_status": self._marks[0]})
            except ParameterRefusedError:
                if len(self._marks) == 1:
                    raise
                self._marks.pop(0)
            else:
                return

    async def download(self, message: Message) -> bytes:
        """Return a recording ("Download a Voicemail Message"). Each call makes the PBX copy it once.

        Raises PbxGoneError if the message is no longer there.
        """
        pbx_id = await self._find(message)
        reply = await self._ask("vm/download", query={"msg_id": pbx_id})
        if not (link := _LINK.fullmatch(as_text(reply.get("download_resource_url")))):
            raise PbxReplyError("the reply has no link to the recording")
        try:
            response = await self._session.download(link[1])
            _check_audio(response)
        except PbxAuthError as err:
            # The token was accepted for the link, so another one would not help.
            raise PbxRejectedError(err.errno) from err
        return response.body

    async def _find(self, message: Message, *, is_alone: bool = False) -> str:
        """Return the PBX's id of a message; with `is_alone`, one that no other mailbox has."""
        try:
            answer = await self._query.ask((message.extension,))
        except ParameterRefusedError as err:
            raise PbxGoneError("the mailbox is not on the PBX any more") from err
        for pbx_id in answer.entries(message.extension):
            if message_id(self._id_key, message.extension, pbx_id) != message.id:
                continue
            if is_alone:
                holders = await asyncio.to_thread(self._mailboxes.holders, pbx_id)
                if holders - {message.extension}:
                    raise PbxUnclearError("another mailbox has a message with the same id")
            return pbx_id
        raise PbxGoneError("the message is no longer on the PBX")

    async def _is_gone(self, message: Message) -> bool:
        try:
            await self._find(message)
        except PbxGoneError:
            return True
        except PbxError:
            pass
        return False

    async def _ask(
        self, path: str, *, query: dict[str, str] | None = None, body: Body | None = None
    ) -> JsonObject:
        """Return the reply to a request about one message. Raises PbxGoneError if it is gone."""
        try:
            return await self._session.ask(path, query, body)
        except PbxUnsupportedError:
            raise FirmwareTooOldError from None
        except PbxRejectedError as err:
            if err.errno == NOT_FOUND:
                raise PbxGoneError("the message is no longer on the PBX") from err
            raise


def _check_audio(response: HttpResponse) -> None:
    """Raise PbxError if a response is not a recording, or an incomplete one.

    A link that has expired may be answered with status 200 as well.
    """
    body = response.body
    if body[:64].lstrip().startswith(b"{"):
        decode(body)
    if not body.startswith(b"RIFF") or body[8:12] != b"WAVE":
        raise PbxReplyError("the answer is not a recording")
    size = int.from_bytes(body[4:8], "little")
    if len(body) + _RIFF_TOLERANCE < size <= MAX_RECORDING_BYTES and not response.is_whole:
        raise PbxConnectionError("the PBX hung up within the recording")
