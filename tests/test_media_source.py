"""Messages in the media browser: what is shown to whom, found, and played."""

from typing import Any

from aiohttp import web
from homeassistant.components import media_source
from homeassistant.components.media_player import BrowseError
from homeassistant.components.media_source import Unresolvable
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from .conftest import FIXTURES, TOKEN
from .living import act, latest_of, leave, message_of, poll
from .simulator import Simulator

ROOT = "media-source://pbx_voicemail"
RECORDED = (FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav").read_bytes()


@pytest.fixture(autouse=True)
async def browser(hass: HomeAssistant) -> None:
    """Have Home Assistant's media browser."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    assert await async_setup_component(hass, "media_source", {})


async def _show(
    client: MockHAClientWebSocket, media_content_id: str = ROOT, **search: str
) -> dict[str, Any]:
    command = "search_media" if search else "browse_media"
    await client.send_json_auto_id(
        {"type": f"media_source/{command}", "media_content_id": media_content_id, **search}
    )
    return dict(await client.receive_json())


async def _titles(client: MockHAClientWebSocket, media_content_id: str = ROOT) -> list[str]:
    shown = await _show(client, media_content_id)
    return [child["title"] for child in shown["result"]["children"]]


async def _found(
    client: MockHAClientWebSocket, words: str, media_content_id: str = ROOT
) -> list[str]:
    found = await _show(client, media_content_id, search_query=words)
    return [hit["title"] for hit in found["result"]["result"]]


async def test_from_the_pbx_to_a_message(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client()
    assert "PBX Voicemail" in await _titles(client, "")
    assert await _titles(client) == ["UC501 (127.0.0.1)"]
    entry = f"{ROOT}/{connected.entry_id}"
    assert await _titles(client, entry) == [
        "Reception (101) · 3",
        "Workshop (102) · 2",
        "Extension 103 · 2",
        "Extension 104",
    ]
    assert await _titles(client, f"{entry}/104") == []
    assert await _titles(client, f"{entry}/101") == [
        "张伟 (13800138000) · 2026-11-23 15:51 · 0:02",
        "7001 · 2026-11-23 15:51 · 0:04",
        "Ann Müller (6000) · 2026-11-23 15:51 · 0:05",
    ]
    shown = (await _show(client, f"{entry}/101"))["result"]
    assert shown["can_search"]
    assert {(child["can_play"], child["can_expand"]) for child in shown["children"]} == {
        (True, False)
    }
    message = await message_of(hass, "7001")
    assert shown["children"][1]["media_content_id"] == message["media_content_id"]


async def test_titles_of_what_the_pbx_hardly_knows(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await leave(pbx, "104", '"Ann" <>')
    await leave(pbx, "104", "")
    await poll(hass)
    assert await _titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}/104") == [
        "Unknown caller · 2026-11-24 10:30 · 0:04",
        "Ann · 2026-11-24 10:30 · 0:04",
    ]


async def test_title_without_date_and_length(
    pbx: Simulator,
    connected: MockConfigEntry,
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
) -> None:
    async def answer(request: web.Request) -> web.Response:
        mailbox = {"extid": "104", "voicemail": [{"messagefrom": "1"}]}
        return web.json_response({"status": "Success", "voicemails": [mailbox]})

    pbx.intercept = answer
    await poll(hass)
    assert await _titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}/104") == ["1"]


async def test_extension_by_the_name_that_a_person_gave_it(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    registry = dr.async_get(hass)
    (device,) = [
        device
        for device in dr.async_entries_for_config_entry(registry, connected.entry_id)
        if device.name == "Extension 104"
    ]
    registry.async_update_device(device.id, name_by_user="Fax")
    assert "Fax" in await _titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}")


@pytest.mark.parametrize(
    ("words", "callers"),
    [
        ("müller", ["Ann Müller (6000)"]),
        ("MÜLLER", ["Ann Müller (6000)"]),
        ("张", ["张伟 (13800138000)"]),
        ("reception", ["张伟 (13800138000)", "7001", "Ann Müller (6000)"]),
        ("138", ["张伟 (13800138000)"]),
        ("nobody", []),
    ],
)
async def test_search(
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    words: str,
    callers: list[str],
) -> None:
    found = await _found(await hass_ws_client(), words)
    assert [title.split(" · ")[0] for title in found] == callers


async def test_search_below_a_place(
    connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client()
    entry = f"{ROOT}/{connected.entry_id}"
    assert len(await _found(client, "0", entry)) > len(await _found(client, "0", f"{entry}/101"))
    assert await _found(client, "workshop", f"{entry}/101") == []


async def test_play_in_the_browser(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    message = await message_of(hass, "7001")
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {"type": "media_source/resolve_media", "media_content_id": message["media_content_id"]}
    )
    played = (await client.receive_json())["result"]
    assert played["mime_type"] == "audio/wav"
    assert TOKEN not in played["url"]
    assert pbx.address not in played["url"]
    response = await (await hass_client_no_auth()).get(played["url"])
    assert await response.read() == RECORDED


async def test_resolved_as_a_file_too(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    """What Home Assistant's AI tasks read is a file, not an address."""
    message = await message_of(hass, "7001")
    media = await media_source.async_resolve_media(hass, message["media_content_id"], None)
    assert media.path
    assert media.path.suffix == ".wav"
    assert await hass.async_add_executor_job(media.path.read_bytes) == RECORDED


async def test_only_what_one_may_hear(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass, restricted_token)
    entry = f"{ROOT}/{connected.entry_id}"
    assert await _titles(client, entry) == ["Reception (101) · 3", "Workshop (102) · 2"]
    assert (await _show(client, f"{entry}/103"))["success"] is False
    assert not (await _show(client, f"{entry}/103", search_query="8001"))["success"]
    assert not [title for title in await _found(client, "") if title.startswith("8001")]
    pbx.requests.clear()
    message_id = await latest_of(hass, "103")
    for place in f"{entry}/103/{message_id}", f"{entry}/101/{message_id}":
        await client.send_json_auto_id(
            {"type": "media_source/resolve_media", "media_content_id": place}
        )
        refused = await client.receive_json()
        assert refused["success"] is False
    assert pbx.requests == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("{0}/999", "no extension 999"),
        ("{0}/101/0/0", "no longer"),
        ("{0}//0", "no longer"),
        ("another", "not connected"),
    ],
)
async def test_nothing_there(
    hass: HomeAssistant, connected: MockConfigEntry, place: str, reason: str
) -> None:
    media_id = f"{ROOT}/{place.format(connected.entry_id)}"
    with pytest.raises(BrowseError, match=reason):
        await media_source.async_browse_media(hass, media_id)
    with pytest.raises(Unresolvable, match=reason):
        await media_source.async_resolve_media(hass, media_id, None)


