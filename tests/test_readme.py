"""What the README has people copy is run, in both languages."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
import re
from typing import Any, Final

from homeassistant import components
from homeassistant.components.lovelace.const import LOVELACE_DATA
from homeassistant.components.lovelace.resources import ResourceYAMLCollection
from homeassistant.components.media_source import async_resolve_media
from homeassistant.components.recorder import CONFIG_SCHEMA
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entityfilter import convert_include_exclude_filter
from homeassistant.helpers.selector import MediaSelector
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .conftest import INTEGRATION
from .demo.hass_process import REPOSITORY
from .helpers import call_action, leave_message, poll
from .simulator import Simulator
from .simulator.__main__ import EXTENSIONS

DASHBOARD: Final = REPOSITORY / "tests" / "demo" / "dashboard.yaml"
ENGLISH: Final = "README.md"
CHINESE: Final = "README.zh-Hans.md"

_taken: list[tuple[str, int]] = []


@cache
def _text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def _blocks(name: str) -> dict[tuple[str, int], str]:
    """Return the YAML blocks of a file by the heading they are under and their number there."""
    blocks: dict[tuple[str, int], str] = {}
    heading, number = "", 0
    for title, block in re.findall(
        r"^## ([^\n]+)$|^```ya?ml\n(.*?)^```$", _text(name), re.MULTILINE | re.DOTALL
    ):
        if title:
            heading, number = title, 0
        else:
            blocks[heading, number] = block
            number += 1
    return blocks


def _parse(block: str) -> dict[str, Any]:
    written = parse_yaml(block)
    assert isinstance(written, dict)
    return written


def takes(heading: str, number: int = 0) -> pytest.MarkDecorator:
    """Hand a block to a test, and note that it is run."""
    _taken.append((heading, number))
    return pytest.mark.parametrize("block", [_blocks(ENGLISH)[heading, number]], ids=[heading])


def _entities(card: object) -> Iterator[str]:
    """Yield the entities that a part of a dashboard shows."""
    if isinstance(card, list):
        for part in card:
            yield from _entities(part)
    elif isinstance(card, dict):
        if "entity" in card:
            yield card["entity"]
        yield from _entities([*card.values()])


async def _automate(hass: HomeAssistant, block: str, **lacking: Any) -> None:
    """Have Home Assistant take an automation, with what the block leaves out."""
    written = _parse(block)
    assert not written.keys() & lacking.keys()
    automation = {"automation": [{"id": "readme", **lacking, **written}]}
    assert await async_setup_component(hass, "automation", automation)
    await hass.async_block_till_done()
    (state,) = hass.states.async_all("automation")
    assert state.state == "on"


def _trigger() -> Any:
    """Return the trigger that the examples go with."""
    return _parse(_blocks(ENGLISH)["Automations", 0])["triggers"]


@takes("Entities")
async def test_history_without_callers(
    hass: HomeAssistant, connected: MockConfigEntry, block: str
) -> None:
    recorded = convert_include_exclude_filter(CONFIG_SCHEMA(_parse(block))["recorder"])
    left_out = {entity for entity in hass.states.async_entity_ids() if not recorded(entity)}
    assert left_out == {
        entity for entity in hass.states.async_entity_ids() if entity.endswith("_latest_caller")
    }
    assert len(left_out) == 4


@takes("The inbox card", 0)
def test_card(block: str) -> None:
    code = (INTEGRATION / "frontend" / "pbx-voicemail-card.js").read_text()
    card = _parse(block)
    settings = (INTEGRATION / "frontend" / "config.js").read_text()
    (options,) = re.findall(r"@typedef \{\{([^}]+)\}\} Config ", settings)
    assert {"type", *re.findall(r"(\w+)\?:", options)} == card.keys()
    assert f'customElements.define("{card["type"].removeprefix("custom:")}"' in code
    assert isinstance(card["devices"], list)


@takes("The inbox card", 1)
async def test_card_as_a_resource(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    block: str,
) -> None:
    assert await async_setup_component(hass, "lovelace", _parse(block))
    assert await hass.config_entries.async_setup(entry.entry_id)
    resources = hass.data[LOVELACE_DATA].resources
    assert isinstance(resources, ResourceYAMLCollection)
    (resource,) = resources.async_items()
    assert resource["type"] == "module"
    response = await (await hass_client()).get(resource["url"])
    assert "pbx-voicemail-card" in await response.text()
    assert "configuration.yaml" not in caplog.text


@takes("The inbox card", 2)
async def test_dashboard(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, block: str
) -> None:
    """What is shown is the beginning of what there is, and all of that exists in the demo."""
    whole = await asyncio.to_thread(DASHBOARD.read_text)
    assert re.sub(r"\A(?:#.*\n)+", "", whole).startswith(block)
    pbx.extensions = EXTENSIONS
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    for dashboard in block, whole:
        entities = {*_entities(_parse(dashboard))}
        assert entities
        assert entities <= {*hass.states.async_entity_ids()}


@takes("Playing, transcribing, and deleting messages")
async def test_what_get_messages_returns(
    hass: HomeAssistant, connected: MockConfigEntry, block: str
) -> None:
    answer = await call_action(hass, "get_messages")
    written = _parse(block)
    assert written.keys() == answer.keys()
    (example,) = written["messages"]
    for message in answer["messages"]:
        assert list(example) == list(message)
        for key in "message_id", "extension", "caller", "received", "duration":
            assert isinstance(example[key], type(message[key]))
    steps = example["media_content_id"].split("/")
    assert steps[:3] == ["media-source:", "", "pbx_voicemail"]
    assert steps[4:] == [example["extension"], example["message_id"]]


@takes("Automations", 0)
async def test_notification(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, block: str
) -> None:
    told = async_mock_service(hass, "notify", "mobile_app_phone")
    await _automate(hass, block)
    await leave_message(pbx, "101", "")
    await leave_message(pbx, "101")
    await leave_message(pbx, "104")
    await poll(hass)
    assert [call.data["title"] for call in told] == ["Voicemail for 101"] * 2
    assert [call.data["message"].strip() for call in told] == [
        "Somebody spoke for 4 seconds.",
        "Ann spoke for 4 seconds.",
    ]


@takes("Automations", 1)
async def test_state_trigger(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, block: str
) -> None:
    rang = async_mock_service(hass, "test", "ring")
    await _automate(hass, block, actions=[{"action": "test.ring"}])
    await leave_message(pbx, "101")
    await poll(hass)
    await pbx.stop()
    await poll(hass)
    await pbx.start()
    await poll(hass)
    assert len(rang) == 1


@takes("Examples", 0)
async def test_mail(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, block: str
) -> None:
    """The integration for mail is not there, but what it would be given is what it takes."""
    mailed = async_mock_service(hass, "smtp", "send_message")
    assert await async_setup_component(hass, "media_source", {})
    await _automate(hass, block, triggers=_trigger())
    await leave_message(pbx, "101")
    await poll(hass)
    (mail,) = mailed
    (folder,) = components.__path__
    services: dict[str, Any] = await asyncio.to_thread(
        load_yaml_dict, f"{folder}/smtp/services.yaml"
    )
    takes_fields: dict[str, Any] = services["send_message"]["fields"]
    assert mail.data.keys() - {"entity_id"} <= takes_fields.keys()
    assert mail.data["title"] == "Voicemail from 6000"
    assert mail.data["message"] == "Listen to the attachment."
    (attachment,) = mail.data["attachments"]
    assert attachment.keys() <= takes_fields["attachments"]["selector"]["object"]["fields"].keys()
    media = attachment["media_source"]
    assert MediaSelector({"accept": ["*"]})(media) == media
    recording = await async_resolve_media(hass, media["media_content_id"], None)
    assert recording.path
    assert (await asyncio.to_thread(recording.path.read_bytes)).startswith(b"RIFF")
    assert recording.mime_type == media["media_content_type"]


@takes("Examples", 1)
async def test_copy(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    tmp_path: Path,
    block: str,
) -> None:
    media = tmp_path / "media"
    hass.config.allowlist_external_dirs = {str(media)}
    await _automate(hass, block.replace(" /media", f" {media}"), triggers=_trigger())
    await leave_message(pbx, "101")
    await poll(hass)
    answer = await call_action(hass, "get_messages", extension="101", limit=1)
    names = await asyncio.to_thread(lambda: [file.name for file in media.glob("voicemail/*")])
    assert names == [f"{answer['messages'][0]['message_id']}.wav"]


@takes("Examples", 2)
async def test_light_for_one_caller(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, block: str
) -> None:
    lit = async_mock_service(hass, "light", "turn_on")
    await _automate(hass, block, triggers=_trigger())
    await leave_message(pbx, "101")
    await poll(hass)
    assert lit == []
    await leave_message(pbx, "101", '"Lift" <8001>')
    await poll(hass)
    assert [call.data["entity_id"] for call in lit] == [["light.hall"]]


@takes("Examples", 3)
async def test_old_messages_go(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, block: str
) -> None:
    now = dt_util.utcnow()
    for caller, days in ("old", 31), ("young", 29):
        await leave_message(pbx, "104", caller, received=now - timedelta(days=days))
    await poll(hass)
    await _automate(hass, block)
    night = dt_util.now().replace(hour=3, minute=0, second=1) + timedelta(days=1)
    async_fire_time_changed(hass, night)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [message.caller for message in pbx.spool.messages("104")] == ["young"]
    # Its clock would tick on after the test.
    await hass.services.async_call("automation", "turn_off", {"entity_id": "all"}, blocking=True)


@pytest.mark.parametrize(
    ("name", "section"), [(ENGLISH, "Removing the integration"), (CHINESE, "移除")]
)
async def test_what_is_deleted_by_hand(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    hass_storage: dict[str, Any],
    name: str,
    section: str,
) -> None:
    """It is all that an integration that is uninstalled first leaves behind."""
    assert await async_setup_component(hass, "media_source", {})
    await call_action(hass, "import_phone_book", vcard="BEGIN:VCARD\nFN:Ann\nTEL:6000\nEND:VCARD")
    messages = (await call_action(hass, "get_messages"))["messages"]
    await call_action(hass, "mark_read", message_id=messages[0]["message_id"])
    await async_resolve_media(hass, messages[0]["media_content_id"], None)
    await hass.config_entries.async_unload(connected.entry_id)
    await hass.async_block_till_done()
    cache_folder = Path(hass.config.cache_path(connected.domain))
    assert await asyncio.to_thread(lambda: [*cache_folder.rglob("*.wav")])
    stored = [f".storage/{key}" for key in hass_storage if connected.entry_id in key]
    assert len(stored) >= 3
    left = [*stored, cache_folder.relative_to(hass.config.config_dir).as_posix()]
    _, _, text = _text(name).partition(f"\n## {section}\n")
    deleted = re.findall(r"`(\.[^`]+)`", text.partition("\n## ")[0])
    assert [path for path in left if not any(fnmatch(path, one) for one in deleted)] == []


def test_no_block_is_left_over() -> None:
    assert sorted(_taken) == sorted(_blocks(ENGLISH))
    assert len(_taken) == _text(ENGLISH).count("```y")


def test_blocks_are_the_same_in_chinese() -> None:
    blocks = [[*map(_without_comments, _blocks(name).values())] for name in (ENGLISH, CHINESE)]
    assert blocks[0] == blocks[1]


def _without_comments(block: str) -> str:
    return re.sub(r" *#.*$", "", block, flags=re.MULTILINE)
