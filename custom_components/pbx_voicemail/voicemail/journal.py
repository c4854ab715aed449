"""The journal: which messages have been announced, across restarts.

It has the ids of the messages that have been announced or were there at the first poll, for each
extension and only while they are on the PBX. A mailbox that becomes empty keeps its last ids,
since a PBX can lose a mailbox for a moment, and its messages must not be announced again
afterwards.

It also has the secret that ids are made with, and the id context of the PBX client, on which ids
depend. Journals of early versions have no secret; they continue without one, so that their ids
stay valid.

For 50,000 messages, this is a file of almost a megabyte. A second one has the messages that have
been announced since the first was written, so that a new message costs a few kilobytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
import logging
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
import voluptuous as vol

from ..const import DOMAIN

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1

_MAX_LATEST: Final = 200
"""How many messages are announced until the large file is written again."""

_DELAY: Final = 60
"""How many seconds after a message is gone its id is removed from the file."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What is stored. `chosen` are the extensions that were chosen then, all if it is empty.

    `announced` are ids by extension, joined by spaces: a set takes five times as much memory.
    `paused` is whether all that comes before the next start counts as announced, and `unseen`
    are extensions whose mailbox could not be read yet.
    """

    chosen: Sequence[str]
    announced: Mapping[str, str]
    id_key: str
    id_context: str | None
    paused: bool
    unseen: Sequence[str]

    def includes(self, extension: str) -> bool:
        """Return whether an extension was followed and its mailbox has been read."""
        is_chosen = not self.chosen or extension in self.chosen
        return is_chosen and extension not in self.unseen

    def as_dict(self) -> dict[str, Any]:
        """Return what goes into the file."""
        return {
            "chosen": self.chosen,
            "announced": self.announced,
            "id_key": self.id_key,
            "id_context": self.id_context,
            "paused": self.paused,
            "unseen": self.unseen,
        }

    def with_latest(self, latest: Mapping[str, str]) -> Journal:
        """Return the journal with more announced messages, extensions by id."""
        announced = {extension: set(ids.split()) for extension, ids in self.announced.items()}
        for message_id, extension in latest.items():
            announced.setdefault(extension, set()).add(message_id)
        return replace(self, announced={number: join_ids(ids) for number, ids in announced.items()})


def join_ids(ids: Iterable[str]) -> str:
    """Return ids in one text, as the journal has them."""
    return " ".join(sorted(ids))


def _migrate(data: dict[str, Any]) -> dict[str, Any]:
    """Return a journal in the current format: 0.1 stored the UTC offset of the PBX's clock."""
    offset = data.get("clock_offset")
    rest = {key: value for key, value in data.items() if key != "clock_offset"}
    return rest if offset is None else {"id_context": str(offset), **rest}


_JOURNAL: Final = vol.Schema(
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
_LATEST: Final = vol.Schema({str: str})
"""Extensions by message id."""


class JournalStore:
    """The files of the journal of one PBX, for Home Assistant's user alone."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Take the id of the entry."""
        key = f"{DOMAIN}.{entry_id}"
        # A large journal takes milliseconds to serialize.
        self._all: Store[dict[str, Any]] = Store(
            hass, _VERSION, key, private=True, serialize_in_event_loop=False
        )
        self._latest: Store[dict[str, str]] = Store(hass, _VERSION, f"{key}.latest", private=True)
        self._latest_ids: dict[str, str] = {}

    async def async_load(self) -> Journal | None:
        """Return the journal, None if there is none or it is damaged."""
        try:
            if (data := await self._all.async_load()) is None:
                return None
            journal = Journal(**_JOURNAL(data))
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning(
                "The journal of announced messages cannot be read (%s); the messages that are "
                "on the PBX now count as announced",
                type(err).__name__,
            )
            return None
        await self._load_latest()
        return journal.with_latest(self._latest_ids)

    async def _load_latest(self) -> None:
        try:
            self._latest_ids = _LATEST(await self._latest.async_load() or {})
        except (HomeAssistantError, vol.Invalid) as err:
            _LOGGER.warning(
                "The journal of the latest messages cannot be read (%s); they are announced again",
                type(err).__name__,
            )

    def add(self, extension: str, ids: Iterable[str]) -> None:
        """Note that messages have been announced, for `async_save_latest`."""
        self._latest_ids |= dict.fromkeys(ids, extension)

    @property
    def is_latest_full(self) -> bool:
        """Return whether it is time to save the whole journal."""
        return len(self._latest_ids) > _MAX_LATEST

    async def async_save_latest(self) -> None:
        """Save the messages that were added since the whole journal was."""
        await self._latest.async_save(dict(self._latest_ids))

    async def async_save(self, journal: Journal) -> None:
        """Save the whole journal."""
        saved = tuple(self._latest_ids)
        await self._all.async_save(journal.as_dict())
        # Only now, and only these: meanwhile, there may have been a crash, or others.
        for message_id in saved:
            self._latest_ids.pop(message_id, None)
        if saved:
            await self.async_save_latest()

    @callback
    def async_save_later(self, journal: Callable[[], Journal]) -> None:
        """Save the whole journal when there may be more to save."""
        self._all.async_delay_save(lambda: journal().as_dict(), _DELAY)

    async def async_remove(self) -> None:
        """Delete the journal."""
        await self._all.async_remove()
        await self._latest.async_remove()
