"""Single messages on an Asterisk: deleting them, and marking them as heard."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from ..errors import PbxGoneError, PbxRejectedError, PbxTimeoutError, PbxUnclearError
from ..models import Message
from .errors import OldFolderFullError, UserRightMissingError
from .mailbox_list import MailboxList, Place
from .session import Session
from .summary import OLD, Entry, Summary, ask_for_summary

_TRIES: Final = 3
"""How often something is done to a message that keeps being moved."""

_SUCCESSFUL: Final = "successful"


class Messages:
    """Finds messages, and changes them by the ids that Asterisk gives them."""

    def __init__(self, session: Session, mailbox_list: MailboxList, id_key: bytes) -> None:
        """Take where to ask, and the secret that goes into the ids of messages."""
        self._session = session
        self._list = mailbox_list
        self._id_key = id_key
        # Asterisk finds a message by its id and then deletes the file of that number, which
        # another action may have given to another message in between.
        self._changing = asyncio.Lock()

    async def find(self, message: Message) -> tuple[Summary, Sequence[Entry]]:
        """Return a summary of the mailbox, and where in it the message is, at least once.

        Raises PbxGoneError if it is not there any more.
        """
        place = Place.of(message.extension)
        may_be_cut = False
        # A summary may just miss a message that is moved.
        for _ in range(2):
            summary = await ask_for_summary(self._session, place, self._id_key)
            if summary is None:
                raise PbxGoneError("the mailbox is not on the PBX any more")
            if entries := summary.find(message):
                return summary, entries
            may_be_cut = summary.may_be_cut
        if may_be_cut:
            raise PbxTimeoutError("the PBX keeps the mailbox locked")
        raise PbxGoneError("the message is no longer on the PBX")

    async def delete(self, message: Message) -> None:
        """Delete a message, in whatever folders it is.

        Raises PbxGoneError if it is gone, PbxUnclearError if nothing addresses it, and
        PbxRejectedError if Asterisk does not do it.
        """
        is_removed = False
        async with self._changing:
            for _ in range(_TRIES):
                try:
                    summary, entries = await self.find(message)
                except PbxGoneError:
                    if is_removed:
                        return
                    raise
                done = [await self._act("VoicemailRemove", summary, entry) for entry in entries]
                if all(done):
                    return
                is_removed |= any(done)
        raise PbxRejectedError(None)

    async def mark_read(self, message: Message) -> None:
        """Move a message to the folder Old, unless it was heard. Errors are those of `delete`.

        Raises OldFolderFullError if the folder is.
        """
        async with self._changing:
            for _ in range(_TRIES):
                summary, entries = await self.find(message)
                done = [
                    await self._act("VoicemailMove", summary, entry, {"ToFolder": OLD})
                    for entry in entries
                    if not entry.is_read
                ]
                if all(done):
                    return
        listed = self._list.mailboxes.get(message.extension)
        if listed and summary.counts[1] >= listed.capacity:
            raise OldFolderFullError(message.extension)
        raise PbxRejectedError(None)

    async def _act(
        self, action: str, summary: Summary, entry: Entry, fields: Mapping[str, str] | None = None
    ) -> bool:
        """Return whether Asterisk did something to a message. It may just have been moved."""
        if not entry.id:
            raise PbxUnclearError("the PBX has no id for the message")
        response = await self._session.ask(
            action,
            {**summary.place.fields, "Folder": entry.folder, "ID": entry.id, **(fields or {})},
            missing=UserRightMissingError,
        )
        return response.reply.message.endswith(_SUCCESSFUL)
