"""Which messages were marked as read in Home Assistant.

A message is read if the PBX says so or if it is marked here. Where the PBX can be told, a
mark is kept only until it has been, and the PBX's word counts from then on; else it is kept
for as long as its message. Nothing is ever marked by polling.
"""

from collections.abc import Collection, Iterable, Mapping, Set as AbstractSet
import logging
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
import voluptuous as vol

from ..const import DOMAIN
from ..pbx import Mailbox, Message

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1

_MARKS: Final = vol.Schema({vol.Required("marks"): {str: str}})
"""Ids by extension, in one text each."""

_TIDY_SECONDS: Final = 60
"""When marks of messages that are gone are deleted. No hurry: their ids never come back."""


class ReadMarks:
    """The marks of one PBX, written to disk as soon as they change."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Take the id of the entry."""
        self._hass = hass
        self._store = read_marks_store(hass, entry_id)
        self.told: frozenset[str] = frozenset()
        """Marks that the PBX knows of, kept in memory until a poll shows what it made of them."""
        self._marks: dict[str, frozenset[str]] = {}
        """Ids by extension. An extension without marks is not in it."""
        self._applied: dict[str, tuple[Mailbox, frozenset[str], Mailbox]] = {}
        self._is_being_written = False

    async def async_load(self) -> None:
        """Read the marks of earlier runs."""
        try:
            content = await self._store.async_load()
            marks = _MARKS(content)["marks"] if content is not None else {}
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning(
                "The list of messages that were marked as read cannot be read (%s)",
                type(err).__name__,
            )
            return
        self._marks = {number: frozenset(ids.split()) for number, ids in marks.items() if ids}

    async def async_save(self) -> None:
        """Write the marks."""
        await self._store.async_save(self._content())

    @property
    def extensions(self) -> dict[str, str]:
        """The messages that are marked, and their extensions."""
        return {
            message_id: extension for extension, ids in self._marks.items() for message_id in ids
        }

    def is_marked(self, message: Message) -> bool:
        """Return whether a message is marked."""
        return message.id in self._marks.get(message.extension, ())

    @callback
    def mark(self, messages: Iterable[Message]) -> bool:
        """Mark messages as read. Returns whether any was not yet."""
        return self._change(messages, marked=True)

    @callback
    def unmark(self, messages: Iterable[Message]) -> bool:
        """Take marks back. Returns whether there were any."""
        return self._change(messages, marked=False)

    @callback
    def note_told(self, message_ids: AbstractSet[str]) -> None:
        """Leave marks to the PBX, which has been told of them."""
        self.told |= message_ids
        self._write()

    @callback
    def drop(self, message_ids: AbstractSet[str]) -> None:
        """Forget the marks of messages that are gone."""
        # Also of one that was taken back while the PBX was told of it.
        self.told -= message_ids
        if any(ids & message_ids for ids in self._marks.values()):
            self._set({number: ids - message_ids for number, ids in self._marks.items()})
            self._store.async_delay_save(self._content, _TIDY_SECONDS)

    @callback
    def rename(self, renamed: Mapping[str, str]) -> None:
        """Follow messages that got other ids, old to new."""
        if any(ids & renamed.keys() for ids in self._marks.values()):
            self._set(
                {
                    number: frozenset(renamed.get(one, one) for one in ids)
                    for number, ids in self._marks.items()
                }
            )
            self._write()

    def apply(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Mailbox]:
        """Return mailboxes in which the marked messages are read.

        A mailbox without marks is the very object given, and one that has not changed since
        the last call, nor its marks, is the object returned then.
        """
        if not self._marks:
            return mailboxes
        return {number: self._apply_to(mailbox) for number, mailbox in mailboxes.items()}

    def _apply_to(self, mailbox: Mailbox) -> Mailbox:
        if not (marks := self._marks.get(mailbox.extension)):
            return mailbox
        known = self._applied.get(mailbox.extension)
        if known and known[0] is mailbox and known[1] == marks:
            return known[2]
        applied = mailbox.with_read(marks)
        self._applied[mailbox.extension] = mailbox, marks, applied
        return applied

    def _change(self, messages: Iterable[Message], *, marked: bool) -> bool:
        changed = [message for message in messages if self.is_marked(message) is not marked]
        marks = dict(self._marks)
        for extension, ids in _ids_by_extension(changed).items():
            before = marks.get(extension, frozenset())
            marks[extension] = before | ids if marked else before - ids
        if changed:
            self._set(marks)
            self._write()
        return bool(changed)

    def _set(self, marks: Mapping[str, frozenset[str]]) -> None:
        self._marks = {number: ids for number, ids in marks.items() if ids}
        for extension in self._applied.keys() - self._marks.keys():
            del self._applied[extension]

    @callback
    def _write(self) -> None:
        """Write at once, in one go for all that changes right now."""
        if not self._is_being_written:
            self._is_being_written = True
            self._hass.async_create_task(self.async_save(), eager_start=False)

    def _content(self) -> dict[str, Any]:
        self._is_being_written = False
        stored = {number: ids - self.told for number, ids in self._marks.items()}
        return {"marks": {number: " ".join(sorted(ids)) for number, ids in stored.items() if ids}}


def _ids_by_extension(messages: Collection[Message]) -> dict[str, frozenset[str]]:
    return {
        extension: frozenset(one.id for one in messages if one.extension == extension)
        for extension in {message.extension for message in messages}
    }


def read_marks_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where the marks of a PBX are kept, for Home Assistant's user alone."""
    return Store(hass, _VERSION, f"{DOMAIN}.{entry_id}.read_marks", private=True)
