"""The list behind the card: told once, then only what changes, and only to whom it may be told."""

import gc
from typing import Any

from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket, WebSocketGenerator

from custom_components.pbx_voicemail import websocket_api as websocket
from custom_components.pbx_voicemail.voicemail.media_id import message_as_dict

from .engines import SttEngine, add_engine
from .helpers import call_action, get_message_from, leave_message, poll
from .simulator import Simulator


class Card:
    """What a browser knows, from what it is told."""

    def __init__(self, client: MockHAClientWebSocket) -> None:
        self._client = client
        self.pbxs: list[dict[str, Any]] = []
        self.extensions: list[dict[str, Any]] = []
        self.messages: dict[str, dict[str, Any]] = {}

    async def subscribe(self) -> dict[str, Any]:
        await self._client.send_json_auto_id({"type": "pbx_voicemail/messages/subscribe"})
        assert (await self._client.receive_json())["success"]
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        """Take in what was told next, and return it."""
        told: dict[str, Any] = (await self._client.receive_json(timeout=5))["event"]
        assert told
        if told.pop("reset", False):
            self.messages.clear()
        assert told.keys() <= {"pbxs", "extensions", "messages", "gone", "ended"}
        self.pbxs = told.get("pbxs", self.pbxs)
        self.extensions = told.get("extensions", self.extensions)
        for media_id in told.get("gone", ()):
            del self.messages[media_id]
        self.messages |= {
            message["media_content_id"]: message for message in told.get("messages", ())
        }
        return told

    async def hear_nothing(self) -> None:
        """Make sure that nothing was told: the answer to a ping is next."""
        await self._client.send_json_auto_id({"type": "ping"})
        assert (await self._client.receive_json())["type"] == "pong"

    @property
    def callers(self) -> set[str]:
        return {message["caller"] for message in self.messages.values()}


@pytest.fixture
async def card(connected: MockConfigEntry, hass_ws_client: WebSocketGenerator) -> Card:
    card = Card(await hass_ws_client())
    await card.subscribe()
    return card


async def test_all_at_first(hass: HomeAssistant, connected: MockConfigEntry, card: Card) -> None:
    entry_id = connected.entry_id
    hub = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry_id)
        if device.name == "UC501"
    )
    assert card.pbxs == [
        {
            "entry_id": entry_id,
            "device_id": hub.id,
            "title": "UC501 (127.0.0.1)",
            "available": True,
            "answered": None,
        }
    ]
    devices = {
        device.name: device.id
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry_id)
    }
    assert [(told["extension"], told["name"]) for told in card.extensions] == [
        ("101", "Reception (101)"),
        ("102", "Workshop (102)"),
        ("103", "Extension 103"),
        ("104", "Extension 104"),
    ]
    assert all(told["device_id"] == devices[told["name"]] for told in card.extensions)
    assert all(told["may_delete"] for told in card.extensions)
    listed = (await call_action(hass, "get_messages"))["messages"]
    assert card.messages == {
        message["media_content_id"]: {"entry_id": entry_id, **message} for message in listed
    }


async def test_nothing_new(hass: HomeAssistant, card: Card) -> None:
    for _ in range(3):
        await poll(hass)
    await card.hear_nothing()


