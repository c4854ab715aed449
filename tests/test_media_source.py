"""The media source: browsing, searching, resolving, and permissions."""

from threading import Thread, current_thread
from typing import Any

from aiohttp import web
from homeassistant.components import media_source
from homeassistant.components.media_player import BrowseError
from homeassistant.components.media_source import Unresolvable
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from .conftest import FIXTURES, TOKEN
from .helpers import (
    call_action,
    get_latest_id,
    get_message_from,
    leave_message,
    poll,
    serve_many_messages,
)
from .measure import measure_load
from .simulator import Simulator

ROOT = "media-source://pbx_voicemail"
RECORDED = (FIXTURES / "asterisk-voicemail" / "101" / "INBOX" / "msg0000.wav").read_bytes()


@pytest.fixture(autouse=True)
async def browser(hass: HomeAssistant) -> None:
    """Set up the media browser."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    assert await async_setup_component(hass, "media_source", {})


async def _browse(
    client: MockHAClientWebSocket, media_content_id: str = ROOT, **search: str
) -> dict[str, Any]:
    command = "search_media" if search else "browse_media"
    await client.send_json_auto_id(
        {"type": f"media_source/{command}", "media_content_id": media_content_id, **search}
    )
    return dict(await client.receive_json())


async def titles(client: MockHAClientWebSocket, media_content_id: str = ROOT) -> list[str]:
    shown = await _browse(client, media_content_id)
    return [child["title"] for child in shown["result"]["children"]]


async def search(
    client: MockHAClientWebSocket, words: str, media_content_id: str = ROOT
) -> list[str]:
    found = await _browse(client, media_content_id, search_query=words)
    return [hit["title"] for hit in found["result"]["result"]]


async def test_browse(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client()
    assert "PBX Voicemail" in await titles(client, "")
    assert await titles(client) == ["UC501 (127.0.0.1)"]
    entry = f"{ROOT}/{connected.entry_id}"
    assert await titles(client, entry) == [
        "Reception (101) · 3",
        "Workshop (102) · 2",
        "Extension 103 · 2",
        "Extension 104",
    ]
    assert await titles(client, f"{entry}/104") == []
    assert await titles(client, f"{entry}/101") == [
        "张伟 (13800138000) · 2026-11-23 15:51 · 0:02",
        "7001 · 2026-11-23 15:51 · 0:04",
        "Ann Müller (6000) · 2026-11-23 15:51 · 0:05",
    ]
    shown = (await _browse(client, f"{entry}/101"))["result"]
    assert shown["can_search"]
    assert {(child["can_play"], child["can_expand"]) for child in shown["children"]} == {
        (True, False)
    }
    message = await get_message_from(hass, "7001")
    assert shown["children"][1]["media_content_id"] == message["media_content_id"]


async def test_titles_without_a_caller(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    await leave_message(pbx, "104", '"Ann" <>')
    await leave_message(pbx, "104", "")
    await poll(hass)
    assert await titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}/104") == [
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
    assert await titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}/104") == ["1"]


async def test_renamed_extension(
    hass: HomeAssistant, connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    registry = dr.async_get(hass)
    (device,) = [
        device
        for device in dr.async_entries_for_config_entry(registry, connected.entry_id)
        if device.name == "Extension 104"
    ]
    registry.async_update_device(device.id, name_by_user="Fax")
    assert "Fax" in await titles(await hass_ws_client(), f"{ROOT}/{connected.entry_id}")


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
    found = await search(await hass_ws_client(), words)
    assert [title.split(" · ")[0] for title in found] == callers


async def test_search_in_an_extension(
    connected: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client()
    entry = f"{ROOT}/{connected.entry_id}"
    assert len(await search(client, "0", entry)) > len(await search(client, "0", f"{entry}/101"))
    assert await search(client, "workshop", f"{entry}/101") == []


async def test_resolve(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    message = await get_message_from(hass, "7001")
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {"type": "media_source/resolve_media", "media_content_id": message["media_content_id"]}
    )
    played = (await client.receive_json())["result"]
    assert played["mime_type"] == "audio/wav"
    assert TOKEN not in played["url"]
    assert pbx.address not in played["url"]
    # Sonos and other players need it.
    assert played["url"].split("?")[0].endswith(".wav")
    response = await (await hass_client_no_auth()).get(played["url"])
    assert await response.read() == RECORDED


async def test_resolve_has_a_file(hass: HomeAssistant, connected: MockConfigEntry) -> None:
    """AI tasks read a file, not a URL."""
    message = await get_message_from(hass, "7001")
    media = await media_source.async_resolve_media(hass, message["media_content_id"], None)
    assert media.path
    assert media.path.suffix == ".wav"
    assert await hass.async_add_executor_job(media.path.read_bytes) == RECORDED


async def test_permissions(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass, restricted_token)
    entry = f"{ROOT}/{connected.entry_id}"
    assert await titles(client, entry) == ["Reception (101) · 3", "Workshop (102) · 2"]
    assert (await _browse(client, f"{entry}/103"))["success"] is False
    assert not (await _browse(client, f"{entry}/103", search_query="8001"))["success"]
    assert not [title for title in await search(client, "") if title.startswith("8001")]
    pbx.requests.clear()
    message_id = await get_latest_id(hass, "103")
    for place in f"{entry}/103/{message_id}", f"{entry}/101/{message_id}":
        await client.send_json_auto_id(
            {"type": "media_source/resolve_media", "media_content_id": place}
        )
        refused = await client.receive_json()
        assert refused["success"] is False
    assert pbx.requests == []


async def test_pbx_without_permission(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted: MockUser,
    restricted_token: str,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Its name often contains its address, so it is hidden from users without permission."""
    client = await hass_ws_client(hass, restricted_token)
    assert await titles(client) == ["UC501 (127.0.0.1)"]
    restricted.groups[0].policy = {}
    restricted.invalidate_cache()
    assert await titles(client) == []
    unknown = await _browse(client, f"{ROOT}/another")
    hidden = await _browse(client, f"{ROOT}/{connected.entry_id}")
    assert hidden["error"] == unknown["error"]
    assert await search(client, "") == []


