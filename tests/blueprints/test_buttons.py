"""The buttons of a notification do what they offer, for whom they were offered to."""

from typing import Any

from homeassistant.components import person
from homeassistant.core import Context, ServiceCall
import pytest
from pytest_homeassistant_custom_component.common import MockUser, async_mock_service

from custom_components.pbx_voicemail.const import DOMAIN
from tests.living import act, latest_of, leave, poll, state_of
from tests.simulator import Simulator

from .house import EVENTS, House
from .phones import EVENT, Phone, PushService

SPEAKER = "media_player.kitchen"


@pytest.fixture
def played(house: House) -> list[ServiceCall]:
    """What a speaker was given to play."""
    return async_mock_service(house.hass, "media_player", "play_media")


async def _notified(house: House, pbx: Simulator, *callers: str, **answers: Any) -> None:
    """Have somebody leave messages for 104, and the phone told of them."""
    await house.use("notify", events=EVENTS, phone=house.phone.device_id, **answers)
    for caller in callers or ("1",):
        await leave(pbx, "104", caller)
    await poll(house.hass)


async def test_delete(house: House, pbx: Simulator) -> None:
    """Only the message that the button belongs to, and only if it is this automation's button."""
    await _notified(house, pbx, "1", "2")
    for action in "PBX_VOICEMAIL_DELETE|automation.another|0", "SNOOZE", None, ["a"], {"a": 1}, 7:
        await house.phone.fire(action)
    tag = house.phone.notifications[-1]["data"]["tag"]
    assert (await house.phone.press("Delete"))["destructive"]
    assert [message.caller for message in pbx.spool.messages("104")] == ["1"]
    assert state_of(house.hass, "sensor.extension_104_messages").state == "1"
    assert house.phone.notifications[2:] == [
        {"message": "clear_notification", "data": {"tag": tag}},
    ]


async def test_delete_what_is_gone(house: House, pbx: Simulator) -> None:
    await _notified(house, pbx)
    await house.phone.press("Delete")
    await house.phone.press("Delete")
    assert house.told[1:] == ["clear_notification"] * 2


async def test_delete_while_the_pbx_is_away(house: House, pbx: Simulator) -> None:
    await _notified(house, pbx)
    await pbx.stop()
    await poll(house.hass)
    await house.phone.press("Delete")
    assert len(house.told) == 1
    await pbx.start()
    await poll(house.hass)
    await house.phone.press("Delete")
    assert house.told[1:] == ["clear_notification"]


async def test_play_on_a_speaker(house: House, pbx: Simulator, played: list[ServiceCall]) -> None:
    await _notified(house, pbx, speaker=SPEAKER)
    await house.phone.press("Play")
    (message,) = (await act(house.hass, "get_messages", extension="104"))["messages"]
    assert [dict(call.data) for call in played] == [
        {
            "entity_id": [SPEAKER],
            "media_content_id": message["media_content_id"],
            "media_content_type": "music",
        }
    ]


async def test_play_plays_nothing_else(
    house: House, pbx: Simulator, played: list[ServiceCall]
) -> None:
    """Whoever has an app can say that a button was pressed, and what was behind it."""
    await _notified(house, pbx, speaker=SPEAKER)
    (entry,) = house.hass.config_entries.async_entries(DOMAIN)
    root = f"media-source://{DOMAIN}/{entry.entry_id}"
    message_id = await latest_of(house.hass, "104")
    for media_content_id in (
        "http://evil.example/prank.mp3",
        "media-source://media_source/local/prank.mp3",
        "media-source://tts/tts.local?message=Fire!",
        f"media-source://{DOMAIN}_evil/{entry.entry_id}/104/{message_id}",
        f"http://evil.example/{root}/104/{message_id}",
        root,
        f"{root}/104",
        f"{root}/104/",
        f"{root}/102/{await latest_of(house.hass, '102')}",
        f"{root}/104/../102/{await latest_of(house.hass, '102')}",
        f"{root}/104/%2e%2e/102/{await latest_of(house.hass, '102')}",
        f"{root}/104/{message_id}/../../../evil",
        f"{root}/104/{message_id}?x=http://evil.example",
        f"media-source://{DOMAIN}/another/104/{message_id}",
        "",
        "{{ 1 }}",
        "['a']",
        "12",
    ):
        await house.phone.fire(f"PBX_VOICEMAIL_PLAY|automation.notify|{media_content_id}")
    assert played == []
    await house.phone.fire(f"PBX_VOICEMAIL_PLAY|automation.notify|{root}/104/{message_id}")
    assert len(played) == 1