async def test_message_that_comes_and_goes(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    await leave_message(pbx, "104", "4711")
    await poll(hass)
    told = await card.hear()
    assert told.keys() == {"messages"}
    assert [message["caller"] for message in told["messages"]] == ["4711"]

    pbx.spool.delete("101", "msg0000")
    await poll(hass)
    assert (await card.hear()).keys() == {"gone"}
    assert "7001" not in card.callers
    assert "4711" in card.callers
    await card.hear_nothing()


async def test_deleted_by_action(hass: HomeAssistant, card: Card) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert (await card.hear()).keys() == {"gone"}


async def test_extension_that_appears(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    await leave_message(pbx, "105")
    await poll(hass)
    told = await card.hear()
    while "messages" not in told:
        told = await card.hear()
    assert {extension["extension"] for extension in card.extensions} >= {"105"}
    assert len(card.messages) == 8


@pytest.fixture
async def stt_engine(hass: HomeAssistant) -> None:
    """Have a speech-to-text engine."""
    await add_engine(hass, SttEngine())


async def test_transcript(hass: HomeAssistant, stt_engine: None, card: Card) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "transcribe_message", message_id=message_id)
    (message,) = (await card.hear())["messages"]
    assert (message["message_id"], message["transcript"]) == (message_id, "Please call me back.")


async def test_outage(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    """The list stays as it was last known, and it is told since when."""
    known = dict(card.messages)
    await pbx.stop()
    await poll(hass)
    assert (await card.hear()).keys() == {"pbxs"}
    assert card.pbxs[0]["available"] is False
    assert card.pbxs[0]["answered"]
    assert card.messages == known
    await poll(hass)
    await card.hear_nothing()
    await pbx.start()
    await poll(hass)
    assert (await card.hear()).keys() == {"pbxs"}
    assert card.pbxs[0]["available"] is True


async def test_reload(hass: HomeAssistant, connected: MockConfigEntry, card: Card) -> None:
    """Nothing flickers, and what comes later still comes."""
    known = dict(card.messages)
    await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    assert (await card.hear()).keys() == {"pbxs"}
    assert (await card.hear()).keys() == {"pbxs"}
    assert card.messages == known
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert (await card.hear()).keys() == {"gone"}


async def test_pbx_that_is_removed(
    hass: HomeAssistant, connected: MockConfigEntry, card: Card
) -> None:
    await hass.config_entries.async_remove(connected.entry_id)
    await hass.async_block_till_done()
    while card.pbxs:
        await card.hear()
    assert card.messages == {}
    assert card.extensions == []


async def test_pbx_that_comes_later(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    await pbx.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    card = Card(await hass_ws_client())
    await card.subscribe()
    assert [(told["available"], told["answered"]) for told in card.pbxs] == [(False, None)]
    assert card.messages == {}
    await pbx.start()
    await hass.config_entries.async_reload(entry.entry_id)
    while not card.messages:
        await card.hear()
    assert card.pbxs[0]["available"]
    assert len(card.messages) == 7


async def test_only_what_one_may_hear(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass, restricted_token)
    card = Card(client)
    await card.subscribe()
    assert {told["extension"]: told["may_delete"] for told in card.extensions} == {
        "101": False,
        "102": True,
    }
    assert {message["extension"] for message in card.messages.values()} == {"101", "102"}
    await leave_message(pbx, "103")
    await poll(hass)
    await card.hear_nothing()
    # And no more what one may not hear any longer.
    device = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), connected.entry_id)
        if device.name == "Reception (101)"
    )
    dr.async_get(hass).async_remove_device(device.id)
    await hass.async_block_till_done()
    await card.hear()
    assert {message["extension"] for message in card.messages.values()} == {"102"}


async def test_right_that_is_taken_away(
    hass: HomeAssistant, card: Card, hass_admin_user: MockUser
) -> None:
    """At once, not with the next message."""
    assert len(card.messages) == 7
    await hass.auth.async_update_user(hass_admin_user, group_ids=[GROUP_ID_READ_ONLY])
    await hass.async_block_till_done()
    await card.hear()
    assert not any(told["may_delete"] for told in card.extensions)
    await hass.auth.async_update_user(hass_admin_user, group_ids=[])
    await hass.async_block_till_done()
    await card.hear()
    assert card.extensions == []
    assert card.messages == {}


async def test_right_that_is_taken_from_somebody_else(
    hass: HomeAssistant, card: Card, hass_read_only_user: MockUser
) -> None:
    await hass.auth.async_update_user(hass_read_only_user, group_ids=[])
    await hass.async_block_till_done()
    await card.hear_nothing()


async def test_right_that_goes_with_entities(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Who may see none of an extension's entities may not hear its messages, and not a poll later."""
    card = Card(await hass_ws_client(hass, restricted_token))
    await card.subscribe()
    registry = er.async_get(hass)
    for entity in er.async_entries_for_device(
        registry, _device(hass, "Reception (101)").id, include_disabled_entities=True
    ):
        registry.async_remove(entity.entity_id)
    await hass.async_block_till_done()
    assert (await card.hear()).keys() == {"extensions", "gone"}
    assert {message["extension"] for message in card.messages.values()} == {"102"}


def _device(hass: HomeAssistant, name: str) -> dr.DeviceEntry:
    entry = hass.config_entries.async_entries("pbx_voicemail")[0]
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return next(device for device in devices if device.name == name)


async def test_name_that_is_changed(hass: HomeAssistant, card: Card) -> None:
    """At once, not with the next message."""
    device = _device(hass, "Reception (101)")
    dr.async_get(hass).async_update_device(device.id, name_by_user="Front desk")
    await hass.async_block_till_done()
    assert (await card.hear()).keys() == {"extensions"}
    assert card.extensions[0]["name"] == "Front desk"
    dr.async_get(hass).async_update_device(device.id, name_by_user=None)
    await hass.async_block_till_done()
    assert (await card.hear()).keys() == {"extensions"}
    assert card.extensions[0]["name"] == "Reception (101)"


async def test_name_of_something_else(hass: HomeAssistant, card: Card) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("other", "1")}
    )
    dr.async_get(hass).async_update_device(device.id, name_by_user="Lamp")
    er.async_get(hass).async_get_or_create("light", "other", "1")
    await hass.async_block_till_done()
    await card.hear_nothing()


