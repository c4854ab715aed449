"""A Home Assistant with a phone and an automation from a blueprint."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from tests.conftest import TOKEN
from tests.demo.hass_process import REPOSITORY
from tests.helpers import call_action, poll
from tests.simulator import Simulator

from .phones import Phone

FOLDER = REPOSITORY / "blueprints" / "automation" / "pbx_voicemail"
EVENTS = ["event.reception_101_new_message", "event.extension_104_new_message"]
INDICATOR = "binary_sensor.extension_104_message_waiting"
MARK_ALL = "button.extension_104_mark_all_as_read"
HOME_ZONE = ZoneInfo("US/Pacific")
MORE = "There are more messages than notifications. "


class Harness:
    """A Home Assistant with a phone and an automation from a blueprint."""

    def __init__(self, hass: HomeAssistant, phone: Phone) -> None:
        self.hass = hass
        self.phone = phone
        self._announced = 0

    async def use_blueprint(self, blueprint: str, **answers: Any) -> str:
        """Create an automation from a blueprint, and return its entity id."""
        use_blueprint = {"path": f"pbx_voicemail/{blueprint}.yaml", "input": answers}
        automation = {
            "automation": [{"id": blueprint, "alias": blueprint, "use_blueprint": use_blueprint}]
        }
        assert await async_setup_component(self.hass, "automation", automation)
        await self.hass.async_block_till_done()
        (state,) = self.hass.states.async_all("automation")
        assert state.state == "on", state
        return state.entity_id

    async def run_pending(self) -> None:
        """Run everything that does not wait for time to pass, and polls to their end.

        A poll that is still running when the time is set forward would time out.
        """
        for _ in range(20):
            await asyncio.sleep(0)
        polls = [task for task in asyncio.all_tasks() if task.get_name().endswith("- refresh")]
        if polls:
            await asyncio.wait(polls)
            await self.run_pending()

    async def turn_off(self) -> None:
        """Turn the automation off, which also cancels its timers."""
        entity = {"entity_id": "all"}
        await self.hass.services.async_call("automation", "turn_off", entity, blocking=True)

    async def wait_until(
        self, freezer: FrozenDateTimeFactory, pbx: Simulator, when: datetime
    ) -> None:
        """Set the time forward, and poll until the PBX is available again."""
        freezer.move_to(when)
        pbx.issue_token(TOKEN)
        for _ in range(3):
            await poll(self.hass)

    async def hear(self, client: TestClient[Any, Any], message: dict[str, Any]) -> None:
        """Listen to a message, as a browser or a speaker does, until it counts as read."""
        identifier = message["media_content_id"].removeprefix("media-source://pbx_voicemail/")
        response = await client.get(f"/api/pbx_voicemail/recording/{identifier}")
        assert response.status == HTTPStatus.OK
        assert await response.read()
        async with asyncio.timeout(10):
            while message["message_id"] in await self.unread(message["extension"]):
                await asyncio.sleep(0.01)
        await self.run_pending()

    async def unread(self, extension: str) -> list[str]:
        """Return the ids of an extension's unread messages."""
        answer = await call_action(self.hass, "get_messages", extension=extension, unread=True)
        return [message["message_id"] for message in answer["messages"]]

    async def announce(self, count: int, **attributes: Any) -> None:
        """Announce messages for 101, and wait for the automation."""
        self.set_messages(count, **attributes)
        await self.hass.async_block_till_done()

    def set_messages(self, count: int, **attributes: Any) -> None:
        """Announce messages at once, as the integration does, with additional attributes."""
        entry = self.hass.config_entries.async_entries("pbx_voicemail")[0].entry_id
        for number in range(self._announced, self._announced + count):
            message_id = f"{number:016x}"
            message: dict[str, Any] = {
                "event_type": "received",
                "message_id": message_id,
                "extension": "101",
                "caller": "6000",
                "caller_e164": None,
                "caller_known": False,
                "caller_name": "Ann",
                "received": "2026-11-24T09:30:00+00:00",
                "duration": 4,
                "media_content_id": f"media-source://pbx_voicemail/{entry}/101/{message_id}",
                "transcript": None,
            }
            state = f"2026-11-24T09:31:00.{number:06}+00:00"
            message |= attributes
            message.setdefault("caller_formatted", message["caller"])
            self.hass.states.async_set(EVENTS[0], state, message)
        self._announced += count

    @property
    def texts(self) -> list[str]:
        """The text of each notification, oldest first."""
        return self.phone.texts