async def test_play_without_a_speaker(
    house: House, pbx: Simulator, played: list[ServiceCall]
) -> None:
    await _notified(house, pbx)
    button = f"PBX_VOICEMAIL_PLAY|automation.notify|media-source://{DOMAIN}/x/104/{0:016x}"
    await house.phone.fire(button)
    assert played == []


async def test_delete_deletes_nothing_else(house: House, pbx: Simulator) -> None:
    await _notified(house, pbx)
    other = await latest_of(house.hass, "102")
    for message_id in (
        other,
        f"{other}\n",
        other.upper(),
        f"{await latest_of(house.hass, '104')}|{other}",
        "",
        "0",
        "all",
        "{{ 1 }}",
        "['a']",
    ):
        await house.phone.fire(f"PBX_VOICEMAIL_DELETE|automation.notify|{message_id}")
    assert len(pbx.spool.messages("102")) == 2
    assert len(pbx.spool.messages("104")) == 1
    assert len(house.told) == 1


async def _of_ann(
    house: House, push_service: PushService, restricted: MockUser
) -> tuple[Phone, Phone]:
    """Have a phone of Ann's, and one of somebody else's."""
    ann = MockUser(name="Ann").add_to_hass(house.hass)
    await person.async_create_person(house.hass, "Ann", user_id=ann.id)
    await house.hass.async_block_till_done()
    house.phone = await push_service.register(ann, "Ann's phone")
    return house.phone, await push_service.register(restricted, "Other phone")


async def test_only_the_person_of_the_phone(
    house: House,
    push_service: PushService,
    restricted: MockUser,
    pbx: Simulator,
    played: list[ServiceCall],
) -> None:
    anns, other = await _of_ann(house, push_service, restricted)
    await _notified(house, pbx, speaker=SPEAKER)
    (note,) = anns.notifications
    for button in note["data"]["actions"]:
        await other.fire(button["action"])
    assert len(pbx.spool.messages("104")) == 1
    assert played == []
    assert other.told == []
    refused = (
        "The button was ignored, because the user who pressed it is not the person of this phone"
    )
    assert anns.told[1:] == [f"{refused} (Settings > People)."] * 2

    await anns.press("Play")
    await anns.press("Delete")
    assert len(played) == 1
    assert pbx.spool.messages("104") == []


async def test_automation_that_presses_a_button(
    house: House, push_service: PushService, restricted: MockUser, pbx: Simulator
) -> None:
    """As for the actions, nobody in particular is behind it."""
    anns, _other = await _of_ann(house, push_service, restricted)
    await _notified(house, pbx)
    (button,) = [
        button["action"]
        for button in anns.notifications[0]["data"]["actions"]
        if button["title"] == "Delete"
    ]
    house.hass.bus.async_fire(EVENT, {"action": button}, context=Context())
    await house.hass.async_block_till_done()
    assert pbx.spool.messages("104") == []


async def test_buttons_of_others_take_no_place_in_the_queue(house: House, pbx: Simulator) -> None:
    await house.use("notify", events=EVENTS, phone=house.phone.device_id)
    for number in range(500):
        house.hass.bus.async_fire(EVENT, {"action": f"OTHER_{number}"})
    await house.announce(1)
    assert len(house.told) == 1
