"""The card's subscription: all messages first, then the changes, as far as permissions allow."""

import asyncio
from datetime import UTC, datetime
import gc
import threading
from typing import Any

from homeassistant.auth.const import GROUP_ID_READ_ONLY
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket, WebSocketGenerator

from custom_components.pbx_voicemail import mailbox_state, websocket_api as websocket
from custom_components.pbx_voicemail.mailbox_state import MailboxState, MailboxUpdate
from custom_components.pbx_voicemail.pbx import Message
from custom_components.pbx_voicemail.voicemail.callers import Caller, Callers
from custom_components.pbx_voicemail.voicemail.media_id import message_as_dict

from .engines import SttEngine, add_engine
from .helpers import call_action, get_message_from, leave_message, poll
from .simulator import Simulator


class Card:
    """The state of a card, from the events that it has received."""

    def __init__(self, client: MockHAClientWebSocket) -> None:
        self._client = client
        self.is_partial = False
        self.pbxs: list[dict[str, Any]] = []
        self.extensions: list[dict[str, Any]] = []
        self.messages: dict[str, dict[str, Any]] = {}

    async def subscribe(self) -> dict[str, Any]:
        await self._client.send_json_auto_id({"type": "pbx_voicemail/messages/subscribe"})
        assert (await self._client.receive_json())["success"]
        return await self.receive()

    async def receive(self) -> dict[str, Any]:
        """Apply the next event, and return it."""
        event: dict[str, Any] = (await self._client.receive_json(timeout=5))["event"]
        assert event
        if event.pop("reset", False):
            self.messages.clear()
        self.is_partial = event.pop("is_partial", False)
        assert event.keys() <= {"pbxs", "extensions", "messages", "gone", "ended"}
        self.pbxs = event.get("pbxs", self.pbxs)
        self.extensions = event.get("extensions", self.extensions)
        for media_id in event.get("gone", ()):
            del self.messages[media_id]
        self.messages |= {
            message["media_content_id"]: message for message in event.get("messages", ())
        }
        return event

    async def receive_nothing(self) -> None:
        """Check that there is no event: the next message is the response to a ping."""
        await self._client.send_json_auto_id({"type": "ping"})
        assert (await self._client.receive_json())["type"] == "pong"

    @property
    def callers(self) -> set[str]:
        return {message["caller"] for message in self.messages.values()}


@pytest.fixture
async def new_card(connected: MockConfigEntry, hass_ws_client: WebSocketGenerator) -> Card:
    """Return a card that has not subscribed yet."""
    return Card(await hass_ws_client())


@pytest.fixture
async def card(new_card: Card) -> Card:
    await new_card.subscribe()
    return new_card


async def test_first_event(hass: HomeAssistant, connected: MockConfigEntry, card: Card) -> None:
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
    assert [(extension["extension"], extension["name"]) for extension in card.extensions] == [
        ("101", "Reception (101)"),
        ("102", "Workshop (102)"),
        ("103", "Extension 103"),
        ("104", "Extension 104"),
    ]
    assert all(
        extension["device_id"] == devices[extension["name"]] for extension in card.extensions
    )
    assert all(extension["may_delete"] for extension in card.extensions)
    listed = (await call_action(hass, "get_messages"))["messages"]
    assert card.messages == {
        message["media_content_id"]: {"entry_id": entry_id, **message} for message in listed
    }


async def test_no_event_without_changes(hass: HomeAssistant, card: Card) -> None:
    for _ in range(3):
        await poll(hass)
    await card.receive_nothing()