async def test_pbx_without_extensions(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_admin_user: MockUser,
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": "Success"})

    pbx.intercept = answer
    await hass.config_entries.async_setup(entry.entry_id)
    assert await titles(await hass_ws_client()) == ["UC501 (127.0.0.1)"]


@pytest.mark.parametrize(
    ("audio", "suffix"),
    [(b"ID3" + bytes(100), ".mp3"), (b"OggS" + bytes(100), ".ogg"), (b"\1" * 100, "")],
)
async def test_url_has_a_suffix(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    audio: bytes,
    suffix: str,
) -> None:
    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(body=audio) if request.path.endswith("/download") else None

    message = await get_message_from(hass, "7001")
    pbx.intercept = answer
    media = await media_source.async_resolve_media(hass, message["media_content_id"], None)
    assert media.url.endswith(message["message_id"] + suffix)
    assert await (await (await hass_client()).get(media.url)).read() == audio


@pytest.mark.usefixtures("announced_at_once")
async def test_thousands_of_messages(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    unpacked_in: list[Thread],
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Searching and listing them runs in a thread, so that the event loop is not blocked."""
    serve_many_messages(pbx, 10_000)
    await poll(hass)
    unpacked_in.clear()
    client = await hass_ws_client()
    entry = f"{ROOT}/{connected.entry_id}"
    async with measure_load() as load:
        assert len(await search(client, "caller 9")) == 100
        assert await search(client, "nobody") == []
        assert await search(client, "nobody", f"{entry}/101") == []
        shown = (await _browse(client, f"{entry}/101"))["result"]
        media_id = shown["children"][-1]["media_content_id"]
        await media_source.async_resolve_media(hass, media_id, None)
    assert len(shown["children"]) + shown["not_shown"] == 10_000
    assert shown["children"][0]["title"].startswith("Caller 9999 (9999)")
    assert unpacked_in
    assert current_thread() not in unpacked_in
    assert load.stall < 2


async def _resolve(hass: HomeAssistant, media_content_id: str) -> str:
    """Return the URL that a speaker gets, or the error."""
    try:
        return (await media_source.async_resolve_media(hass, media_content_id, None)).mime_type
    except Unresolvable as err:
        return str(err)


@pytest.fixture
def played(hass: HomeAssistant) -> list[str]:
    """Create a speaker, and return the list of what it plays."""
    urls: list[str] = []

    async def play(call: ServiceCall) -> None:
        urls.append(await _resolve(hass, call.data["media_content_id"]))

    hass.services.async_register("media_player", "play_media", play)
    return urls


async def test_webhook_without_a_user(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted: MockUser,
    restricted_token: str,
    played: list[str],
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A request through the webhook of a phone has no user, and gets no messages."""
    assert await async_setup_component(hass, "mobile_app", {})
    registration = {
        "app_id": "app",
        "app_name": "App",
        "app_version": "1",
        "device_id": "phone",
        "device_name": "Phone",
        "manufacturer": "Maker",
        "model": "Model",
        "os_name": "OS",
        "os_version": "1",
        "supports_encryption": False,
    }
    client = await hass_client(restricted_token)
    answer = await client.post("/api/mobile_app/registrations", json=registration)
    webhook = (await answer.json())["webhook_id"]
    others = await get_latest_id(hass, "103")
    order = {
        "type": "call_service",
        "data": {
            "domain": "media_player",
            "service": "play_media",
            "service_data": {
                "media_content_id": f"{ROOT}/{connected.entry_id}/103/{others}",
            },
        },
    }
    await (await hass_client_no_auth()).post(f"/api/webhook/{webhook}", json=order)
    assert played == ["You are not allowed to listen to messages of this extension"]


@pytest.mark.parametrize(
    ("extension", "expected"),
    [("101", "audio/wav"), ("103", "You are not allowed to listen to messages of this extension")],
)
async def test_rest_api(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted_token: str,
    played: list[str],
    hass_client: ClientSessionGenerator,
    extension: str,
    expected: str,
) -> None:
    """A user without a WebSocket connection."""
    message_id = await get_latest_id(hass, extension)
    media_id = f"{ROOT}/{connected.entry_id}/{extension}/{message_id}"
    assert await async_setup_component(hass, "api", {})
    client = await hass_client(restricted_token)
    order = {"media_content_id": media_id}
    response = await client.post("/api/services/media_player/play_media", json=order)
    assert response.status == 200
    assert played == [expected]


@pytest.mark.parametrize("through_a_script", [False, True])
async def test_automation_has_all_permissions(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    restricted: MockUser,
    restricted_token: str,
    played: list[str],
    hass_ws_client: WebSocketGenerator,
    hass_client_no_auth: ClientSessionGenerator,
    through_a_script: bool,
) -> None:
    """Whoever triggers it: the webhook of a phone, or a user."""
    others = await get_latest_id(hass, "103")
    play = {
        "action": "media_player.play_media",
        "data": {"media_content_id": f"{ROOT}/{connected.entry_id}/103/{others}"},
    }
    assert await async_setup_component(hass, "script", {"script": {"play": {"sequence": [play]}}})
    automation = {
        "id": "play",
        "triggers": [
            {"trigger": "webhook", "webhook_id": "button", "local_only": False},
            {"trigger": "state", "entity_id": "input_boolean.button"},
        ],
        "actions": [{"action": "script.play"} if through_a_script else play],
    }
    for domain in "webhook", "input_boolean":
        assert await async_setup_component(hass, domain, {domain: {"button": None}})
    assert await async_setup_component(hass, "automation", {"automation": [automation]})
    client = await hass_ws_client(hass, restricted_token)
    await (await hass_client_no_auth()).post("/api/webhook/button")
    await hass.async_block_till_done()
    assert played == ["audio/wav"]

    own = {"input_boolean.button": True, "script.play": True}
    policy: Any = restricted.groups[0].policy
    policy["entities"]["entity_ids"] = own
    restricted.invalidate_cache()
    for domain, service in ("input_boolean", "toggle"), ("script", "turn_on"):
        await client.send_json_auto_id(
            {
                "type": "call_service",
                "domain": domain,
                "service": service,
                "target": {"entity_id": list(own)[domain == "script"]},
            }
        )
        assert (await client.receive_json())["success"]
        await hass.async_block_till_done()
    # A script that a user runs has the permissions of that user.
    assert played == [
        "audio/wav",
        "audio/wav",
        "You are not allowed to listen to messages of this extension",
    ]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("{0}/999", "no extension 999"),
        ("{0}/101/0/0", "no longer"),
        ("{0}//0", "no longer"),
        ("{0}/101/0", "no longer"),
        ("{0}/101/0000000000000000.wav", "no longer"),
        ("another", "not connected"),
    ],
)
async def test_browse_fails(
    hass: HomeAssistant, connected: MockConfigEntry, place: str, reason: str
) -> None:
    media_id = f"{ROOT}/{place.format(connected.entry_id)}"
    with pytest.raises(BrowseError, match=reason):
        await media_source.async_browse_media(hass, media_id)
    with pytest.raises(Unresolvable, match=reason):
        await media_source.async_resolve_media(hass, media_id, None)


