"""Finds new messages, and remembers in the journal which have been announced."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from homeassistant.core import HomeAssistant, callback

from ..pbx import Mailbox, Message
from .journal import Journal, JournalStore, join_ids

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to announce. `while_away` is whether it came while the integration did not run."""

    message: Message
    while_away: bool


class Arrivals:
    """Finds the messages of one PBX that have not been announced.

    A message is announced first and stored as announced afterwards. A crash in between repeats
    an announcement, but none is lost.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, chosen: Collection[str]) -> None:
        """Follow the chosen extensions; an empty collection means all."""
        self._hass = hass
        self._store = JournalStore(hass, entry_id)
        self._chosen = sorted(chosen)
        self.id_key = token_hex(_KEY_BYTES)
        """The secret that ids are made with, in hexadecimal."""
        self.id_context: str | None = None
        """`PbxClient.id_context` as it was when the ids were stored."""
        self._journal: Journal | None = None
        self._is_loaded = False
        self._is_paused = False
        self._announced: dict[str, str] = {}
        """Ids by extension, as in the journal."""
        self._while_away: frozenset[str] = frozenset()
        self._unseen: frozenset[str] = frozenset()
        self._is_saving_soon = False
        self._is_more_to_save = False
        """Whether more has changed than what has been announced."""

    async def async_load(self) -> None:
        """Load the journal, before the first poll so that the client can use `id_key`."""
        self._is_loaded = True
        if (journal := await self._store.async_load()) is None:
            return
        self._journal = journal
        self.id_key = journal.id_key
        self.id_context = journal.id_context
        self._announced = {
            number: ids for number, ids in journal.announced.items() if self._is_chosen(number)
        }

    async def async_start(
        self, mailboxes: Mapping[str, Mailbox], unreadable: Collection[str] = ()
    ) -> None:
        """Compare the first successful poll with the journal.

        Messages count as announced if there is no journal, if it was paused, or if their
        extension was not chosen before. Those of an extension that is unreadable then do so
        at the first poll that can read them.
        """
        if not self._is_loaded:
            await self.async_load()
        journal = self._journal
        self._unseen = frozenset(
            extension
            for extension in (*mailboxes, *unreadable)
            if journal is None or journal.paused or not journal.includes(extension)
        )
        self._look(mailboxes, unreadable)
        self._while_away = frozenset().union(
            *(mailbox.ids - self._known(mailbox.extension) for mailbox in mailboxes.values())
        )
        if (
            journal is None
            or journal.paused
            or journal.chosen != self._chosen
            or self._unseen != {*journal.unseen}
        ):
            await self.async_save()

    @callback
    def async_look(self, mailboxes: Mapping[str, Mailbox], unreadable: Collection[str]) -> None:
        """Let the messages of extensions count as announced that can be read for the first time."""
        if self._unseen.difference(unreadable):
            self._look(mailboxes, unreadable)
            self._save_all_soon()

    def possibly_renamed(self, mailboxes: Mapping[str, Mailbox]) -> dict[str, frozenset[str]]:
        """Return the known ids of mailboxes in which known messages are gone and others are new.

        Their messages may be the same, with new ids.
        """
        result = {}
        for extension, mailbox in mailboxes.items():
            known = self._known(extension)
            ids = mailbox.ids if known else known
            if known - ids and ids - known:
                result[extension] = known
        return result

    @callback
    def async_rename(self, renamed: Mapping[str, str], id_context: str | None) -> None:
        """Replace the ids of messages that have new ones, old id to new.

        `id_context` is what ids depend on now, None if unknown.
        """
        if renamed:
            for extension in self._announced:
                ids = self._known(extension)
                if ids & renamed.keys():
                    self._announced[extension] = join_ids(
                        [renamed.get(message_id, message_id) for message_id in ids]
                    )
        has_new_context = id_context not in (None, self.id_context)
        if has_new_context:
            self.id_context = id_context
        if renamed:
            self._save_all_soon()
        elif has_new_context:
            self._store.async_save_later(self._to_save)

    def find_new(self, mailbox: Mailbox) -> list[Arrival]:
        """Return the messages of a mailbox that have not been announced, oldest first."""
        new = mailbox.ids - self._known(mailbox.extension)
        return [
            Arrival(message, message.id in self._while_away)
            for message in reversed(mailbox.messages if new else ())
            if message.id in new
        ]

    @callback
    def async_mark_announced(self, mailbox: Mailbox, announced: Collection[Message] = ()) -> None:
        """Remember announced messages of a mailbox, and forget those that have left it."""
        known = self._known(mailbox.extension)
        ids = known.union(message.id for message in announced)
        if mailbox.count:
            ids &= mailbox.ids
        if ids == known:
            return
        self._announced[mailbox.extension] = join_ids(ids)
        if announced:
            self._store.add(mailbox.extension, ids - known)
            self._save_soon()
        if known - ids:
            self._store.async_save_later(self._to_save)

    async def async_save(self) -> None:
        """Save the journal now."""
        self._is_more_to_save = False
        await self._store.async_save(self._to_save())

    async def async_pause(self) -> None:
        """Let all messages that come before the next start count as announced."""
        self._is_paused = True
        await self.async_save()

    async def async_remove(self) -> None:
        """Delete the journal."""
        await self._store.async_remove()

    def _save_all_soon(self) -> None:
        self._is_more_to_save = True
        self._save_soon()

    def _save_soon(self) -> None:
        """Save once for all mailboxes of a poll, after they have been processed.

        No delay of a store does this: a second request would prolong it.
        """
        if not self._is_saving_soon:
            self._is_saving_soon = True
            self._hass.async_create_task(self._save(), eager_start=False)

    async def _save(self) -> None:
        self._is_saving_soon = False
        if self._is_more_to_save or self._store.is_latest_full:
            await self.async_save()
        else:
            await self._store.async_save_latest()

    def _look(self, mailboxes: Mapping[str, Mailbox], unreadable: Collection[str]) -> None:
        seen = self._unseen.difference(unreadable)
        self._unseen -= seen
        for extension in seen & mailboxes.keys():
            self._announced[extension] = join_ids(mailboxes[extension].ids)

    def _known(self, extension: str) -> frozenset[str]:
        return frozenset(self._announced.get(extension, "").split())

    def _is_chosen(self, extension: str) -> bool:
        return not self._chosen or extension in self._chosen

    def _to_save(self) -> Journal:
        return Journal(
            chosen=self._chosen,
            announced=dict(self._announced),
            id_key=self.id_key,
            id_context=self.id_context,
            paused=self._is_paused,
            unseen=sorted(self._unseen),
        )
