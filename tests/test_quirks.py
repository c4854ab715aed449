"""What real PBXs do differently from their documentation, at every stage: users notice nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from homeassistant.components.media_source import async_resolve_media
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import TOKEN
from .helpers import call_action, get_state, leave_message, poll
from .simulator import Simulator


@dataclass(frozen=True, slots=True)
class Quirk:
    """Something that a PBX does differently from its documentation."""

    name: str
    apply: Callable[[Simulator], None]

    @override
    def __str__(self) -> str:
        return self.name


def _hang_up(pbx: Simulator) -> None:
    pbx.quirks.closes_silently = True


def _accept_any_version(pbx: Simulator) -> None:
    pbx.quirks.accepts_any_version = True


def _name(sent: bytes) -> Callable[[Simulator], None]:
    """Make the PBX send the name of a caller as these bytes."""

    def apply(pbx: Simulator) -> None:
        pbx.quirks.replacements = {"Ann Müller": sent}

    return apply


def _riff_size(size: Callable[[int], int], *, sends_length: bool) -> Callable[[Simulator], None]:
    """Make the PBX send WAV files with another size in the header, as a function of the length."""

    def change(body: bytes) -> bytes:
        return body[:4] + size(len(body)).to_bytes(4, "little") + body[8:]

    def apply(pbx: Simulator) -> None:
        pbx.quirks.recording, pbx.quirks.sends_length = change, sends_length

    return apply


NAMES = {
    "Big5 at the end": "許".encode("big5"),
    "Big5": "許功蓋".encode("big5") + b" Ltd",
    "Shift-JIS": "ソニー 表示".encode("shift-jis"),
    "Latin-1": "Ann Müller".encode("latin-1"),
    "a Windows account": b"DOMAIN\\dora",
    "a backslash at the end": b"DOMAIN\\",
    "an escaped apostrophe": b"O\\'Brien",
    "half an emoji": b"Ann \\ud83d",
    "an escaped byte": b"M\\udcfcller",
    "bare quotes": b'Ann "the boss" Lee',
    "brackets": b'x"}]}',
    "controls": b"Ann\nM\x00\x1bller\t",
    "invalid Unicode": b"\xed\xa0\xbd\xf8\x88\x80\x80\x80",
}
_SIZES: dict[str, Callable[[int], int]] = {
    "two more": lambda length: length - 8 + 2,
    "the whole file": lambda length: length,
    "zero": lambda length: 0,
    "a preset": lambda length: 0x7FFF_F000,
    "the largest": lambda length: 0xFFFF_FFFF,
    "less": lambda length: length // 2,
}
QUIRKS = (
    Quirk("closes connections silently", _hang_up),
    Quirk("accepts any version", _accept_any_version),
    *(Quirk(f"name in {name}", _name(sent)) for name, sent in NAMES.items()),
    *(
        Quirk(f"RIFF size: {name}", _riff_size(size, sends_length=sends_length))
        for sends_length in (True, False)
        for name, size in _SIZES.items()
    ),
    Quirk(
        "RIFF size: a third more, with Content-Length",
        _riff_size(lambda length: length * 4 // 3, sends_length=True),
    ),
)
every_quirk = pytest.mark.parametrize("quirk", QUIRKS, ids=str)


@every_quirk
async def test_dialog(hass: HomeAssistant, pbx: Simulator, quirk: Quirk) -> None:
    quirk.apply(pbx)
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    created = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"host": pbx.address, "token": TOKEN}
    )
    assert created["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.uc501_messages").state == "7"


@every_quirk
async def test_start(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, quirk: Quirk
) -> None:
    quirk.apply(pbx)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert get_state(hass, "sensor.uc501_messages").state == "7"


@every_quirk
async def test_polling_playing_and_deleting(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, tmp_path: Path, quirk: Quirk
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    quirk.apply(pbx)
    await leave_message(pbx, "101", '"Ann Müller" <6000>')
    for _ in range(3):
        await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == "4"
        assert get_state(hass, "sensor.workshop_102_messages").state == "2"
    # Other mailboxes are not affected.
    others = (await call_action(hass, "get_messages", extension="102"))["messages"]
    assert [message["caller"] for message in others] == ["anonymous", "+4930123456"]

    messages: list[dict[str, Any]] = (await call_action(hass, "get_messages", extension="101"))[
        "messages"
    ]
    for left, message in zip((3, 2, 1, 0), messages, strict=True):
        target = tmp_path / f"{left}.wav"
        await call_action(
            hass, "save_recording", message_id=message["message_id"], filename=str(target)
        )
        assert (await asyncio.to_thread(target.read_bytes)).startswith(b"RIFF")
        await call_action(hass, "delete_message", message_id=message["message_id"])
        assert len(pbx.spool.messages("101")) == left


@pytest.mark.parametrize("sent", NAMES.values(), ids=NAMES)
async def test_garbled_name(
    hass: HomeAssistant, pbx: Simulator, connected: MockConfigEntry, sent: bytes
) -> None:
    """The message keeps its id, and the name can be displayed."""
    assert await async_setup_component(hass, "media_source", {})
    await leave_message(pbx, "104", '"Ann Müller" <6000>')
    pbx.quirks.replacements = {"Ann Müller": sent}
    await poll(hass)
    latest = get_state(hass, "sensor.extension_104_messages").attributes
    assert latest["latest_caller_name"]
    assert latest["latest_caller_name"].isprintable()
    await leave_message(pbx, "104", "7001")
    await poll(hass)
    ids = {
        m["message_id"]
        for m in (await call_action(hass, "get_messages", extension="104"))["messages"]
    }
    assert latest["latest_message_id"] in ids
    assert len(ids) == 2
    await async_resolve_media(
        hass,
        f"media-source://{DOMAIN}/{connected.entry_id}/104/{latest['latest_message_id']}",
        None,
    )
