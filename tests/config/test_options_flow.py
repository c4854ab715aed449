"""What can be changed of a connected PBX: each option, its bounds, and what it leads to."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.pbx import Capability
from custom_components.pbx_voicemail.pbx.s_series.client import SSeriesClient

from ..engines import STT_ENGINE, SttEngine, add_engine
from ..helpers import get_state, leave_message, poll
from ..simulator import Simulator


async def _begin_options(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert form["step_id"] == "init"
    return form["flow_id"]


async def _choose(hass: HomeAssistant, flow_id: str, **answers: Any) -> ConfigFlowResult:
    result = await hass.config_entries.options.async_configure(flow_id, answers)
    await hass.async_block_till_done(wait_background_tasks=True)
    return result


async def test_options(hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry) -> None:
    flow_id = await _begin_options(hass, connected)
    done = await _choose(hass, flow_id, scan_interval=300, time_zone="Asia/Shanghai")
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert connected.options == {
        "scan_interval": 300,
        "time_zone": "Asia/Shanghai",
        "transcript_limit": 20,
    }
    # 06:51:02 on the PBX, eight hours ahead of UTC.
    latest = get_state(hass, "sensor.reception_101_latest_message").state
    assert latest == "2026-11-22T22:51:02+00:00"

    pbx.requests.clear()
    await poll(hass)
    assert pbx.requests == []


async def test_options_for_transcripts(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry
) -> None:
    await add_engine(hass, stt_engine := SttEngine())
    answers = {"transcriber": STT_ENGINE, "transcript_language": "de", "transcript_limit": 30}
    flow_id = await _begin_options(hass, connected)
    await _choose(hass, flow_id, scan_interval=30, **answers)
    assert connected.options == {"scan_interval": 30, **answers}
    await leave_message(pbx, "104")
    await poll(hass)
    assert len(stt_engine.received) == 1


@pytest.mark.parametrize(
    "answers",
    [{"transcriber": "light.kitchen"}, {"transcript_limit": 0}, {"transcript_limit": 301}],
)
async def test_nonsense_for_transcripts(
    hass: HomeAssistant, connected: MockConfigEntry, answers: dict[str, Any]
) -> None:
    flow_id = await _begin_options(hass, connected)
    with pytest.raises(InvalidData):
        await _choose(hass, flow_id, scan_interval=30, **answers)


async def test_time_zone_that_is_not_known_any_more(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, options={"time_zone": "Atlantis/Capital"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    latest = get_state(hass, "sensor.reception_101_latest_message").state
    assert latest == "2026-11-23T14:51:02+00:00"


@pytest.mark.parametrize("interval", [4, 1501])
async def test_interval_out_of_bounds(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, interval: int
) -> None:
    flow_id = await _begin_options(hass, connected)
    with pytest.raises(InvalidData) as err:
        await _choose(hass, flow_id, scan_interval=interval)
    assert [*err.value.schema_errors] == ["scan_interval"]
    done = await _choose(hass, flow_id, scan_interval=1500)
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_choice_of_extensions_leaves_no_orphans(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    def known() -> tuple[set[str | None], set[str]]:
        devices = dr.async_entries_for_config_entry(device_registry, connected.entry_id)
        entities = er.async_entries_for_config_entry(entity_registry, connected.entry_id)
        return (
            {device.name for device in devices},
            {entity.unique_id.split("_")[1] for entity in entities}
            - {"messages", "mailboxes", "unread"},
        )

    everything = known()
    assert everything[1] == {"101", "102", "103", "104"}

    flow_id = await _begin_options(hass, connected)
    await _choose(hass, flow_id, scan_interval=30, extensions=["101", "0105"])
    assert known() == (
        {"UC501", "Reception (101)", "Extension 0105"},
        {"101", "0105"},
    )
    # The PBX has no 0105, which must not cost the messages of 101.
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert get_state(hass, "sensor.extension_0105_messages").state == "0"
    assert get_state(hass, "sensor.uc501_messages").state == "3"

    flow_id = await _begin_options(hass, connected)
    await _choose(hass, flow_id, scan_interval=30, extensions=[])
    assert known() == everything


@pytest.mark.parametrize(
    ("entered", "extensions"),
    [
        (["101,102"], ["101", "102"]),
        ([" 101 "], ["101"]),
        (["101; 102", "0103、104"], ["101", "102", "0103", "104"]),
        (["101 102", "101", "*98"], ["101", "102", "*98"]),
        ([" , "], []),
    ],
)
async def test_several_extensions_in_one_text(
    hass: HomeAssistant,
    pbx: Simulator,
    connected: MockConfigEntry,
    entered: list[str],
    extensions: list[str],
) -> None:
    flow_id = await _begin_options(hass, connected)
    await _choose(hass, flow_id, scan_interval=30, extensions=entered)
    assert connected.options["extensions"] == extensions
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_choice_that_an_earlier_version_kept(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, options={"extensions": ["101,102", " 103"]})
    await hass.config_entries.async_setup(entry.entry_id)
    assert get_state(hass, "sensor.workshop_102_messages").state == "2"
    assert get_state(hass, "sensor.extension_103_messages").state == "2"


async def test_options_of_a_pbx_that_is_not_there(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    flow_id = await _begin_options(hass, entry)
    done = await _choose(hass, flow_id, scan_interval=60, extensions=["101"])
    assert done["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(("capability", "asked"), [(Capability.LOCAL_CLOCK, True), (None, False)])
async def test_time_zone_is_asked_for_where_it_matters(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    capability: Capability | None,
    asked: bool,
) -> None:
    capabilities = capability or Capability.RECORDINGS
    monkeypatch.setattr(SSeriesClient, "capabilities", capabilities)
    form = await hass.config_entries.options.async_init(connected.entry_id)
    assert form["data_schema"]
    assert ("time_zone" in form["data_schema"].schema) is asked
