"""Helpers for the tests of transcripts."""

from datetime import timedelta
from typing import Any

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from tests.helpers import call_action, get_message_from

TEXT = "Please call me back."
EVENT = "event.extension_104_new_message"


class Announced:
    """The callers and transcripts of announced messages of the extension 104, in order."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.messages: list[tuple[str, str | None]] = []

        def handle_change(change: Event[EventStateChangedData]) -> None:
            new, old = change.data["new_state"], change.data["old_state"]
            known = (None, "unavailable", "unknown")
            if (
                new
                and new.state not in (*known, old and old.state)
                and (not old or old.state != "unavailable")
            ):
                self.messages.append((new.attributes["caller"], new.attributes["transcript"]))

        async_track_state_change_event(hass, [EVENT], callback(handle_change))


async def transcribe(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    return await call_action(hass, "transcribe_message", message_id=message_id, **data)


async def pass_time(hass: HomeAssistant, seconds: float) -> None:
    """Make everything happen that is due within some time."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done(wait_background_tasks=True)


async def get_texts(hass: HomeAssistant) -> dict[str, str | None]:
    messages = (await call_action(hass, "get_messages", extension="104"))["messages"]
    return {message["caller"]: message["transcript"] for message in messages}
