"""Finds new messages, and remembers across restarts which have been announced.

They are remembered in a journal: a file with the ids of the messages that have been announced or
were there at the first poll, for each extension and only while they are on the PBX. A mailbox that
becomes empty keeps its last ids, since a PBX can lose a mailbox for a moment, and its messages
must not be announced again afterwards.

The journal also has the secret that ids are made with, and the id context of the PBX client, on
which ids depend. Journals of early versions have no secret; they continue without one, so that
their ids stay valid. `unseen` are extensions whose mailbox could not be read yet.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import logging
from secrets import token_hex
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
import voluptuous as vol

from ..const import DOMAIN
from ..pbx import Mailbox, Message

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1


def _migrate(data: dict[str, Any]) -> dict[str, Any]:
    """Return a journal in the current format: 0.1 stored the UTC offset of the PBX's clock."""
    offset = data.get("clock_offset")
    rest = {key: value for key, value in data.items() if key != "clock_offset"}
    return rest if offset is None else {"id_context": str(offset), **rest}


_JOURNAL_SCHEMA: Final = vol.Schema(
    vol.All(
        dict,
        _migrate,
        {
            vol.Required("chosen"): [str],
            vol.Required("announced"): {str: str},
            vol.Optional("id_key", default=""): vol.Match(r"^([0-9a-f]{2}){0,64}$"),
            vol.Optional("id_context", default=None): vol.Any(None, str),
            vol.Optional("paused", default=False): bool,
            vol.Optional("unseen", default=[]): [str],
        },
    )
)
_KEY_BYTES: Final = 32

_SAVE_DELAY: Final = 60
"""How many seconds after a message is gone its id is removed from the file."""


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
        self._store: Store[dict[str, Any]] = Store(
            hass,
            _VERSION,
            f"{DOMAIN}.{entry_id}",
            private=True,
            # A large journal takes milliseconds to serialize.
            serialize_in_event_loop=False,
        )
        self._chosen = sorted(chosen)
        self.id_key = token_hex(_KEY_BYTES)
        """The secret that ids are made with, in hexadecimal."""
        self.id_context: str | None = None
        """`PbxClient.id_context` as it was when the ids were stored."""
        self._journal: _Journal | None = None
        self._is_loaded = False
        self._is_paused = False
        self._announced: dict[str, str] = {}
        """Ids by extension, joined by spaces: a set takes five times as much memory."""
        self._while_away: frozenset[str] = frozenset()
        self._unseen: frozenset[str] = frozenset()
        self._is_saving_soon = False

    async def async_load(self) -> None:
        """Load the journal, before the first poll so that the client can use `id_key`."""
        self._is_loaded = True
        if (journal := await self._load()) is None:
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
            await self._store.async_save(self._data_to_save())

    @callback
    def async_look(self, mailboxes: Mapping[str, Mailbox], unreadable: Collection[str]) -> None:
        """Let the messages of extensions count as announced that can be read for the first time."""
        if self._unseen.difference(unreadable):
            self._look(mailboxes, unreadable)
            self._schedule_save(soon=True)

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
                    self._announced[extension] = _join(
                        [renamed.get(message_id, message_id) for message_id in ids]
                    )
        has_new_context = id_context not in (None, self.id_context)
        if has_new_context:
            self.id_context = id_context
        if renamed or has_new_context:
            self._schedule_save(soon=bool(renamed))

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
        if ids != known:
            self._announced[mailbox.extension] = _join(ids)
            self._schedule_save(soon=bool(announced))

    async def async_save(self) -> None:
        """Save the journal now."""
        self._is_saving_soon = False
        await self._store.async_save(self._data_to_save())

    async def async_pause(self) -> None:
        """Let all messages that come before the next start count as announced."""
        self._is_paused = True
        await self.async_save()

    async def async_remove(self) -> None:
        """Delete the journal."""
        await self._store.async_remove()

    def _schedule_save(self, *, soon: bool) -> None:
        """Save the journal once for all mailboxes of a poll, after they have been processed.

        `soon` does not use the delay of the store, which a second request would prolong.
        """
        if self._is_saving_soon:
            return
        if soon:
            self._is_saving_soon = True
            self._hass.async_create_task(self.async_save(), eager_start=False)
        else:
            self._store.async_delay_save(self._data_to_save, _SAVE_DELAY)

    def _look(self, mailboxes: Mapping[str, Mailbox], unreadable: Collection[str]) -> None:
        seen = self._unseen.difference(unreadable)
        self._unseen -= seen
        for extension in seen & mailboxes.keys():
            self._announced[extension] = _join(mailboxes[extension].ids)

    def _known(self, extension: str) -> frozenset[str]:
        return frozenset(self._announced.get(extension, "").split())

    def _is_chosen(self, extension: str) -> bool:
        return not self._chosen or extension in self._chosen

    def _data_to_save(self) -> dict[str, Any]:
        return {
            "chosen": self._chosen,
            "announced": dict(self._announced),
            "id_key": self.id_key,
            "id_context": self.id_context,
            "paused": self._is_paused,
            "unseen": sorted(self._unseen),
        }

    async def _load(self) -> _Journal | None:
        """Return the journal, None if there is none or it is damaged."""
        try:
            data = await self._store.async_load()
            return None if data is None else _Journal(**_JOURNAL_SCHEMA(data))
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning(
                "The journal of announced messages cannot be read (%s); the messages that are "
                "on the PBX now count as announced",
                type(err).__name__,
            )
            return None


@dataclass(frozen=True, slots=True)
class _Journal:
    """The stored data, and the extensions that were chosen then."""

    chosen: list[str]
    announced: Mapping[str, str]
    id_key: str
    id_context: str | None
    paused: bool
    unseen: list[str]

    def includes(self, extension: str) -> bool:
        is_chosen = not self.chosen or extension in self.chosen
        return is_chosen and extension not in self.unseen


def _join(ids: Collection[str]) -> str:
    return " ".join(sorted(ids))