async def test_new_and_deleted_message(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    await leave_message(pbx, "104", "4711")
    await poll(hass)
    event = await card.receive()
    assert event.keys() == {"messages"}
    assert [message["caller"] for message in event["messages"]] == ["4711"]

    pbx.spool.delete("101", "msg0000")
    await poll(hass)
    assert (await card.receive()).keys() == {"gone"}
    assert "7001" not in card.callers
    assert "4711" in card.callers
    await card.receive_nothing()


async def test_deleted_by_action(hass: HomeAssistant, card: Card) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert (await card.receive()).keys() == {"gone"}


async def test_new_extension(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    await leave_message(pbx, "105")
    await poll(hass)
    event = await card.receive()
    while "messages" not in event:
        event = await card.receive()
    assert {extension["extension"] for extension in card.extensions} >= {"105"}
    assert len(card.messages) == 8


@pytest.fixture
async def stt_engine(hass: HomeAssistant) -> None:
    """Set up a speech-to-text engine."""
    await add_engine(hass, SttEngine())


async def test_many_new_extensions(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    """The list of all extensions is not sent again for each of them."""
    pbx.extensions |= {str(number): "" for number in range(1000, 1200)}
    # With another time zone, everything is asked for anew.
    await hass.config.async_update(time_zone="Asia/Tokyo")
    events = 0
    while len(card.extensions) < 204 or not all(one["device_id"] for one in card.extensions):
        await card.receive()
        events += 1
    assert events < 100


async def test_transcript(hass: HomeAssistant, stt_engine: None, card: Card) -> None:
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "transcribe_message", message_id=message_id)
    (message,) = (await card.receive())["messages"]
    assert (message["message_id"], message["transcript"]) == (message_id, "Please call me back.")


async def test_outage(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    """The messages stay, and the event has the time of the last successful poll."""
    known = dict(card.messages)
    await pbx.stop()
    await poll(hass)
    assert (await card.receive()).keys() == {"pbxs"}
    assert card.pbxs[0]["available"] is False
    assert card.pbxs[0]["answered"]
    assert card.messages == known
    await poll(hass)
    await card.receive_nothing()
    await pbx.start()
    await poll(hass)
    assert (await card.receive()).keys() == {"pbxs"}
    assert card.pbxs[0]["available"] is True


async def test_reload(hass: HomeAssistant, connected: MockConfigEntry, card: Card) -> None:
    """No message is removed meanwhile, and new messages are still received."""
    known = dict(card.messages)
    await hass.config_entries.async_reload(connected.entry_id)
    await hass.async_block_till_done()
    assert (await card.receive()).keys() == {"pbxs"}
    assert (await card.receive()).keys() == {"pbxs"}
    assert card.messages == known
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert (await card.receive()).keys() == {"gone"}


async def test_removed_pbx(hass: HomeAssistant, connected: MockConfigEntry, card: Card) -> None:
    await hass.config_entries.async_remove(connected.entry_id)
    await hass.async_block_till_done()
    while card.pbxs:
        await card.receive()
    assert card.messages == {}
    assert card.extensions == []


async def test_pbx_added_later(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    await pbx.stop()
    await hass.config_entries.async_setup(entry.entry_id)
    card = Card(await hass_ws_client())
    await card.subscribe()
    assert [(pbx["available"], pbx["answered"]) for pbx in card.pbxs] == [(False, None)]
    assert card.messages == {}
    await pbx.start()
    await hass.config_entries.async_reload(entry.entry_id)
    while not card.messages:
        await card.receive()
    assert card.pbxs[0]["available"]
    assert len(card.messages) == 7


async def test_permissions(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass, restricted_token)
    card = Card(client)
    await card.subscribe()
    assert {extension["extension"]: extension["may_delete"] for extension in card.extensions} == {
        "101": False,
        "102": True,
    }
    assert {message["extension"] for message in card.messages.values()} == {"101", "102"}
    await leave_message(pbx, "103")
    await poll(hass)
    await card.receive_nothing()
    # Messages disappear when the permission is revoked.
    device = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), connected.entry_id)
        if device.name == "Reception (101)"
    )
    dr.async_get(hass).async_remove_device(device.id)
    await hass.async_block_till_done()
    await card.receive()
    assert {message["extension"] for message in card.messages.values()} == {"102"}


async def test_revoked_permission(
    hass: HomeAssistant, card: Card, hass_admin_user: MockUser
) -> None:
    """It takes effect at once, not with the next message."""
    assert len(card.messages) == 7
    await hass.auth.async_update_user(hass_admin_user, group_ids=[GROUP_ID_READ_ONLY])
    await hass.async_block_till_done()
    await card.receive()
    assert not any(extension["may_delete"] for extension in card.extensions)
    await hass.auth.async_update_user(hass_admin_user, group_ids=[])
    await hass.async_block_till_done()
    await card.receive()
    assert card.extensions == []
    assert card.messages == {}


async def test_revoked_permission_of_another_user(
    hass: HomeAssistant, card: Card, hass_read_only_user: MockUser
) -> None:
    await hass.auth.async_update_user(hass_read_only_user, group_ids=[])
    await hass.async_block_till_done()
    await card.receive_nothing()


async def test_permission_lost_with_entities(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Without entities, there is no permission to hear messages. It takes effect at once."""
    card = Card(await hass_ws_client(hass, restricted_token))
    await card.subscribe()
    registry = er.async_get(hass)
    for entity in er.async_entries_for_device(
        registry, _device(hass, "Reception (101)").id, include_disabled_entities=True
    ):
        registry.async_remove(entity.entity_id)
    await hass.async_block_till_done()
    assert (await card.receive()).keys() == {"extensions", "gone"}
    assert {message["extension"] for message in card.messages.values()} == {"102"}


def _device(hass: HomeAssistant, name: str) -> dr.DeviceEntry:
    entry = hass.config_entries.async_entries("pbx_voicemail")[0]
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return next(device for device in devices if device.name == name)


async def test_renamed_device(hass: HomeAssistant, card: Card) -> None:
    """It takes effect at once, not with the next message."""
    device = _device(hass, "Reception (101)")
    dr.async_get(hass).async_update_device(device.id, name_by_user="Front desk")
    await hass.async_block_till_done()
    assert (await card.receive()).keys() == {"extensions"}
    assert card.extensions[0]["name"] == "Front desk"
    dr.async_get(hass).async_update_device(device.id, name_by_user=None)
    await hass.async_block_till_done()
    assert (await card.receive()).keys() == {"extensions"}
    assert card.extensions[0]["name"] == "Reception (101)"


async def test_renamed_device_of_another_integration(hass: HomeAssistant, card: Card) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("other", "1")}
    )
    dr.async_get(hass).async_update_device(device.id, name_by_user="Lamp")
    er.async_get(hass).async_get_or_create("light", "other", "1")
    await hass.async_block_till_done()
    await card.receive_nothing()


async def test_disabled_and_enabled(
    hass: HomeAssistant, connected: MockConfigEntry, card: Card
) -> None:
    """The PBX disappears, and returns by itself."""
    known = dict(card.messages)
    await hass.config_entries.async_set_disabled_by(connected.entry_id, ConfigEntryDisabler.USER)
    while card.pbxs:
        await card.receive()
    assert card.messages == {}
    assert card.extensions == []
    await hass.config_entries.async_set_disabled_by(connected.entry_id, None)
    while not card.messages:
        await card.receive()
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
        await card.receive()
    assert len(card.messages) == 7


async def test_one_subscription_per_connection(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A second subscription ends the first."""
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
    response = await client.receive_json()
    assert response["id"] == 10
    assert [message["caller"] for message in response["event"]["messages"]] == ["4711"]


async def test_error_ends_the_subscription(
    hass: HomeAssistant,
    pbx: Simulator,
    card: Card,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The browser gets `ended`, and all messages when it subscribes again."""
    with monkeypatch.context() as patched:
        patched.setattr(mailbox_state, "message_as_dict", lambda *_: 1 / 0)
        await leave_message(pbx, "104", "4711")
        await poll(hass)
    assert await card.receive() == {"ended": True}
    assert "could not be sent" in caplog.text
    await poll(hass)
    await card.receive_nothing()
    await card.subscribe()
    assert len(card.messages) == 8


async def test_subscriptions_share_messages(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Subscriptions do not copy messages, and each change is computed once for all of them."""
    cards = [Card(await hass_ws_client()) for _ in range(5)]
    for card in cards:
        await card.subscribe()
    gc.collect()
    copies = [
        found
        for found in gc.get_objects()
        if isinstance(found, dict) and found.get("caller") == "7001" and "transcript" in found
    ]
    assert len(copies) == len(cards)  # those that the test itself has received
    converted = []

    def count(*arguments: Any) -> dict[str, Any]:
        converted.append(arguments)
        return message_as_dict(*arguments)

    monkeypatch.setattr(mailbox_state, "message_as_dict", count)
    await leave_message(pbx, "101", "4711")
    await poll(hass)
    for card in cards:
        assert [message["caller"] for message in (await card.receive())["messages"]] == ["4711"]
    assert len(converted) == 1


async def test_entry_of_another_integration(hass: HomeAssistant, card: Card) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    hass.config_entries.async_update_entry(other, title="Something else")
    await card.receive_nothing()


async def test_many_messages_in_several_events(
    new_card: Card,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "_MAX_MESSAGES_PER_EVENT", 3)
    first = await new_card.subscribe()
    assert {message["extension"] for message in first["messages"]} == {"101"}
    assert len(new_card.extensions) == 4
    for count, is_partial in ((3, True), (1, False)):
        assert new_card.is_partial
        event = await new_card.receive()
        assert event.keys() == {"messages"}
        assert len(event["messages"]) == count
        assert new_card.is_partial is is_partial
    assert len(new_card.messages) == 7
    await new_card.receive_nothing()


async def test_newest_messages_first(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    new_card: Card,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest of all mailboxes do not wait until the others are prepared."""
    for minute, extension in enumerate(("104", "103", "101", "104")):
        received = datetime(2026, 11, 25, 9, minute, tzinfo=UTC)
        await leave_message(pbx, extension, str(minute), received=received)
    await poll(hass)
    monkeypatch.setattr(websocket, "_MAX_INLINE", 3)
    monkeypatch.setattr(websocket, "_FIRST_MESSAGES", 2)
    await new_card.subscribe()
    assert new_card.is_partial
    assert list(new_card.messages.values()) == [
        await get_message_from(hass, "3") | {"entry_id": connected.entry_id},
        await get_message_from(hass, "2") | {"entry_id": connected.entry_id},
    ]
    assert len(new_card.extensions) == 4
    await new_card.receive()
    assert not new_card.is_partial
    assert len(new_card.messages) == 11
    await new_card.receive_nothing()


async def test_deleted_while_others_are_prepared(
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message that is gone by then does not stay because it was sent as one of the newest."""
    await leave_message(pbx, "104", "4711")
    await connected.runtime_data.async_refresh()
    is_deleted = threading.Event()

    def wait(callers: Callers, message: Message) -> Caller:
        if message.caller == "7001":
            assert is_deleted.wait(timeout=10)
        return find(callers, message)

    find = Callers.find
    monkeypatch.setattr(Callers, "find", wait)
    monkeypatch.setattr(websocket, "_MAX_INLINE", 3)
    monkeypatch.setattr(websocket, "_FIRST_MESSAGES", 1)
    cards = [Card(await hass_ws_client()) for _ in range(2)]
    for card in cards:
        await card.subscribe()
        assert card.callers == {"4711"}
    pbx.spool.delete("104", "msg0000")
    await connected.runtime_data.async_refresh()
    is_deleted.set()
    for card in cards:
        while card.is_partial or "4711" in card.callers:
            await card.receive()
        assert len(card.messages) == 7


async def test_numbers(hass: HomeAssistant, pbx: Simulator, card: Card) -> None:
    """Numbers have the form in which people write them, and that in which phones dial them."""
    await hass.config.async_update(country="DE")
    await hass.async_block_till_done()
    for caller in "03012345678", "+442079460000", "101", '"Anonymous" <anonymous>':
        await leave_message(pbx, "104", caller)
    await poll(hass)
    while len(card.messages) < 11:
        await card.receive()
    numbers = {
        message["caller"]: (message["caller_formatted"], message["caller_e164"])
        for message in card.messages.values()
        if message["extension"] == "104"
    }
    assert numbers == {
        "03012345678": ("030 12345678", "+493012345678"),
        "+442079460000": ("+44 20 7946 0000", "+442079460000"),
        "101": ("101", None),
        "anonymous": ("anonymous", None),
    }


async def test_many_callers(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are looked up in a thread, once for all cards, and only new ones after that."""
    looked_up = []

    def note(callers: Callers, message: Message) -> Caller:
        # In the event loop, events look up their callers.
        if threading.current_thread() is not threading.main_thread():
            looked_up.append(message.caller)
        return find(callers, message)

    find = Callers.find

    monkeypatch.setattr(websocket, "_MAX_INLINE", 3)
    monkeypatch.setattr(websocket, "_FIRST_MESSAGES", 1)
    monkeypatch.setattr(Callers, "find", note)
    cards = [Card(await hass_ws_client()) for _ in range(3)]
    await asyncio.gather(*(card.subscribe() for card in cards))
    for card in cards:
        assert (await card.receive()).keys() == {"messages"}
        assert len(card.messages) == 7
    # Each card looks up the newest one by itself, since it does not wait for the others.
    assert len(looked_up) == len(cards) + 6
    looked_up.clear()
    await leave_message(pbx, "101", "4711")
    await poll(hass)
    for card in cards:
        assert [message["caller"] for message in (await card.receive())["messages"]] == ["4711"]
    assert looked_up == ["4711"]


async def test_many_mailboxes_let_other_tasks_run(
    new_card: Card,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All at once would block Home Assistant for as long as there are messages."""
    turns = [0]
    share = MailboxUpdate.share

    def count(update: MailboxUpdate, state: MailboxState) -> None:
        turns[-1] += 1
        share(update, state)

    async def note_turns() -> None:
        while True:
            await asyncio.sleep(0)
            turns.append(0)

    monkeypatch.setattr(websocket, "_MAX_INLINE", 3)
    monkeypatch.setattr(MailboxUpdate, "share", count)
    noting = asyncio.create_task(note_turns())
    await new_card.subscribe()
    while new_card.is_partial:
        await new_card.receive()
    noting.cancel()
    assert sum(turns) == 4
    assert max(turns) == 1


async def test_unsubscribe(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A browser that unsubscribes or disconnects leaves no listeners behind."""
    coordinator = connected.runtime_data
    before = len(coordinator._listeners)
    client = await hass_ws_client()
    await Card(client).subscribe()
    assert len(coordinator._listeners) == before + 1
    await client.send_json_auto_id({"type": "unsubscribe_events", "subscription": 1})
    # Sent in case the browser used an id of an earlier connection by mistake.
    assert (await client.receive_json())["event"] == {"ended": True}
    assert (await client.receive_json())["success"]
    assert len(coordinator._listeners) == before
    await Card(client).subscribe()
    assert len(coordinator._listeners) == before + 1
    await client.close()
    await hass.async_block_till_done()
    assert len(coordinator._listeners) == before
