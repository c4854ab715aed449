"""What may be changed of a connected PBX without asking it."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import available_timezones

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_SCAN_INTERVAL, CONF_TIME_ZONE
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    LanguageSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ..const import (
    CONF_EXTENSIONS,
    CONF_TRANSCRIBER,
    CONF_TRANSCRIPT_LANGUAGE,
    CONF_TRANSCRIPT_LIMIT,
    DEFAULT_SCAN_INTERVAL,
)
from ..coordinator import PbxCoordinator
from ..pbx import Extension
from ..voicemail.roster import read_extension_numbers
from ..voicemail.speech_to_text import ENGINES
from ..voicemail.transcripts import DEFAULT_LIMIT

_SHORTEST_INTERVAL = 5
_LONGEST_INTERVAL = 1500
_LONGEST_LIMIT = 300


class PbxOptionsFlow(OptionsFlowWithReload):
    """What may be changed without asking the PBX."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask how often, which extensions, in which time zone, and who writes messages down."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if CONF_EXTENSIONS in user_input:
                extensions = read_extension_numbers(user_input[CONF_EXTENSIONS])
                user_input |= {CONF_EXTENSIONS: list(extensions)}
            interval = user_input[CONF_SCAN_INTERVAL]
            if interval < _SHORTEST_INTERVAL:
                errors[CONF_SCAN_INTERVAL] = "interval_too_short"
            elif interval > _LONGEST_INTERVAL:
                errors[CONF_SCAN_INTERVAL] = "interval_too_long"
            else:
                return self.async_create_entry(data=user_input)
        zones = await self.hass.async_add_executor_job(available_timezones)
        schema = vol.Schema(
            {
                vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): vol.All(
                    NumberSelector(
                        NumberSelectorConfig(
                            mode=NumberSelectorMode.BOX, unit_of_measurement="s", min=0
                        )
                    ),
                    vol.Coerce(int),
                ),
                vol.Optional(CONF_EXTENSIONS): extension_choice(
                    self._coordinator.known_extensions if self._coordinator else ()
                ),
                vol.Optional(CONF_TIME_ZONE): SelectSelector(
                    SelectSelectorConfig(options=sorted(zones), mode=SelectSelectorMode.DROPDOWN)
                ),
                vol.Optional(CONF_TRANSCRIBER): EntitySelector(
                    EntitySelectorConfig(domain=[*ENGINES])
                ),
                vol.Optional(CONF_TRANSCRIPT_LANGUAGE): LanguageSelector(),
                vol.Required(CONF_TRANSCRIPT_LIMIT, default=DEFAULT_LIMIT): vol.All(
                    NumberSelector(
                        NumberSelectorConfig(
                            mode=NumberSelectorMode.BOX,
                            unit_of_measurement="s",
                            min=1,
                            max=_LONGEST_LIMIT,
                        )
                    ),
                    vol.Coerce(int),
                ),
            }
        )
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or self.config_entry.options
            ),
            errors=errors,
            description_placeholders={
                "shortest": str(_SHORTEST_INTERVAL),
                "longest": str(_LONGEST_INTERVAL),
                "home": self.hass.config.time_zone,
            },
        )

    @property
    def _coordinator(self) -> PbxCoordinator | None:
        """What knows the PBX's extensions, if the PBX could be asked since the start."""
        if self.config_entry.state is ConfigEntryState.LOADED:
            coordinator: PbxCoordinator = self.config_entry.runtime_data
            return coordinator
        return None


def extension_choice(extensions: Iterable[Extension]) -> SelectSelector:
    """Let a person choose from the extensions, or type a number that is not among them."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(
                    value=extension.number,
                    label=f"{extension.name} ({extension.number})"
                    if extension.name
                    else extension.number,
                )
                for extension in extensions
            ],
            multiple=True,
            custom_value=True,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )
