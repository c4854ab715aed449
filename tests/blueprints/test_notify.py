"""The blueprint that sends a notification for each new message."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from custom_components.pbx_voicemail.const import DOMAIN
from tests.engines import STT_ENGINE, SttEngine, add_engine
from tests.helpers import leave_message, poll
from tests.simulator import Simulator

from .harness import EVENTS, MORE, Harness

HOSTILE = r'"Bob \"X\" {{ states }} <img src=x>" <+4930123456>'
# The limits of Firebase and Apple.
MOST_BYTES = 4096


async def test_notify(harness: Harness, pbx: Simulator) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    await leave_message(pbx, "101")
    await leave_message(pbx, "104", HOSTILE)
    await leave_message(pbx, "103")
    await poll(harness.hass)
    assert sorted(harness.texts) == [
        "From Ann (6000), 01:30, 4 s",
        'From Bob "X" {{ states }} ‹img src=x› (+49 30 123456), 01:30, 4 s',
    ]
    note = harness.phone.notifications[harness.texts.index("From Ann (6000), 01:30, 4 s")]
    assert note["title"] == "Voicemail for 101"
    assert note["data"]["tag"].startswith("pbx_voicemail_")

    await pbx.stop()
    await poll(harness.hass)
    await pbx.start()
    await poll(harness.hass)
    assert len(harness.texts) == 2


async def test_transcript_in_the_notification(harness: Harness, pbx: Simulator) -> None:
    await add_engine(harness.hass, SttEngine())
    (entry,) = harness.hass.config_entries.async_entries(DOMAIN)
    harness.hass.config_entries.async_update_entry(entry, options={"transcriber": STT_ENGINE})
    await harness.hass.config_entries.async_reload(entry.entry_id)
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    await leave_message(pbx, "101")
    await poll(harness.hass)
    assert harness.texts == ["From Ann (6000), 01:30, 4 s: Please call me back."]


NOTHING = dict.fromkeys(["caller", "caller_name", "received", "duration", "transcript"])


TEXTS: list[tuple[dict[str, Any], str]] = [
    (NOTHING, "From Unknown caller"),
    (NOTHING | {"caller": ""}, "From Unknown caller"),
    (NOTHING | {"caller": "6000"}, "From 6000"),
    (NOTHING | {"duration": 0, "transcript": ""}, "From Unknown caller, 0 s"),
    (NOTHING | {"received": "2026-11-24T09:30:00+00:00"}, "From Unknown caller, 01:30"),
    (NOTHING | {"transcript": "Hi."}, "From Unknown caller: Hi."),
    # Texts that templates would convert to numbers and lists.
    (NOTHING | {"caller_name": "['a']"}, "From ['a']"),
    (NOTHING | {"caller": "12345"}, "From 12345"),
    (NOTHING | {"caller_name": "{{ states }}{% raw %}"}, "From {{ states }}{% raw %}"),
    # A name that is written from right to left does not change the direction of the number.
    (
        {"caller_name": "שלום", "caller": "050"},
        "From \u2068שלום\u2069 (050), 01:30, 4 s",
    ),
    # Android renders HTML, and shows the two characters "\n" as a line break.
    ({"caller_name": "A <b>B</b> & C"}, "From A ‹b›B‹/b› & C (6000), 01:30, 4 s"),
    ({"caller_name": "&lt;b&#62; AT&T"}, "From ＆lt;b＆#62; AT＆T (6000), 01:30, 4 s"),
    ({"caller_name": r"AC\nDC"}, "From AC/nDC (6000), 01:30, 4 s"),
    ({"transcript": "Hello\r\n\tthere\x00 "}, "From Ann (6000), 01:30, 4 s: Hello there"),
    ({"transcript": "<i>Hi</i>"}, "From Ann (6000), 01:30, 4 s: ‹i›Hi‹/i›"),
]


async def test_text_of_any_caller(harness: Harness) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    for attributes, text in TEXTS:
        await harness.announce(1, **attributes)
        assert harness.texts[-1] == text
    assert len(harness.texts) == len(TEXTS)


COMMANDS = (
    "clear_notification", "clear_badge", "command_screen_on", "command_update_sensors",
    "delete_alert", "remove_channel", "request_location_update", "TTS", "update_widgets",
)  # fmt: skip


async def test_caller_cannot_send_commands_to_the_app(harness: Harness) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    for command in COMMANDS:
        for name in "caller", "caller_name", "transcript":
            await harness.announce(1, **NOTHING | {name: command})
    assert len(harness.texts) == 3 * len(COMMANDS)
    assert all(text.startswith("From ") for text in harness.texts)
    assert {note["title"] for note in harness.phone.notifications} == {"Voicemail for 101"}


# One visible character that consists of more and more code points.
CHARACTERS = {
    "Latin": "a",
    "Cyrillic": "я",
    "Arabic": "م",
    "Chinese": "汉",
    "emoji": "😀",
    "quotation mark": '"',
    "accent": "e\u0301",
    "accents": "e\u0301\u0323\u0308",
    "Thai": "ก็",
    "Thai am": "กำ",
    "Devanagari": "न\u093f",
    "Devanagari conjunct": "क\u094dष",
    "Khmer": "ក\u17d2ក",
    "Hangul letters": "\u1112\u1161\u11ab",
    "skin": "👍🏽",
    "variation": "❤\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "flag": "🇩🇪",
    "family": "👩\u200d👩\u200d👧\u200d👦",
    "Scotland": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
}


async def test_long_transcript_is_cut_between_characters(harness: Harness) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    for script, character in CHARACTERS.items():
        for before in "", "x", "xy", "xyz":
            await harness.announce(1, transcript=before + character * 3000)
            payload = json.loads(harness.phone.bodies[-1])
            for ascii_only in False, True:
                sent = json.dumps(payload, ensure_ascii=ascii_only).encode()
                assert len(sent) <= MOST_BYTES, script
            text = re.fullmatch(
                f"From Ann \\(6000\\), 01:30, 4 s: {before}((?:{character})+)…", payload["message"]
            )
            assert text, (script, payload["message"])
            assert len(text[1].encode()) > 300, script


async def test_malicious_values(harness: Harness) -> None:
    """The longest possible values."""
    entity_id = await harness.use_blueprint(
        "notify", events=EVENTS, phone=harness.phone.device_id, speaker="media_player.kitchen"
    )
    assert entity_id
    extension = "汉" * 32
    (entry,) = harness.hass.config_entries.async_entries(DOMAIN)
    quoted = "%E6%B1%89" * 32
    await harness.announce(
        1,
        extension=extension,
        media_content_id=f"media-source://{DOMAIN}/{entry.entry_id}/{quoted}/{0:016x}",
        caller="😀" * 255,
        caller_name='"' * 255,
        transcript="я" * 100_000,
    )
    (body,) = harness.phone.bodies
    assert len(json.dumps(json.loads(body)).encode()) <= MOST_BYTES
    assert "4 s: яяя" in json.loads(body)["message"]
    tag = json.loads(body)["data"]["tag"]
    # The limit of Apple.
    assert len(tag) <= 64


@pytest.mark.parametrize("count", [60, 100])
async def test_many_messages_at_once(harness: Harness, count: int) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    await harness.announce(count)
    tags = [note["data"]["tag"] for note in harness.phone.notifications]
    assert tags[:count] == [f"pbx_voicemail_{number:016x}" for number in range(count)]


async def test_more_messages_than_notifications(
    harness: Harness, pbx: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    await harness.announce(150)
    assert len(harness.texts) == 101
    assert harness.texts[-1] == MORE + "101: 3. 104: 0."
    assert "Maximum number of runs exceeded" not in caplog.text
    await harness.announce(1, caller_name="Zed")
    assert harness.texts[101:] == ["From Zed (6000), 01:30, 4 s"]


async def test_several_extensions_at_once(harness: Harness, pbx: Simulator) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    for number in range(30):
        await leave_message(pbx, "101", str(1000 + number))
        await leave_message(pbx, "104", str(2000 + number))
    await poll(harness.hass)
    assert sorted(int(text.split()[1].strip(",")) for text in harness.texts) == [
        *range(1000, 1030),
        *range(2000, 2030),
    ]


async def test_play_on_the_phone(harness: Harness, pbx: Simulator) -> None:
    await harness.use_blueprint("notify", events=EVENTS, phone=harness.phone.device_id)
    await leave_message(pbx, "104")
    await poll(harness.hass)
    button = await harness.phone.press("Play")
    assert button["action"] == "URI"
    (entry,) = harness.hass.config_entries.async_entries(DOMAIN)
    root = "media-source://pbx_voicemail"
    assert [unquote(step) for step in button["uri"].split("/")] == [
        "",
        "media-browser",
        "browser",
        f"app,{root}",
        f"music,{root}/{entry.entry_id}",
        f"music,{root}/{entry.entry_id}/104",
    ]
