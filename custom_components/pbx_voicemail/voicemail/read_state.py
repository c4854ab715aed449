"""Marks messages as read or unread, here and on PBXs that can be told."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
import logging
from math import inf
from time import monotonic
from typing import Final

from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from ..const import DOMAIN
from ..errors import translated_error
from ..pbx import (
    Capability,
    Mailbox,
    Message,
    PbxClient,
    PbxConnectionError,
    PbxGoneError,
    PbxSetupError,
)
from .data import MessageSource
from .read_marks import ReadMarks

_LOGGER = logging.getLogger(__name__)

_SETUP_SECONDS: Final = 10 * 60
"""How long a PBX that has to be set up first is not told again, unless a person marks a message."""


class ReadState:
    """Knows which messages of one PBX are read.

    A PBX that can be told is told at once or, if that fails, after the next good poll. It has
    the last word once it has been told: a message that somebody marks as unread on it is unread.
    """

    def __init__(
        self,
        source: MessageSource,
        client: PbxClient,
        marks: ReadMarks,
        tell_pbx: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Take the marks, which have been loaded.

        `tell_pbx` tells the PBX that a message was heard, or raises HomeAssistantError.
        """
        self.marks = marks
        self.mailboxes: Mapping[str, Mailbox] = {}
        """The mailboxes of the last good poll as the PBX described them, without marks."""
        self._source = source
        self._tell_pbx = tell_pbx
        self._client = client
        self._confirming: frozenset[str] = frozenset()
        self._telling = asyncio.Lock()
        self._next_retry = -inf

    @callback
    def poll_begins(self) -> None:
        """Note of which marks this poll will show what the PBX has made of them."""
        self._confirming = self.marks.told

    @callback
    def poll_succeeded(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Mailbox]:
        """Return the mailboxes of a poll with the marks applied."""
        self.marks.drop(self._confirming)
        self.mailboxes = mailboxes
        if (
            self._can_tell
            and self.marks.extensions.keys() - self.marks.told
            and not self._telling.locked()
            and monotonic() >= self._next_retry
        ):
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._retry(), f"{DOMAIN} read marks", eager_start=False
            )
        return self.marks.apply(mailboxes)

    @callback
    def async_note_heard(self, message: Message) -> None:
        """Mark a message whose audio is sent to a person, and tell the PBX meanwhile."""
        if not message.read:
            self._source.config_entry.async_create_background_task(
                self._source.hass, self._note_heard(message), f"{DOMAIN} heard message"
            )

    async def async_mark_read(self, messages: Collection[Message]) -> None:
        """Mark messages as read.

        Raises HomeAssistantError if the PBX could not be told. It will be told later.
        """
        if self.marks.mark(message for message in messages if not message.read):
            self._source.async_apply_marks()
        if self._can_tell:
            await self._tell()

    @callback
    def async_mark_unread(self, messages: Collection[Message]) -> None:
        """Take marks back.

        Raises ServiceValidationError, having changed nothing, if the PBX itself says that one
        of the messages was heard: it cannot be told otherwise.
        """
        if any(self._is_read_on_pbx(message) for message in messages):
            raise translated_error(ServiceValidationError, "cannot_mark_unread")
        if self.marks.unmark(messages):
            self._source.async_apply_marks()

    def _is_read_on_pbx(self, message: Message) -> bool:
        mailbox = self.mailboxes.get(message.extension)
        on_pbx = mailbox.find(message.id) if mailbox else None
        return message.id in self.marks.told or bool(on_pbx and on_pbx.read)

    @property
    def _can_tell(self) -> bool:
        return Capability.MARK_READ in self._client.capabilities

    async def _note_heard(self, message: Message) -> None:
        with _ignored_errors():
            await self.async_mark_read([message])

    async def _retry(self) -> None:
        with _ignored_errors():
            await self._tell()

    async def _tell(self) -> None:
        """Tell the PBX of all marks that it does not know yet. Raises HomeAssistantError."""
        async with self._telling:
            try:
                await self._tell_each()
            except HomeAssistantError as err:
                if isinstance(err.__cause__, PbxSetupError):
                    self._next_retry = monotonic() + _SETUP_SECONDS
                raise

    async def _tell_each(self) -> None:
        """Tell the PBX of one mark after the other.

        A mailbox that fails does not keep the others from being told of.
        """
        told: set[str] = set()
        failed: dict[str, HomeAssistantError] = {}
        try:
            for message_id, extension in self.marks.extensions.items():
                message = self._source.data.mailbox(extension).find(message_id)
                if message is None or message_id in self.marks.told or extension in failed:
                    continue
                try:
                    await self._tell_pbx(message)
                except HomeAssistantError as err:
                    if isinstance(err.__cause__, PbxConnectionError):
                        raise
                    if err.translation_key != PbxGoneError.kind:
                        failed[extension] = err
                        continue
                told.add(message_id)
        finally:
            if told:
                self.marks.note_told(told)
                await self._source.async_request_refresh()
        for error in failed.values():
            raise error


@contextmanager
def _ignored_errors() -> Iterator[None]:
    """Ignore that the PBX could not be told: it is tried again after the next good poll."""
    try:
        yield
    except HomeAssistantError as err:
        _LOGGER.debug("The PBX could not be told what was read: %s", err.translation_key)