@pytest.mark.parametrize("place", ["", "/101", "/101/0000000000000000"])
async def test_resolve_fails(hass: HomeAssistant, connected: MockConfigEntry, place: str) -> None:
    with pytest.raises(Unresolvable, match="no longer on the PBX"):
        await media_source.async_resolve_media(hass, f"{ROOT}/{connected.entry_id}{place}", None)


async def test_pbx_is_down(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    message = await get_message_from(hass, "7001")
    await pbx.stop()
    with pytest.raises(Unresolvable, match="cannot be reached"):
        await media_source.async_resolve_media(hass, message["media_content_id"], None)
    await hass.config_entries.async_unload(connected.entry_id)
    with pytest.raises(Unresolvable, match="not connected"):
        await media_source.async_resolve_media(hass, message["media_content_id"], None)


async def test_extension_with_special_characters(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """All characters that Home Assistant can sign in a path, which excludes ?, # and %."""
    for extension in "*97", "a-b":
        await leave_message(pbx, extension)
    await poll(hass)
    client = await hass_ws_client()
    for extension in "*97", "a-b":
        (message,) = (await call_action(hass, "get_messages", extension=extension))["messages"]
        await client.send_json_auto_id(
            {"type": "media_source/resolve_media", "media_content_id": message["media_content_id"]}
        )
        url = (await client.receive_json())["result"]["url"]
        response = await (await hass_client_no_auth()).get(url)
        assert await response.read() == RECORDED, url
