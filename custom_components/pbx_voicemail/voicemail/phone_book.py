"""The phone book of a config entry: names of callers, imported from vCards."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
import logging
from pathlib import Path
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.storage import Store
import voluptuous as vol

from ..const import DOMAIN
from ..errors import translated_error
from .contacts import Contact, Directory, VcardsTooLargeError
from .phone_numbers import NumberPlan

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_CACHE_SIZE: Final = 8192
"""How many callers' names, and as many formatted numbers, are cached."""

_STORAGE_SCHEMA: Final = vol.Schema(
    {
        vol.Required("contacts"): [
            {
                vol.Required("name"): str,
                vol.Required("organization"): vol.Any(None, str),
                vol.Required("numbers"): [str],
            }
        ]
    }
)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many contacts and different numbers were imported, and how many cards were skipped."""

    contacts: int
    numbers: int
    skipped: int


class PhoneBook:
    """Finds the names of callers, and formats their numbers.

    National numbers are those of Home Assistant's country. `dial_out` is the prefix for an
    outside line, which some PBXs add to the numbers of callers. Until the phone book is loaded,
    there are no names, and numbers stay as they are.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, dial_out: str = "") -> None:
        """Create the phone book of a config entry, not loaded."""
        self.revision = 0
        """Increases whenever names or the format of numbers may have changed."""
        self._hass = hass
        self._dial_out = dial_out
        self._store: Store[dict[str, Any]] = Store(
            hass,
            _VERSION,
            f"{DOMAIN}.{entry_id}.phone_book",
            private=True,
            serialize_in_event_loop=False,
        )
        self._lock = asyncio.Lock()
        self._contacts: Sequence[Contact] = ()
        self._country: str | None = None
        self._directory: Directory | None = None
        self._is_unsaved = False
        self._listeners: set[CALLBACK_TYPE] = set()

    async def async_load(self) -> None:
        """Load the phone book. It is empty if the stored one cannot be read."""
        async with self._lock:
            contacts: Sequence[Contact] = ()
            try:
                data = await self._store.async_load()
                contacts = await self._hass.async_add_executor_job(_restore, data)
            except (HomeAssistantError, vol.Invalid) as err:
                _LOGGER.warning("The phone book cannot be read (%s)", type(err).__name__)
            await self._async_use(contacts)

    @callback
    def async_add_listener(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call a listener whenever `revision` has increased, until the returned function is called."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def async_save(self) -> None:
        """Wait for an import in progress, and save changes that are not saved."""
        async with self._lock:
            if self._is_unsaved:
                await self._async_save()

    async def async_import(self, vcards: str | Path) -> ImportResult:
        """Replace all contacts with those of vCards, in a text or a file.

        Changes nothing if there is no contact with a name and a number. Raises OSError if the
        file cannot be read, and VcardsTooLargeError.
        """
        async with self._lock:
            contacts, skipped = await self._hass.async_add_executor_job(_read, vcards)
            if not contacts:
                return ImportResult(0, 0, skipped)
            directory = await self._async_replace(contacts)
            return ImportResult(len(contacts), len(directory.names), skipped)

    async def async_clear(self) -> None:
        """Remove all contacts."""
        async with self._lock:
            await self._async_replace(())

    async def async_remove(self) -> None:
        """Delete the stored phone book."""
        async with self._lock:
            await self._store.async_remove()

    async def async_follow_country(self) -> None:
        """Update the phone book after Home Assistant's country has changed."""
        async with self._lock:
            if self._hass.config.country != self._country:
                await self._async_use(self._contacts)

    @property
    def contacts(self) -> int:
        """Number of contacts."""
        return len(self._contacts)

    @property
    def numbers(self) -> int:
        """Number of different phone numbers."""
        return len(self._directory.names) if self._directory else 0

    def name_of(self, number: str) -> str | None:
        """Return the name of a caller, None if it is unknown or ambiguous."""
        if self._directory is None or not self._directory.may_know(number):
            return None
        return self._name_of(number)

    def formatted(self, number: str) -> str:
        """Return a number as people of the country write it.

        Numbers of other countries start with `+`. Internal numbers, and texts that are not
        numbers, are returned unchanged.
        """
        return self._formatted(number) if self._directory else number

    def dialled(self, number: str) -> str | None:
        """Return a number in E.164 form, None if it is not a public number."""
        return self._number_of(number) if self._directory else None

    async def _async_replace(self, contacts: Sequence[Contact]) -> Directory:
        directory = await self._async_use(contacts)
        self._is_unsaved = True
        await self._async_save()
        return directory

    async def _async_use(self, contacts: Sequence[Contact]) -> Directory:
        country = self._hass.config.country
        directory = await self._hass.async_add_executor_job(
            _directory_of, contacts, country, self._dial_out
        )
        self._contacts = contacts
        self._country = country
        self._directory = directory
        self._name_of = lru_cache(_CACHE_SIZE)(directory.name_of)
        self._formatted = lru_cache(_CACHE_SIZE)(directory.formatted)
        self._number_of = lru_cache(_CACHE_SIZE)(directory.number_of)
        self.revision += 1
        for listener in [*self._listeners]:
            listener()
        return directory

    async def _async_save(self) -> None:
        data = await self._hass.async_add_executor_job(_data_to_save, self._contacts)
        await self._store.async_save(data)
        self._is_unsaved = False


async def async_import_vcards(book: PhoneBook, vcards: str | Path) -> ImportResult:
    """Replace all contacts of a phone book. Raises ServiceValidationError and changes nothing then.

    The key of the error's text is also that of the error in a form.
    """
    try:
        result = await book.async_import(vcards)
    except (OSError, VcardsTooLargeError) as err:
        raise translated_error(ServiceValidationError, "vcards_unreadable") from err
    if not result.contacts:
        raise translated_error(ServiceValidationError, "no_contacts")
    return result


def _read(vcards: str | Path) -> tuple[Sequence[Contact], int]:
    """Return the contacts of vCards that have a number, and how many cards were skipped."""
    # Imported here because it takes 6 MB of memory and is rarely needed.
    from .vcards import read_vcards  # noqa: PLC0415

    contents = read_vcards(vcards)
    return tuple(filter(Contact.has_number, contents.contacts)), contents.skipped


def _directory_of(contacts: Sequence[Contact], country: str | None, dial_out: str) -> Directory:
    return Directory.of(contacts, NumberPlan(country, dial_out))


def _data_to_save(contacts: Sequence[Contact]) -> dict[str, Any]:
    return {"contacts": [asdict(contact) for contact in contacts]}


def _restore(data: dict[str, Any] | None) -> Sequence[Contact]:
    """Return the stored contacts. Raises vol.Invalid."""
    stored = _STORAGE_SCHEMA(data)["contacts"] if data else ()
    return tuple(
        Contact(found["name"], found["organization"], tuple(found["numbers"])) for found in stored
    )
