"""One poll for the whole PBX, and the roster: the extensions we know."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
import logging
from time import monotonic
from typing import TYPE_CHECKING, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .connection import create_client, error_placeholders, if_offered
from .const import DOMAIN
from .pbx import (
    DeviceInfo,
    Extension,
    Mailbox,
    PbxAuthError,
    PbxError,
    PbxLockedError,
    PbxRejectedError,
)

_LOGGER = logging.getLogger(__name__)

_SCAN_INTERVAL: Final = timedelta(seconds=30)
_ROSTER_SECONDS: Final = 60 * 60
_REFUSALS_BEFORE_REAUTH: Final = 3

type PbxConfigEntry = ConfigEntry[PbxCoordinator]


@dataclass(frozen=True, slots=True)
class PbxData:
    """What the last good poll told: mailboxes that have messages, and all extensions."""

    mailboxes: Mapping[str, Mailbox]
    roster: Mapping[str, Extension]

    def mailbox(self, extension: str) -> Mailbox:
        """Return an extension's mailbox, empty if the PBX did not mention it."""
        return self.mailboxes.get(extension) or Mailbox(extension)


class PbxCoordinator(DataUpdateCoordinator[PbxData]):
    """Polls one PBX.

    A missing mailbox means no messages, but only in an answer that succeeded; anything
    else is a failed update and leaves the last data standing.
    """

    config_entry: PbxConfigEntry

    def __init__(self, hass: HomeAssistant, entry: PbxConfigEntry) -> None:
        """Prepare to poll the entry's PBX, which is being set up."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=DOMAIN,
            update_interval=_SCAN_INTERVAL,
            always_update=False,
        )
        self.data = PbxData({}, {})
        self.client = create_client(hass, entry.data)
        self.device_info = DeviceInfo()
        self._listed: Mapping[str, Extension] = {}
        self._list_due = 0.0
        self._refusals = 0

    def unique_id(self, *parts: str) -> str:
        """Name the PBX or, with parts such as an extension, something of it."""
        if TYPE_CHECKING:
            assert self.config_entry.unique_id is not None
        return "_".join((self.config_entry.unique_id, *parts))

    def extension_of(self, device: dr.DeviceEntry) -> str | None:
        """Return the extension that a device stands for, None for the PBX itself."""
        prefix = self.unique_id("")
        for domain, name in device.identifiers:
            if domain == DOMAIN and name.startswith(prefix):
                return name.removeprefix(prefix)
        return None

    @callback
    def forget(self, extension: str) -> bool:
        """Drop an extension from the roster, unless the PBX still has it."""
        if extension in self._listed or extension in self.data.mailboxes:
            return False
        roster = {
            number: known for number, known in self.data.roster.items() if number != extension
        }
        self.data = replace(self.data, roster=roster)
        self.async_update_listeners()
        return True

    @override
    async def _async_setup(self) -> None:
        with _translated_errors():
            self.device_info = await if_offered(self.client.query_device_info) or DeviceInfo()

    @override
    async def _async_update_data(self) -> PbxData:
        with _translated_errors():
            try:
                mailboxes = await self.client.query_mailboxes()
            except PbxRejectedError as err:
                await self._count_refusal(err)
                raise
            self._refusals = 0
            roster = await self._update_roster(mailboxes)
        return PbxData(mailboxes, roster)

    async def _count_refusal(self, refusal: PbxRejectedError) -> None:
        """Take a refusal for a dead token once it has been certain three times.

        OpenVox does not document its errnos, so that a dead token may go by any of them.
        """
        if isinstance(refusal, PbxAuthError | PbxLockedError):
            return
        try:
            await self.client.query_device_info()
        except PbxRejectedError as err:
            self._refusals = self._refusals + 1 if err.errno == refusal.errno else 0
        else:
            self._refusals = 0
        if self._refusals >= _REFUSALS_BEFORE_REAUTH:
            raise PbxAuthError(refusal.errno) from refusal

    async def _update_roster(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Extension]:
        """Return the extensions listed by the PBX, seen with messages, or known before."""
        known = self.data.roster
        if monotonic() >= self._list_due:
            listed = await if_offered(self.client.query_extensions)
            self._list_due = monotonic() + _ROSTER_SECONDS
            if listed is not None:
                gone = self._listed.keys() - {extension.number for extension in listed}
                self._listed = {extension.number: extension for extension in listed}
                known = {number: known[number] for number in known.keys() - gone}
            elif not known:
                known = self._registered()
        if mailboxes.keys() <= known.keys() and self._listed.items() <= known.items():
            return known
        return {**known, **{number: Extension(number) for number in mailboxes}, **self._listed}

    def _registered(self) -> Mapping[str, Extension]:
        """Return the extensions of earlier runs, where the PBX has no list of them."""
        devices = dr.async_entries_for_config_entry(
            dr.async_get(self.hass), self.config_entry.entry_id
        )
        numbers = filter(None, map(self.extension_of, devices))
        return {number: Extension(number) for number in numbers}


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn the client's errors into Home Assistant's."""
    try:
        yield
    except PbxAuthError as err:
        raise ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key=err.kind) from err
    except PbxError as err:
        raise UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=err.kind,
            translation_placeholders=error_placeholders(err),
        ) from err
