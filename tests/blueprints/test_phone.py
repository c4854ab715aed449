"""Notifications go to the phone that was chosen, and to no other."""

from typing import Any

from homeassistant.auth.models import User
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.pbx_voicemail.const import DOMAIN
from tests.living import leave, poll
from tests.simulator import Simulator

from .house import EVENTS, House
from .phones import PushService

MAILBOXES = ["sensor.reception_101_messages"]


async def _use(house: House, blueprint: str) -> None:
    """Have a blueprint that tells the phone of something before long."""
    events: dict[str, Any] = {"events": EVENTS}
    if blueprint == "empty_office":
        events["workdays"] = []
    if blueprint == "daily_digest":
        events = {"mailboxes": MAILBOXES}
    await house.use(blueprint, phone=house.phone.device_id, **events)


async def _tell(house: House, blueprint: str) -> None:
    """Make it tell the phone."""
    if blueprint == "daily_digest":
        await house.hass.services.async_call(
            "automation",
            "trigger",
            {"entity_id": "automation.daily_digest", "skip_condition": False},
            blocking=True,
        )
    else:
        await house.announce(1)
    await house.hass.async_block_till_done()
    await house.leave_off()


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_another_phone_of_the_same_name(
    house: House, push_service: PushService, restricted: MockUser, blueprint: str
) -> None:
    await _use(house, blueprint)
    other = await push_service.register(restricted)
    await _tell(house, blueprint)
    (note,) = house.phone.notifications
    # Home Assistant can send only the text to it now.
    assert set(note) == {"title", "message"}
    assert other.told == []


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_phone_that_was_renamed(house: House, blueprint: str) -> None:
    await _use(house, blueprint)
    dr.async_get(house.hass).async_update_device(house.phone.device_id, name_by_user="Ann's")
    await _tell(house, blueprint)
    assert len(house.told) == 1


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_phone_that_was_removed(
    house: House,
    push_service: PushService,
    hass_admin_user: User,
    caplog: pytest.LogCaptureFixture,
    blueprint: str,
) -> None:
    await _use(house, blueprint)
    other = await push_service.register(hass_admin_user, "Other phone")
    entry = next(
        entry
        for entry in house.hass.config_entries.async_entries("mobile_app")
        if entry.data["webhook_id"] == house.phone.webhook_id
    )
    await house.hass.config_entries.async_remove(entry.entry_id)
    # Whoever takes the name does not take the place.
    namesake = await push_service.register(hass_admin_user)
    await _tell(house, blueprint)
    assert house.told == other.told == namesake.told == []
    assert "Unable to resolve webhook ID" in caplog.text


async def test_device_that_is_no_phone(house: House, caplog: pytest.LogCaptureFixture) -> None:
    (entry,) = house.hass.config_entries.async_entries(DOMAIN)
    device = dr.async_entries_for_config_entry(dr.async_get(house.hass), entry.entry_id)[0]
    use = {
        "path": "pbx_voicemail/notify.yaml",
        "input": {"events": EVENTS, "phone": device.id},
    }
    automation = {"automation": [{"alias": "Wrong", "use_blueprint": use}]}
    assert await async_setup_component(house.hass, "automation", automation)
    await house.hass.async_block_till_done()
    await house.announce(1)
    assert house.told == []
    assert "Unable to resolve webhook ID" in caplog.text


async def test_two_phones(
    house: House, push_service: PushService, hass_admin_user: User, pbx: Simulator
) -> None:
    other = await push_service.register(hass_admin_user, "Tablet")
    automations = [
        {
            "alias": name,
            "use_blueprint": {
                "path": "pbx_voicemail/notify.yaml",
                "input": {"events": EVENTS, "phone": phone.device_id},
            },
        }
        for name, phone in (("One", house.phone), ("Two", other))
    ]
    assert await async_setup_component(house.hass, "automation", {"automation": automations})
    await house.hass.async_block_till_done()
    await leave(pbx, "104")
    await poll(house.hass)
    assert house.told == other.told == ["From Ann (6000), 01:30, 4 s"]
    await other.press("Delete")
    assert pbx.spool.messages("104") == []
    assert other.told[1:] == ["clear_notification"]
    assert len(house.told) == 1
