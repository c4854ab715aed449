"""The blueprints, loaded and really run by Home Assistant's automations."""

import asyncio
from datetime import datetime
from pathlib import Path
import re
import shutil
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import TOKEN
from .demo.home import REPOSITORY
from .engines import ENGINE, Ear, connect
from .living import act, leave, poll, state_of
from .simulator import Simulator

FOLDER = REPOSITORY / "blueprints" / "automation" / "pbx_voicemail"
EVENTS = ["event.reception_101_new_message", "event.extension_104_new_message"]
HOME_ZONE = ZoneInfo("US/Pacific")
HOSTILE = r'"Bob \"X\" {{ states }} <img src=x>" <+4930123456>'


class House:
    """A Home Assistant with a phone, and a blueprint in use."""

    def __init__(self, hass: HomeAssistant, phone: str, calls: list[ServiceCall]) -> None:
        self.hass = hass
        self.phone = phone
        self.notified = calls

    async def use(self, blueprint: str, **answers: Any) -> None:
        """Make an automation of a blueprint."""
        use = {"path": f"pbx_voicemail/{blueprint}.yaml", "input": answers}
        automation = {"automation": [{"id": blueprint, "use_blueprint": use}]}
        assert await async_setup_component(self.hass, "automation", automation)
        await self.hass.async_block_till_done()
        (state,) = self.hass.states.async_all("automation")
        assert state.state == "on"

    async def leave_off(self) -> None:
        """Switch the automation off, and its timers with it."""
        entity = {"entity_id": "all"}
        await self.hass.services.async_call("automation", "turn_off", entity, blocking=True)

    async def wait_until(
        self, freezer: FrozenDateTimeFactory, pbx: Simulator, when: datetime
    ) -> None:
        """Let hours pass in one leap, which the polls that come of it have to recover from."""
        freezer.move_to(when)
        pbx.issue_token(TOKEN)
        for _ in range(3):
            await poll(self.hass)

    @property
    def told(self) -> list[str]:
        """What the phone was told."""
        return [call.data["message"] for call in self.notified]


@pytest.fixture
async def house(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
    tmp_path: Path,
) -> House:
    hass.config.config_dir = str(tmp_path)
    target = tmp_path / "blueprints" / "automation" / "pbx_voicemail"
    await asyncio.to_thread(shutil.copytree, FOLDER, target)
    app = MockConfigEntry(domain="mobile_app")
    app.add_to_hass(hass)
    phone = device_registry.async_get_or_create(
        config_entry_id=app.entry_id, identifiers={("mobile_app", "phone")}, name="My phone"
    )
    return House(hass, phone.id, async_mock_service(hass, "notify", "mobile_app_my_phone"))


def test_every_blueprint_is_tested() -> None:
    tests = "".join(name for name in globals() if name.startswith("test_"))
    tests += "".join(file.stem for file in (REPOSITORY / "tests" / "blueprints").glob("test_*.py"))
    assert all(f"test_{file.stem}" in tests for file in FOLDER.glob("*.yaml"))


def test_readme_has_an_import_link_for_each() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for file in FOLDER.glob("*.yaml"):
        (source,) = re.findall(r"source_url: (\S+)", file.read_text())
        assert source.endswith(f"/{file.relative_to(REPOSITORY)}")
        assert f"blueprint_url={quote(source, safe='')})" in readme


async def test_notify(house: House, pbx: Simulator) -> None:
    await house.use("notify", events=EVENTS, phone=house.phone)
    await leave(pbx, "101")
    await leave(pbx, "104", HOSTILE)
    await leave(pbx, "103")
    await poll(house.hass)
    assert sorted(house.told) == [
        "Ann (6000), 01:30, 4 s",
        'Bob "X" {{ states }} <img src=x> (+4930123456), 01:30, 4 s',
    ]
    call = house.notified[house.told.index("Ann (6000), 01:30, 4 s")]
    assert call.data["title"] == "Voicemail for 101"
    assert call.data["data"]["tag"].startswith("pbx_voicemail_")

    await pbx.stop()
    await poll(house.hass)
    await pbx.start()
    await poll(house.hass)
    assert len(house.told) == 2


async def test_notify_of_a_caller_who_is_not_known(house: House, pbx: Simulator) -> None:
    await house.use("notify", events=EVENTS, phone=house.phone)
    await leave(pbx, "101", "")
    await poll(house.hass)
    assert house.told == ["Unknown caller, 01:30, 4 s"]


