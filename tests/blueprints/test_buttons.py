"""The buttons of a notification, and who may use them."""

from typing import Any

from homeassistant.components import person
from homeassistant.core import Context, ServiceCall
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockUser, async_mock_service

from custom_components.pbx_voicemail.const import DOMAIN
from tests.helpers import call_action, get_latest_id, get_state, leave_message, poll
from tests.simulator import Simulator

from .harness import EVENTS, INDICATOR, Harness
from .phones import EVENT, Phone, PushService

SPEAKER = "media_player.kitchen"


@pytest.fixture
def played(harness: Harness) -> list[ServiceCall]:
    """The media that a speaker plays."""
    return async_mock_service(harness.hass, "media_player", "play_media")


async def _notified(harness: Harness, pbx: Simulator, *callers: str, **answers: Any) -> None:
    """Leave messages for 104, so that the phone gets notifications."""
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id, **answers)
    for caller in callers or ("1",):
        await leave_message(pbx, "104", caller)
    await poll(harness.hass)


async def test_delete(harness: Harness, pbx: Simulator) -> None:
    """A button only deletes the message of its notification, and only for its automation."""
    await _notified(harness, pbx, "1", "2")
    for action in "PBX_VOICEMAIL_DELETE|automation.another|0", "SNOOZE", None, ["a"], {"a": 1}, 7:
        await harness.phone.fire(action)
    tag = harness.phone.notifications[-1]["data"]["tag"]
    assert (await harness.phone.press("Delete"))["destructive"]
    assert [message.caller for message in pbx.spool.messages("104")] == ["1"]
    assert get_state(harness.hass, "sensor.extension_104_messages").state == "1"
    assert harness.phone.notifications[2:] == [
        {"message": "clear_notification", "data": {"tag": tag}},
    ]


async def test_mark_as_read(harness: Harness, pbx: Simulator) -> None:
    """A button only marks the message of its notification, and only for its automation."""
    await _notified(harness, pbx, "1", "2")
    unread = await harness.unread("104")
    await harness.phone.fire(f"PBX_VOICEMAIL_MARK_READ|automation.another|{unread[0]}")
    assert await harness.unread("104") == unread
    note = harness.phone.notifications[-1]
    await harness.phone.press("Mark as read")
    left = await harness.unread("104")
    assert {f"pbx_voicemail_{message_id}" for message_id in {*unread} - {*left}} == {
        note["data"]["tag"]
    }
    assert len(left) == 1
    assert get_state(harness.hass, INDICATOR).state == "on"
    assert len(pbx.spool.messages("104")) == 2
    assert harness.phone.notifications[2:] == [
        {"message": "clear_notification", "data": {"tag": note["data"]["tag"]}},
    ]
    await harness.phone.press("Mark as read")
    assert harness.texts[2:] == ["clear_notification"] * 2
    assert await harness.unread("104") == left


@pytest.mark.parametrize("button", ["Delete", "Mark as read"])
async def test_missing_message(harness: Harness, pbx: Simulator, button: str) -> None:
    await _notified(harness, pbx)
    await harness.phone.press("Delete")
    await harness.phone.press(button)
    assert harness.texts[1:] == ["clear_notification"] * 2


@pytest.mark.parametrize("button", ["Delete", "Mark as read"])
async def test_pbx_is_unavailable(harness: Harness, pbx: Simulator, button: str) -> None:
    await _notified(harness, pbx)
    await pbx.stop()
    await poll(harness.hass)
    await harness.phone.press(button)
    assert len(harness.texts) == 1
    await pbx.start()
    await poll(harness.hass)
    await harness.phone.press(button)
    assert harness.texts[1:] == ["clear_notification"]
    assert await harness.unread("104") == []


async def test_play_on_a_speaker(
    harness: Harness, pbx: Simulator, played: list[ServiceCall]
) -> None:
    await _notified(harness, pbx, speaker=SPEAKER)
    await harness.phone.press("Play")
    (message,) = (await call_action(harness.hass, "get_messages", extension="104"))["messages"]
    assert [dict(call.data) for call in played] == [
        {
            "entity_id": [SPEAKER],
            "media_content_id": message["media_content_id"],
            "media_content_type": "music",
        }
    ]
    tag = harness.phone.notifications[0]["data"]["tag"]
    assert tag == f"pbx_voicemail_{message['message_id']}"
    assert harness.phone.notifications[1:] == [
        {"message": "clear_notification", "data": {"tag": tag}},
    ]


async def test_speaker_that_cannot_play(harness: Harness, pbx: Simulator) -> None:
    """The notification stays, so that the message can be played elsewhere."""
    async_mock_service(
        harness.hass, "media_player", "play_media", raise_exception=HomeAssistantError("Off")
    )
    await _notified(harness, pbx, speaker=SPEAKER)
    await harness.phone.press("Play")
    assert len(harness.texts) == 1


