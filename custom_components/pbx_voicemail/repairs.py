"""Mends what can be mended with one answer: the time zone that the PBX is in."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.const import CONF_TIME_ZONE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig
from homeassistant.util import dt as dt_util
import voluptuous as vol


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow for the one issue that has one."""
    if TYPE_CHECKING:
        assert data is not None
    return TimeZoneFlow(str(data["entry_id"]), timedelta(seconds=float(data["offset"] or 0)))


class TimeZoneFlow(RepairsFlow):
    """Offers the zones whose clocks show what the PBX's does."""

    def __init__(self, entry_id: str, offset: timedelta) -> None:
        """Take the PBX, and the UTC offset of its clock."""
        self._entry_id = entry_id
        self._offset = offset

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Show the form. What the frontend sends first is not an answer."""
        return await self.async_step_time_zone()

    async def async_step_time_zone(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask for the zone, and poll in it from then on."""
        entry = self.hass.config_entries.async_get_known_entry(self._entry_id)
        if user_input is not None:
            self.hass.config_entries.async_update_entry(entry, options=entry.options | user_input)
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
            return self.async_create_entry(data={})
        zones = await self.hass.async_add_executor_job(
            lambda: _zones_at(self._offset, dt_util.utcnow(), available_timezones())
        )
        home = self.hass.config.time_zone
        schema = vol.Schema(
            {
                vol.Required(
                    CONF_TIME_ZONE, default=home if home in zones else vol.UNDEFINED
                ): SelectSelector(SelectSelectorConfig(options=zones, sort=False))
            }
        )
        return self.async_show_form(
            step_id="time_zone",
            data_schema=schema,
            description_placeholders=self._placeholders(),
        )

    def _placeholders(self) -> dict[str, str]:
        issue = ir.async_get(self.hass).async_get_issue(self.handler, self.issue_id)
        return dict(issue.translation_placeholders or {}) if issue else {}


def _zones_at(offset: timedelta, now: datetime, names: Iterable[str]) -> list[str]:
    """Return those of the zones whose clocks show this UTC offset now. Reads files."""
    return [name for name in sorted(names) if ZoneInfo(name).utcoffset(now) == offset]
