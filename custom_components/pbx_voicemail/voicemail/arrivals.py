"""Which messages are new: the journal of those announced, which outlives restarts.

The journal holds the ids of messages that have been announced, or were there at the first
look, by extension, and of those only the ones that are still on the PBX. A mailbox that is
told as empty keeps its last ids: it may be the PBX that has lost it for a while, and then
its messages are no news when they come back.

With the ids it keeps the secret that is part of them, and the UTC offset that the PBX's
clock showed then: dates, and so ids, change with it. A journal that was begun without a
secret goes on without, so that its ids stay valid.
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


def _current(content: dict[str, Any]) -> dict[str, Any]:
    """Return a journal as this version writes it: 0.1 kept the UTC offset of the PBX's clock."""
    offset = content.get("clock_offset")
    rest = {key: value for key, value in content.items() if key != "clock_offset"}
    return rest if offset is None else {"id_context": str(offset), **rest}


_JOURNAL: Final = vol.Schema(
    vol.All(
        dict,
        _current,
        {
            vol.Required("chosen"): [str],
            vol.Required("announced"): {str: str},
            vol.Optional("id_key", default=""): vol.Match(r"^([0-9a-f]{2}){0,64}$"),
            vol.Optional("id_context", default=None): vol.Any(None, str),
            vol.Optional("paused", default=False): bool,
        },
    )
)
_KEY_BYTES: Final = 32

_TIDY_SECONDS: Final = 60
"""When the journal drops messages that are gone: no news, so it can wait."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to announce. It came `while_away` if nobody looked when it did."""

    message: Message
    while_away: bool


class Arrivals:
    """Finds new messages, and says each of them once.

    Saying comes before writing down: a crash between the two repeats what was just said,
    and loses nothing.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, chosen: Collection[str]) -> None:
        """Take the extensions that are chosen; none means all."""
        self._hass = hass
        self._store: Store[dict[str, Any]] = Store(
            hass, _VERSION, f"{DOMAIN}.{entry_id}", private=True
        )
        self._chosen = sorted(chosen)
        self.id_key = token_hex(_KEY_BYTES)
        """The secret that is part of the ids, in hexadecimal."""
        self.id_context: str | None = None
        """What the ids depended on when they were read (`PbxClient.id_context`)."""
        self._journal: _Journal | None = None
        self._is_loaded = False
        self._is_paused = False
        self._announced: dict[str, str] = {}
        """Ids by extension, in one text each: a set takes five times as much."""
        self._while_away: frozenset[str] = frozenset()
        self._is_being_written = False

    async def async_load(self) -> None:
        """Read the journal, best before the PBX is asked for the first time."""
        self._is_loaded = True
        if (journal := await self._load()) is None:
            return
        self._journal = journal
        self.id_key = journal.id_key
        self.id_context = journal.id_context
        self._announced = {
            number: ids for number, ids in journal.announced.items() if self._follows(number)
        }

    async def async_start(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Take bearings from the first good look since the start.

        Without a journal, and for extensions that were not followed before, what is there
        is no news.
        """
        if not self._is_loaded:
            await self.async_load()
        journal = self._journal
        unfollowed = [
            mailbox
            for mailbox in mailboxes.values()
            if journal is None or journal.paused or not journal.followed(mailbox.extension)
        ]
        for mailbox in unfollowed:
            self._announced[mailbox.extension] = _join(mailbox.ids)
        self._while_away = frozenset().union(
            *(mailbox.ids - self._known(mailbox.extension) for mailbox in mailboxes.values())
        )
        if journal is None or journal.paused or journal.chosen != self._chosen:
            await self._store.async_save(self._content())

    @callback
    def suspects(self, mailboxes: Mapping[str, Mailbox]) -> dict[str, frozenset[str]]:
        """Return the ids of mailboxes in which known messages are gone and others are new."""
        suspects = {}
        for extension, mailbox in mailboxes.items():
            known = self._known(extension)
            ids = mailbox.ids if known else known
            if known - ids and ids - known:
                suspects[extension] = known
        return suspects

    @callback
    def rename(self, renamed: Mapping[str, str], id_context: str | None) -> None:
        """Follow messages that got other ids, old to new.

        `id_context` is what ids depend on now, None if that is unknown.
        """
        if renamed:
            for extension in self._announced:
                ids = self._known(extension)
                if ids & renamed.keys():
                    self._announced[extension] = _join([renamed.get(one, one) for one in ids])
        changed = id_context not in (None, self.id_context)
        if changed:
            self.id_context = id_context
        if renamed or changed:
            self._write(soon=bool(renamed))

    @callback
    def news(self, mailbox: Mailbox) -> list[Arrival]:
        """Return what is to be announced of a mailbox, oldest first."""
        new = mailbox.ids - self._known(mailbox.extension)
        return [
            Arrival(message, message.id in self._while_away)
            for message in reversed(mailbox.messages if new else ())
            if message.id in new
        ]

    @callback
    def note(self, mailbox: Mailbox, announced: Collection[Message] = ()) -> None:
        """Take down what has just been announced, and drop what has left the mailbox."""
        known = self._known(mailbox.extension)
        ids = known.union(message.id for message in announced)
        if mailbox.count:
            ids &= mailbox.ids
        if ids != known:
            self._announced[mailbox.extension] = _join(ids)
            self._write(soon=bool(announced))

    async def async_save(self) -> None:
        """Write down what is still to be written, before another run reads it."""
        await self._store.async_save(self._content())

    async def async_pause(self) -> None:
        """Let all that comes before the next start be no news."""
        self._is_paused = True
        await self.async_save()

    async def async_remove(self) -> None:
        """Delete the journal."""
        await self._store.async_remove()

    def _write(self, *, soon: bool) -> None:
        """Have the journal written.

        News is written at once, in one go for all mailboxes of a poll, and not by way of the
        store's delay: a later one, asked for before or after, would put it off.
        """
        if self._is_being_written:
            return
        if soon:
            self._is_being_written = True
            self._hass.async_create_task(self.async_save(), eager_start=False)
        else:
            self._store.async_delay_save(self._content, _TIDY_SECONDS)

    def _known(self, extension: str) -> frozenset[str]:
        return frozenset(self._announced.get(extension, "").split())

    def _follows(self, extension: str) -> bool:
        return not self._chosen or extension in self._chosen

    def _content(self) -> dict[str, Any]:
        self._is_being_written = False
        return {
            "chosen": self._chosen,
            "announced": dict(self._announced),
            "id_key": self.id_key,
            "id_context": self.id_context,
            "paused": self._is_paused,
        }

    async def _load(self) -> _Journal | None:
        """Read the journal, None if there is none, or none that can be read."""
        try:
            content = await self._store.async_load()
            return None if content is None else _Journal(**_JOURNAL(content))
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning(
                "The journal of announced messages cannot be read (%s); the messages that are "
                "on the PBX now count as announced",
                type(err).__name__,
            )
            return None


@dataclass(frozen=True, slots=True)
class _Journal:
    """What was written down, and under which choice of extensions."""

    chosen: list[str]
    announced: Mapping[str, str]
    id_key: str
    id_context: str | None
    paused: bool

    def followed(self, extension: str) -> bool:
        return not self.chosen or extension in self.chosen


def _join(ids: Collection[str]) -> str:
    return " ".join(sorted(ids))
