"""Notifications are only sent to the chosen phone."""

from typing import Any

from homeassistant.auth.models import User
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.pbx_voicemail.const import DOMAIN
from tests.helpers import leave_message, poll
from tests.simulator import Simulator

from .harness import EVENTS, Harness
from .phones import PushService

MAILBOXES = ["sensor.reception_101_messages"]


async def _use(harness: Harness, blueprint: str) -> None:
    """Use each blueprint that sends notifications."""
    events: dict[str, Any] = {"events": EVENTS}
    if blueprint == "empty_office":
        events["workdays"] = []
    if blueprint == "daily_digest":
        events = {"mailboxes": MAILBOXES}
    await harness.use_blueprint(blueprint, phone=harness.phone.device_id, **events)


async def _send_notification(harness: Harness, blueprint: str) -> None:
    """Make a blueprint send a notification."""
    if blueprint == "daily_digest":
        await harness.hass.services.async_call(
            "automation",
            "trigger",
            {"entity_id": "automation.daily_digest", "skip_condition": False},
            blocking=True,
        )
    else:
        await harness.announce(1)
    await harness.hass.async_block_till_done()
    await harness.turn_off()


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_another_phone_of_the_same_name(
    harness: Harness, push_service: PushService, restricted: MockUser, blueprint: str
) -> None:
    await _use(harness, blueprint)
    other = await push_service.register(restricted)
    await _send_notification(harness, blueprint)
    (note,) = harness.phone.notifications
    # Home Assistant can only send a text to it now.
    assert set(note) == {"title", "message"}
    assert other.texts == []


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_renamed_phone(harness: Harness, blueprint: str) -> None:
    await _use(harness, blueprint)
    dr.async_get(harness.hass).async_update_device(harness.phone.device_id, name_by_user="Ann's")
    await _send_notification(harness, blueprint)
    assert len(harness.texts) == 1


@pytest.mark.parametrize("blueprint", ["notify", "empty_office", "daily_digest"])
async def test_removed_phone(
    harness: Harness,
    push_service: PushService,
    hass_admin_user: User,
    caplog: pytest.LogCaptureFixture,
    blueprint: str,
) -> None:
    await _use(harness, blueprint)
    other = await push_service.register(hass_admin_user, "Other phone")
    entry = next(
        entry
        for entry in harness.hass.config_entries.async_entries("mobile_app")
        if entry.data["webhook_id"] == harness.phone.webhook_id
    )
    await harness.hass.config_entries.async_remove(entry.entry_id)
    # Another phone with the name does not get the notifications.
    namesake = await push_service.register(hass_admin_user)
    await _send_notification(harness, blueprint)
    assert harness.texts == other.texts == namesake.texts == []
    assert "Unable to resolve webhook ID" in caplog.text


async def test_device_other_than_a_phone(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    (entry,) = harness.hass.config_entries.async_entries(DOMAIN)
    device = dr.async_entries_for_config_entry(dr.async_get(harness.hass), entry.entry_id)[0]
    use_blueprint = {
        "path": "pbx_voicemail/notify.yaml",
        "input": {"events": EVENTS, "phone": device.id},
    }
    automation = {"automation": [{"alias": "Wrong", "use_blueprint": use_blueprint}]}
    assert await async_setup_component(harness.hass, "automation", automation)
    await harness.hass.async_block_till_done()
    await harness.announce(1)
    assert harness.texts == []
    assert "Unable to resolve webhook ID" in caplog.text


async def test_two_phones(
    harness: Harness, push_service: PushService, hass_admin_user: User, pbx: Simulator
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
        for name, phone in (("One", harness.phone), ("Two", other))
    ]
    assert await async_setup_component(harness.hass, "automation", {"automation": automations})
    await harness.hass.async_block_till_done()
    await leave_message(pbx, "104")
    await poll(harness.hass)
    assert harness.texts == other.texts == ["From Ann (6000), 01:30, 4 s"]
    await other.press("Delete")
    assert pbx.spool.messages("104") == []
    assert other.texts[1:] == ["clear_notification"]
    assert len(harness.texts) == 1
