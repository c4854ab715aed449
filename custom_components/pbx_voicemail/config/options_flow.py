"""The options flow: settings that can be changed without a request to the PBX."""

from collections.abc import Sequence
from contextlib import ExitStack
import re
from typing import Any, Final
from zoneinfo import available_timezones

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_SCAN_INTERVAL, CONF_TIME_ZONE
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    FileSelector,
    FileSelectorConfig,
    LanguageSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..const import (
    CONF_DIAL_OUT,
    CONF_EXTENSIONS,
    CONF_FAMILY,
    CONF_TRANSCRIBER,
    CONF_TRANSCRIPT_LANGUAGE,
    CONF_TRANSCRIPT_LIMIT,
    DEFAULT_SCAN_INTERVAL,
)
from ..pbx import Extension, family
from ..voicemail.phone_book import PhoneBook, async_import_vcards
from ..voicemail.roster import parse_extension_numbers
from ..voicemail.speech_to_text import ENGINE_DOMAINS
from ..voicemail.transcripts import DEFAULT_LIMIT
from .schemas import extension_selector

_SHORTEST_INTERVAL: Final = 5
_LONGEST_LIMIT: Final = 300

_PHONE_BOOK: Final = "phone_book"
"""The field with a file of contacts, which is not an option."""

_CLEAR_PHONE_BOOK: Final = "clear_phone_book"
"""The field that removes all contacts, which is not an option either."""

_VCARD_FILES: Final = ".vcf,.vcard,text/vcard"
_DIAL_OUT: Final = re.compile(r"[0-9*#]{0,4}", re.ASCII)


class PbxOptionsFlow(OptionsFlowWithReload):
    """Changes the options, and imports the phone book."""

    def __init__(
        self,
        phone_book: PhoneBook | None = None,
        extensions: Sequence[Extension] = (),
        *,
        has_local_clock: bool = True,
    ) -> None:
        """Take the phone book and the known extensions of the PBX, if it is connected.

        `has_local_clock` is whether the PBX may report dates in its own time zone.
        """
        self._phone_book = phone_book
        self._extensions = extensions
        self._has_local_clock = has_local_clock

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options in one form."""
        errors = dict[str, str]()
        suggested = {**self.config_entry.options}
        if user_input is not None:
            file_id = user_input.pop(_PHONE_BOOK, None)
            is_cleared = user_input.pop(_CLEAR_PHONE_BOOK, False)
            suggested = user_input
            if CONF_EXTENSIONS in user_input:
                chosen = parse_extension_numbers(user_input[CONF_EXTENSIONS])
                user_input |= {CONF_EXTENSIONS: list(chosen)}
            if not _DIAL_OUT.fullmatch(user_input.get(CONF_DIAL_OUT, "")):
                errors[CONF_DIAL_OUT] = "invalid_dial_out"
            elif file_id and (error := await self._async_import(file_id)):
                errors[_PHONE_BOOK] = error
            else:
                if is_cleared and self._phone_book and not file_id:
                    await self._phone_book.async_clear()
                return self.async_create_entry(data=user_input)
        time_zones = await self.hass.async_add_executor_job(available_timezones)
        schema = self._schema(sorted(time_zones))
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            description_placeholders={
                "shortest": str(_SHORTEST_INTERVAL),
                "longest": str(self._longest_interval),
                "home": self.hass.config.time_zone,
            },
        )

    async def _async_import(self, file_id: str) -> str | None:
        """Import the phone book from an uploaded file. Return the key of an error, or None."""
        run = self.hass.async_add_executor_job
        upload = ExitStack()
        try:
            path = await run(upload.enter_context, process_uploaded_file(self.hass, file_id))
            book = self._phone_book or PhoneBook(self.hass, self.config_entry.entry_id)
            await async_import_vcards(book, path)
        except ServiceValidationError as err:
            return err.translation_key
        except ValueError:
            # The upload has expired, since Home Assistant has restarted.
            return "vcards_unreadable"
        finally:
            await run(upload.close)
        return None

    @property
    def _longest_interval(self) -> int:
        return family(self.config_entry.data[CONF_FAMILY]).longest_interval

    def _schema(self, time_zones: list[str]) -> vol.Schema:
        interval = _seconds(_SHORTEST_INTERVAL, self._longest_interval)
        time_zone = SelectSelector(
            SelectSelectorConfig(options=time_zones, mode=SelectSelectorMode.DROPDOWN)
        )
        engine = EntitySelector(EntitySelectorConfig(domain=[*ENGINE_DOMAINS]))
        has_contacts = self._phone_book is not None and self._phone_book.contacts > 0
        clear = {vol.Optional(_CLEAR_PHONE_BOOK): BooleanSelector()} if has_contacts else {}
        clock = {vol.Optional(CONF_TIME_ZONE): time_zone} if self._has_local_clock else {}
        return vol.Schema(
            {
                vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): interval,
                vol.Optional(CONF_EXTENSIONS): extension_selector(self._extensions),
                **clock,
                vol.Optional(_PHONE_BOOK): FileSelector(FileSelectorConfig(accept=_VCARD_FILES)),
                **clear,
                vol.Optional(CONF_DIAL_OUT): TextSelector(),
                vol.Optional(CONF_TRANSCRIBER): engine,
                vol.Optional(CONF_TRANSCRIPT_LANGUAGE): LanguageSelector(),
                vol.Required(CONF_TRANSCRIPT_LIMIT, default=DEFAULT_LIMIT): _seconds(
                    1, _LONGEST_LIMIT
                ),
            }
        )


def _seconds(shortest: int, longest: int) -> vol.All[Any]:
    selector = NumberSelector(
        NumberSelectorConfig(
            mode=NumberSelectorMode.BOX, unit_of_measurement="s", min=shortest, max=longest
        )
    )
    return vol.All(selector, vol.Coerce(int))