@pytest.mark.parametrize("place", ["", "/101", "/101/0000000000000000"])
async def test_nothing_to_play(hass: HomeAssistant, connected: MockConfigEntry, place: str) -> None:
    with pytest.raises(Unresolvable, match="no longer on the PBX"):
        await media_source.async_resolve_media(hass, f"{ROOT}/{connected.entry_id}{place}", None)


async def test_pbx_is_down(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    message = await message_of(hass, "7001")
    await pbx.stop()
    with pytest.raises(Unresolvable, match="cannot be reached"):
        await media_source.async_resolve_media(hass, message["media_content_id"], None)
    await hass.config_entries.async_unload(connected.entry_id)
    with pytest.raises(Unresolvable, match="not connected"):
        await media_source.async_resolve_media(hass, message["media_content_id"], None)


async def test_extension_that_is_no_number(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Whatever Home Assistant can sign a path of: it cannot of one with a ?, # or %."""
    for extension in "*97", "a b":
        await leave(pbx, extension)
    await poll(hass)
    client = await hass_ws_client()
    for extension in "*97", "a b":
        (message,) = (await act(hass, "get_messages", extension=extension))["messages"]
        await client.send_json_auto_id(
            {"type": "media_source/resolve_media", "media_content_id": message["media_content_id"]}
        )
        url = (await client.receive_json())["result"]["url"]
        response = await (await hass_client_no_auth()).get(url)
        assert await response.read() == RECORDED, url