async def test_disabled_and_enabled(
    hass: HomeAssistant, connected: MockConfigEntry, card: Card
) -> None:
    """It is gone, and comes back by itself."""
    known = dict(card.messages)
    await hass.config_entries.async_set_disabled_by(connected.entry_id, ConfigEntryDisabler.USER)
    while card.pbxs:
        await card.hear()
    assert card.messages == {}
    assert card.extensions == []
    await hass.config_entries.async_set_disabled_by(connected.entry_id, None)
    while not card.messages:
        await card.hear()
    assert card.messages == known


async def test_removed_and_added_again(
    hass: HomeAssistant, connected: MockConfigEntry, card: Card
) -> None:
    await hass.config_entries.async_remove(connected.entry_id)
    again = MockConfigEntry(
        domain="pbx_voicemail",
        unique_id=connected.unique_id,
        minor_version=2,
        data={**connected.data},
    )
    again.add_to_hass(hass)
    await hass.config_entries.async_setup(again.entry_id)
    while {message["entry_id"] for message in card.messages.values()} != {again.entry_id}:
        await card.hear()
    assert len(card.messages) == 7


async def test_one_list_per_connection(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Subscribing again ends the subscription before, so that there are never many."""
    client = await hass_ws_client()
    listeners = len(connected.runtime_data._listeners)
    await Card(client).subscribe()
    for number in range(1, 10):
        await client.send_json_auto_id({"type": "pbx_voicemail/messages/subscribe"})
        assert await client.receive_json() == {
            "id": number,
            "type": "event",
            "event": {"ended": True},
        }
        assert (await client.receive_json())["success"]
        assert len((await client.receive_json())["event"]["messages"]) == 7
    assert len(connected.runtime_data._listeners) == listeners + 1
    await leave_message(pbx, "104", "4711")
    await poll(hass)
    told = await client.receive_json()
    assert told["id"] == 10
    assert [message["caller"] for message in told["event"]["messages"]] == ["4711"]


async def test_says_so_if_it_cannot_go_on(
    hass: HomeAssistant,
    pbx: Simulator,
    card: Card,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A browser whose list would have a gap is told, and gets all when it subscribes again."""
    with monkeypatch.context() as patched:
        patched.setattr(websocket, "message_as_dict", lambda *_: 1 / 0)
        await leave_message(pbx, "104", "4711")
        await poll(hass)
    assert await card.hear() == {"ended": True}
    assert "could not be sent" in caplog.text
    await poll(hass)
    await card.hear_nothing()
    await card.subscribe()
    assert len(card.messages) == 8


async def test_many_browsers_share_what_they_know(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each costs no copy of the messages, and what changes is compared once for all."""
    cards = [Card(await hass_ws_client()) for _ in range(5)]
    for card in cards:
        await card.subscribe()
    gc.collect()
    copies = [
        found
        for found in gc.get_objects()
        if isinstance(found, dict) and found.get("caller") == "7001" and "transcript" in found
    ]
    assert len(copies) == len(cards)  # what the test itself has been told
    converted = []

    def count(*arguments: Any) -> dict[str, Any]:
        converted.append(arguments)
        return message_as_dict(*arguments)

    monkeypatch.setattr(websocket, "message_as_dict", count)
    await leave_message(pbx, "101", "4711")
    await poll(hass)
    for card in cards:
        assert [message["caller"] for message in (await card.hear())["messages"]] == ["4711"]
    assert len(converted) == 1


async def test_entry_of_something_else(hass: HomeAssistant, card: Card) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    hass.config_entries.async_update_entry(other, title="Something else")
    await card.hear_nothing()


async def test_many_are_told_by_several_events(
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "_MAX_MESSAGES_PER_EVENT", 3)
    card = Card(await hass_ws_client())
    first = await card.subscribe()
    assert {message["extension"] for message in first["messages"]} == {"101"}
    assert len(card.extensions) == 4
    second = await card.hear()
    assert second.keys() == {"messages"}
    assert len(card.messages) == 7
    await card.hear_nothing()


async def test_end(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A browser that unsubscribes or goes leaves nothing behind."""
    coordinator = connected.runtime_data
    before = len(coordinator._listeners)
    client = await hass_ws_client()
    await Card(client).subscribe()
    assert len(coordinator._listeners) == before + 1
    await client.send_json_auto_id({"type": "unsubscribe_events", "subscription": 1})
    # Told in case it was somebody else who unsubscribed, by a number of an earlier connection.
    assert (await client.receive_json())["event"] == {"ended": True}
    assert (await client.receive_json())["success"]
    assert len(coordinator._listeners) == before
    await Card(client).subscribe()
    assert len(coordinator._listeners) == before + 1
    await client.close()
    await hass.async_block_till_done()
    assert len(coordinator._listeners) == before
