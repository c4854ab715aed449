"""The options flow: settings that can be changed without a request to the PBX."""

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import available_timezones

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_SCAN_INTERVAL, CONF_TIME_ZONE
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    LanguageSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ..const import (
    CONF_EXTENSIONS,
    CONF_FAMILY,
    CONF_TRANSCRIBER,
    CONF_TRANSCRIPT_LANGUAGE,
    CONF_TRANSCRIPT_LIMIT,
    DEFAULT_SCAN_INTERVAL,
)
from ..pbx import Extension, family
from ..voicemail.roster import parse_extension_numbers
from ..voicemail.speech_to_text import ENGINE_DOMAINS
from ..voicemail.transcripts import DEFAULT_LIMIT
from .schemas import extension_selector

_SHORTEST_INTERVAL: Final = 5
_LONGEST_LIMIT: Final = 300


class PbxOptionsFlow(OptionsFlowWithReload):
    """Changes the polling interval, the extensions, the time zone, and the transcription."""

    def __init__(
        self, extensions: Sequence[Extension] = (), *, has_local_clock: bool = True
    ) -> None:
        """Take the known extensions of the PBX.

        `has_local_clock` is whether the PBX may report dates in its own time zone.
        """
        self._extensions = extensions
        self._has_local_clock = has_local_clock

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options in one form."""
        if user_input is not None:
            if CONF_EXTENSIONS in user_input:
                chosen = parse_extension_numbers(user_input[CONF_EXTENSIONS])
                user_input |= {CONF_EXTENSIONS: list(chosen)}
            return self.async_create_entry(data=user_input)
        time_zones = await self.hass.async_add_executor_job(available_timezones)
        schema = self._schema(sorted(time_zones))
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, self.config_entry.options),
            description_placeholders={
                "shortest": str(_SHORTEST_INTERVAL),
                "longest": str(self._longest_interval),
                "home": self.hass.config.time_zone,
            },
        )

    @property
    def _longest_interval(self) -> int:
        return family(self.config_entry.data[CONF_FAMILY]).longest_interval

    def _schema(self, time_zones: list[str]) -> vol.Schema:
        interval = _seconds(_SHORTEST_INTERVAL, self._longest_interval)
        time_zone = SelectSelector(
            SelectSelectorConfig(options=time_zones, mode=SelectSelectorMode.DROPDOWN)
        )
        engine = EntitySelector(EntitySelectorConfig(domain=[*ENGINE_DOMAINS]))
        clock = {vol.Optional(CONF_TIME_ZONE): time_zone} if self._has_local_clock else {}
        return vol.Schema(
            {
                vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): interval,
                vol.Optional(CONF_EXTENSIONS): extension_selector(self._extensions),
                **clock,
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