async def test_play_plays_nothing_else(
    harness: Harness, pbx: Simulator, played: list[ServiceCall]
) -> None:
    """Any app can send the event of a pressed button, with any data."""
    await _notified(harness, pbx, speaker=SPEAKER)
    (entry,) = harness.hass.config_entries.async_entries(DOMAIN)
    root = f"media-source://{DOMAIN}/{entry.entry_id}"
    message_id = await get_latest_id(harness.hass, "104")
    for media_content_id in (
        "http://evil.example/prank.mp3",
        "media-source://media_source/local/prank.mp3",
        "media-source://tts/tts.local?message=Fire!",
        f"media-source://{DOMAIN}_evil/{entry.entry_id}/104/{message_id}",
        f"http://evil.example/{root}/104/{message_id}",
        root,
        f"{root}/104",
        f"{root}/104/",
        f"{root}/102/{await get_latest_id(harness.hass, '102')}",
        f"{root}/104/../102/{await get_latest_id(harness.hass, '102')}",
        f"{root}/104/%2e%2e/102/{await get_latest_id(harness.hass, '102')}",
        f"{root}/104/{message_id}/../../../evil",
        f"{root}/104/{message_id}?x=http://evil.example",
        f"media-source://{DOMAIN}/another/104/{message_id}",
        "",
        "{{ 1 }}",
        "['a']",
        "12",
    ):
        await harness.phone.fire(f"PBX_VOICEMAIL_PLAY|automation.notify|{media_content_id}")
    assert played == []
    await harness.phone.fire(f"PBX_VOICEMAIL_PLAY|automation.notify|{root}/104/{message_id}")
    assert len(played) == 1


async def test_play_without_a_speaker(
    harness: Harness, pbx: Simulator, played: list[ServiceCall]
) -> None:
    await _notified(harness, pbx)
    button = f"PBX_VOICEMAIL_PLAY|automation.notify|media-source://{DOMAIN}/x/104/{0:016x}"
    await harness.phone.fire(button)
    assert played == []


@pytest.mark.parametrize("button", ["DELETE", "MARK_READ"])
async def test_changes_nothing_else(harness: Harness, pbx: Simulator, button: str) -> None:
    await _notified(harness, pbx)
    other = await get_latest_id(harness.hass, "102")
    for message_id in (
        other,
        f"{other}\n",
        other.upper(),
        f"{await get_latest_id(harness.hass, '104')}|{other}",
        "",
        "0",
        "all",
        "{{ 1 }}",
        "['a']",
    ):
        await harness.phone.fire(f"PBX_VOICEMAIL_{button}|automation.notify|{message_id}")
    assert len(pbx.spool.messages("102")) == len(await harness.unread("102")) == 2
    assert len(pbx.spool.messages("104")) == len(await harness.unread("104")) == 1
    assert len(harness.texts) == 1


async def _of_ann(
    harness: Harness, push_service: PushService, restricted: MockUser
) -> tuple[Phone, Phone]:
    """Register a phone of Ann, and one of another user."""
    ann = MockUser(name="Ann").add_to_hass(harness.hass)
    await person.async_create_person(harness.hass, "Ann", user_id=ann.id)
    await harness.hass.async_block_till_done()
    harness.phone = await push_service.register(ann, "Ann's phone")
    return harness.phone, await push_service.register(restricted, "Other phone")


async def test_only_the_person_of_the_phone(
    harness: Harness,
    push_service: PushService,
    restricted: MockUser,
    pbx: Simulator,
    played: list[ServiceCall],
) -> None:
    anns, other = await _of_ann(harness, push_service, restricted)
    await _notified(harness, pbx, speaker=SPEAKER)
    (note,) = anns.notifications
    for button in note["data"]["actions"]:
        await other.fire(button["action"])
    assert len(pbx.spool.messages("104")) == len(await harness.unread("104")) == 1
    assert played == []
    assert other.texts == []
    refused = (
        "The button was ignored, because the user who pressed it is not the person of this phone"
    )
    assert anns.texts[1:] == [f"{refused} (Settings > People)."] * 3

    await anns.press("Play")
    await anns.press("Mark as read")
    assert await harness.unread("104") == []
    await anns.press("Delete")
    assert len(played) == 1
    assert pbx.spool.messages("104") == []


async def test_automation_that_presses_a_button(
    harness: Harness, push_service: PushService, restricted: MockUser, pbx: Simulator
) -> None:
    """An automation has no user."""
    anns, _other = await _of_ann(harness, push_service, restricted)
    await _notified(harness, pbx)
    (button,) = [
        button["action"]
        for button in anns.notifications[0]["data"]["actions"]
        if button["title"] == "Delete"
    ]
    harness.hass.bus.async_fire(EVENT, {"action": button}, context=Context())
    await harness.hass.async_block_till_done()
    assert pbx.spool.messages("104") == []


async def test_buttons_of_other_notifications_are_not_queued(
    harness: Harness, pbx: Simulator
) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    for number in range(500):
        harness.hass.bus.async_fire(EVENT, {"action": f"OTHER_{number}"})
    await harness.announce(1)
    assert len(harness.texts) == 1