async def test_notify_with_what_was_said(house: House, pbx: Simulator) -> None:
    await connect(house.hass, Ear())
    (entry,) = house.hass.config_entries.async_entries(DOMAIN)
    house.hass.config_entries.async_update_entry(entry, options={"transcriber": ENGINE})
    await house.hass.config_entries.async_reload(entry.entry_id)
    await house.use("notify", events=EVENTS, phone=house.phone)
    await leave(pbx, "101")
    await poll(house.hass)
    assert house.told == ["Ann (6000), 01:30, 4 s: Please call me back."]


async def _press(house: House, title: str) -> dict[str, str]:
    """Press a button of the last notification, and return what it is made of."""
    (button,) = [
        button for button in house.notified[-1].data["data"]["actions"] if button["title"] == title
    ]
    house.hass.bus.async_fire("mobile_app_notification_action", {"action": button["action"]})
    await house.hass.async_block_till_done()
    return dict(button)


async def test_notify_and_delete(house: House, pbx: Simulator) -> None:
    """Only the message that the button belongs to, and only if it is this automation's button."""
    await house.use("notify", events=EVENTS, phone=house.phone)
    for caller in "1", "2":
        await leave(pbx, "104", caller)
    await poll(house.hass)
    for action in "PBX_VOICEMAIL_DELETE|automation.another|0", "SNOOZE":
        house.hass.bus.async_fire("mobile_app_notification_action", {"action": action})
    await house.hass.async_block_till_done()
    tag = house.notified[-1].data["data"]["tag"]
    assert (await _press(house, "Delete"))["destructive"]
    assert [message.caller for message in pbx.spool.messages("104")] == ["1"]
    assert state_of(house.hass, "sensor.extension_104_messages").state == "1"
    assert house.notified[-1].data == {"message": "clear_notification", "data": {"tag": tag}}


async def test_notify_and_play_on_a_speaker(house: House, pbx: Simulator) -> None:
    played = async_mock_service(house.hass, "media_player", "play_media")
    await house.use("notify", events=EVENTS, phone=house.phone, speaker="media_player.kitchen")
    await leave(pbx, "104")
    await poll(house.hass)
    await _press(house, "Play")
    (message,) = (await act(house.hass, "get_messages", extension="104"))["messages"]
    assert [dict(call.data) for call in played] == [
        {
            "entity_id": ["media_player.kitchen"],
            "media_content_id": message["media_content_id"],
            "media_content_type": "music",
        }
    ]


async def test_notify_and_play_on_the_phone(house: House, pbx: Simulator) -> None:
    await house.use("notify", events=EVENTS, phone=house.phone)
    await leave(pbx, "104")
    await poll(house.hass)
    button = await _press(house, "Play")
    assert button["action"] == "URI"
    (entry,) = house.hass.config_entries.async_entries(DOMAIN)
    root = "media-source://pbx_voicemail"
    assert [unquote(step) for step in button["uri"].split("/")] == [
        "",
        "media-browser",
        "browser",
        f"app,{root}",
        f"music,{root}/{entry.entry_id}",
        f"music,{root}/{entry.entry_id}/104",
    ]


async def test_daily_digest(freezer: FrozenDateTimeFactory, house: House, pbx: Simulator) -> None:
    await house.wait_until(freezer, pbx, datetime(2037, 11, 25, 7, 59, tzinfo=HOME_ZONE))
    await house.use(
        "daily_digest",
        mailboxes=["sensor.reception_101_messages", "sensor.extension_104_messages"],
        phone=house.phone,
    )
    await house.wait_until(freezer, pbx, datetime(2037, 11, 25, 8, 0, 1, tzinfo=HOME_ZONE))
    async_fire_time_changed(house.hass)
    await house.hass.async_block_till_done()
    await house.leave_off()
    assert house.told == ["101: 3, latest from 张伟"]


@pytest.mark.parametrize(
    ("day", "hour", "told"), [(25, 12, 0), (25, 18, 1), (25, 8, 1), (28, 12, 1)]
)
async def test_empty_office(
    freezer: FrozenDateTimeFactory,
    house: House,
    pbx: Simulator,
    day: int,
    hour: int,
    told: int,
) -> None:
    await house.wait_until(freezer, pbx, datetime(2037, 11, day, hour, tzinfo=HOME_ZONE))
    await house.use("empty_office", events=EVENTS, phone=house.phone)
    await leave(pbx, "101")
    await poll(house.hass)
    assert house.told == ["Ann left a message for 101 at 01:30."] * told
