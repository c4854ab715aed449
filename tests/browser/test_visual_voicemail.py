"""Listening to messages, marking them, and what else the card does with them."""

import asyncio
from datetime import UTC, datetime, timedelta
import os
from pathlib import Path
import re
import signal
from typing import Any
import wave

from playwright.async_api import Browser, WebSocketRoute, expect
import pytest

from tests.demo.__main__ import connect, create_dashboard
from tests.demo.api_client import PASSWORD, ApiClient
from tests.helpers import leave_message
from tests.simulator import Simulator

from .visit import Visit, open_visit, poll_often, run_hass

UNREAD = "sensor.reception_101_unread_messages"
LAMP = "binary_sensor.reception_101_message_waiting"
MARK_ALL = "button.reception_101_mark_all_as_read"
SPEAKERS = """
input_text:
  played:
    max: 255
media_player:
  - platform: universal
    name: Kitchen
    commands:
      play_media:
        action: input_text.set_value
        target:
          entity_id: input_text.played
        data:
          value: "{{ media_content_id }}"
  - platform: universal
    name: Attic
    commands:
      play_media:
        action: pbx_voicemail.mark_read
        data:
          message_id: none
"""

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_read_marks(tmp_path: Path, browser: Browser, uc501: Simulator) -> None:
    """What was heard stays read, whatever happens to Home Assistant and to the PBX."""
    async with (
        run_hass(tmp_path / "home") as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        await connect(client, uc501.address)
        await poll_often(client)
        await create_dashboard(client)
        hass.is_new = False
        await visit.open()
        await _expect(client, unread="3", lamp="on")
        await visit.row("7001").get_by_role("button", name="Play").click()
        await expect(visit.row("7001").get_by_role("img", name="Unread")).to_have_count(0)
        await _expect(client, unread="2", lamp="on")
        await client.post("/api/services/button/press", entity_id=MARK_ALL)
        await _expect(client, unread="0", lamp="off")
        await expect(visit.card.get_by_text("Unread: 4", exact=True)).to_be_visible()
        await expect(visit.row("Ann").get_by_role("img", name="Unread")).to_have_count(0)

        for how_it_ends in signal.SIGTERM, signal.SIGKILL:
            os.kill(hass.pid, how_it_ends)
            await hass.wait()
            # The PBX renames the files of the messages that are newer.
            await asyncio.to_thread(uc501.spool.delete, "101", "msg0000")
            await hass.start(client)
            await _expect(client, unread="0", lamp="off")
        await expect(visit.row("张伟")).to_have_count(0, timeout=30_000)
        await expect(visit.row("Ann").get_by_role("img", name="Unread")).to_have_count(0)
        await expect(visit.card.get_by_text("Unread: 4", exact=True)).to_be_visible()
        await leave_message(uc501, "101", '"Late caller" <4711>', received=datetime.now(UTC))
        await visit.poll()
        await _expect(client, unread="1", lamp="on")
        await expect(visit.row("Late").get_by_role("img", name="Unread")).to_be_visible()
        await expect(visit.card.get_by_text("Unread: 5", exact=True)).to_be_visible()
        visit.errors.clear()  # of lost connections


async def _expect(client: ApiClient, *, unread: str, lamp: str) -> None:
    found: tuple[Any, ...] = ()
    async with asyncio.timeout(20):
        while found != (unread, lamp):
            states = {
                state["entity_id"]: state["state"] for state in await client.get("/api/states")
            }
            found = states.get(UNREAD), states.get(LAMP)
            await asyncio.sleep(0.1)


async def test_features(tmp_path: Path, browser: Browser, uc501: Simulator) -> None:
    """All that can be done with one message, and with several."""
    now = datetime.now(UTC)
    for days, caller in (0, '"Today" <03012345678>'), (1, '"Earlier" <+442079460000>'):
        await leave_message(
            uc501,
            "102",
            caller,
            received=now - timedelta(days=days),
            recording=await asyncio.to_thread(_write_minute, tmp_path / "minute.wav"),
        )
    async with (
        run_hass(tmp_path / "home", configuration=SPEAKERS) as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 900}) as visit,
    ):
        await connect(client, uc501.address)
        await create_dashboard(client)
        await visit.open()
        await expect(visit.card.get_by_role("listitem")).to_have_count(9)
        await _list(visit)
        await _player(visit)
        await _speakers(visit)
        await _mark(visit)
        await _keyboard(visit)
        await _transcribe(visit)
        await _refused(visit)
        async with open_visit(browser, hass, client) as guest:
            await _guest(guest)
        await _many(visit, uc501)


def _write_minute(path: Path) -> Path:
    """Write a recording that does not end before a busy machine has looked at it."""
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(1)
        audio.setframerate(8000)
        audio.writeframes(bytes(range(256)) * (60 * 8000 // 256))
    return path


async def _list(visit: Visit) -> None:
    """Days, and numbers as people write them."""
    days = visit.card.get_by_role("heading", level=3)
    await expect(days.nth(0)).to_have_text("Today")
    await expect(days.nth(1)).to_have_text("Yesterday")
    row = visit.row("Earlier")
    await expect(row).to_contain_text("+44 20 7946 0000")
    today = visit.row("Today")
    await expect(today).to_contain_text("030 12345678")
    assert await today.locator("a").get_attribute("href") == "tel:+493012345678"
    await expect(visit.card.get_by_text("Unread: 9", exact=True)).to_be_visible()
    names = await visit.page.evaluate(
        """async () => {
            const form = await customElements.get("pbx-voicemail-card").getConfigForm();
            const { options } = form.schema.at(-1).selector.select;
            return [...form.schema.map(form.computeLabel), ...options.map(({ label }) => label)];
        }"""
    )
    assert len(names) == 13
    assert all(names)


async def _player(visit: Visit) -> None:
    """A waveform, skipping, and a speed that is remembered."""
    row = visit.row("Today")
    await row.get_by_role("button", name="Play the message").click()
    await expect(row.locator(".drawn .played")).to_have_attribute("d", re.compile("M0"))
    await row.get_by_role("button", name="Pause").click()
    for name, position in ("Back", "0:00"), ("Forward", "0:10"), ("Back", "0:00"):
        await row.get_by_role("button", name=f"{name} 10 seconds").click()
        await expect(row.get_by_text(f"{position} / 1:00")).to_be_visible()
    await row.get_by_label("Playback speed").select_option(label="2×")
    assert await visit.page.evaluate("localStorage.getItem('pbx-voicemail-speed')") == "2"
    assert await visit.page.evaluate("navigator.mediaSession.metadata.title") == "Today"
    async with visit.page.expect_download() as download:
        await row.get_by_role("button", name="Download").click()
    assert (await download.value).suggested_filename.startswith("Today-20")
    assert await visit.page.evaluate("navigator.mediaSession.playbackState") == "paused"


async def _speakers(visit: Visit) -> None:
    row = visit.row("Today")
    for name, words in (
        ("Kitchen", "Sent to Kitchen"),
        ("Attic", "Attic could not play the message"),
    ):
        await row.get_by_role("button", name="Play on media player").click()
        await row.get_by_role("button", name=name, exact=True).click()
        await expect(row.get_by_text(words)).to_be_visible()
    played = (await visit.client.get("/api/states/input_text.played"))["state"]
    assert played.startswith("media-source://pbx_voicemail/")
    await visit.screenshot("speakers")


async def _mark(visit: Visit) -> None:
    row = visit.row("Today")
    await expect(row.get_by_role("img", name="Unread")).to_have_count(0)
    await row.get_by_role("button", name="Mark as unread").click()
    await expect(row.get_by_role("img", name="Unread")).to_be_visible()
    await row.get_by_role("button", name="Mark as read").click()
    await visit.card.get_by_role("button", name="Unread", exact=True).click()
    # It stays while it is open.
    await expect(visit.card.get_by_role("listitem")).to_have_count(9)
    await row.locator(".opener").click()
    await expect(visit.card.get_by_role("listitem")).to_have_count(8)
    await visit.card.get_by_role("button", name="All", exact=True).click()
    await expect(visit.card.get_by_role("listitem")).to_have_count(9)


async def _keyboard(visit: Visit) -> None:
    press = visit.page.keyboard.press
    first, second = visit.card.locator("li").nth(0), visit.card.locator("li").nth(1)
    await first.locator(".opener").focus()
    await press("ArrowDown")
    await expect(second.locator(".opener")).to_be_focused()
    await press("u")
    await expect(second.get_by_role("img", name="Unread")).to_have_count(0)
    await press("u")
    await expect(second.get_by_role("img", name="Unread")).to_be_visible()
    await press("Space")
    await expect(second.get_by_role("button", name="Pause")).to_be_visible()
    await press("Space")
    await expect(second.get_by_role("button", name="Play the message")).to_be_visible()
    await press("Delete")
    await expect(second.get_by_role("button", name="Undo")).to_be_focused()
    await press("Enter")
    await expect(second.locator(".opener")).to_be_focused()
    await press("?")
    await expect(visit.card.get_by_text("Mark as read or unread")).to_be_visible()
    await visit.card.get_by_role("button", name="More options").click()
    await visit.screenshot("keys")
    assert await visit.barriers() == []
    await visit.card.get_by_role("button", name="More options").click()
    await first.locator(".opener").focus()
    await press("Escape")
    await expect(visit.card.get_by_text("Mark as read or unread")).to_have_count(0)


async def _transcribe(visit: Visit) -> None:
    """It is offered only if there is an engine, which may fail at first."""
    row = visit.row("Earlier")
    transcribe = row.get_by_role("button", name="Transcribe")
    await expect(row.get_by_role("button", name="Download")).to_be_visible()
    await expect(transcribe).to_be_hidden()
    await visit.client.post("/api/states/stt.whisper", state="unknown")
    await transcribe.click()
    await expect(row.get_by_role("alert")).to_contain_text("speech-to-text engine")
    await _reply_once(visit, "transcribe_message", "return { response: { text: 'Call me.' } }")
    await transcribe.click()
    await expect(row.get_by_text("Call me.")).to_be_visible()
    await expect(row.get_by_role("alert")).to_have_count(0)
    await expect(transcribe).to_be_hidden()


async def _reply_once(visit: Visit, action: str, reply: str) -> None:
    """Let an action do nothing in Home Assistant, once."""
    await visit.page.evaluate(
        """([action, reply]) => {
            const { connection } = document.querySelector("home-assistant").hass;
            const { sendMessagePromise } = connection;
            connection.sendMessagePromise = async message => {
                if (message.service !== action) return sendMessagePromise.call(connection, message);
                connection.sendMessagePromise = sendMessagePromise;
                return new Function(reply)();
            };
        }""",
        [action, reply],
    )


async def _refused(visit: Visit) -> None:
    """What Home Assistant refuses is shown in the row."""
    error = '{ translation_domain: "pbx_voicemail", translation_key: "cannot_mark_unread" }'
    await _reply_once(visit, "mark_read", f"throw {error}")
    row = visit.row("Today")
    await row.get_by_role("button", name="Mark as unread").click()
    await expect(row.get_by_role("alert")).to_contain_text("does not allow it to be marked")


async def _guest(visit: Visit) -> None:
    """What a user may not do is not offered, nor what they may only do where there are no messages."""
    created = await visit.client.command(
        "config/auth/create", name="Guest", group_ids=["system-read-only"]
    )
    await visit.client.command(
        "config/auth_provider/homeassistant/create",
        user_id=created["user"]["id"],
        username="guest",
        password=PASSWORD,
    )
    await visit.page.route_web_socket("**/api/websocket", _allow_empty_mailbox)
    await visit.open("/demo-voicemail/0", "guest")
    await visit.row("Ann").locator(".opener").click()
    await expect(visit.row("Ann").get_by_role("button", name="Download")).to_be_visible()
    await visit.card.get_by_role("button", name="More options").click()
    await expect(visit.card.get_by_role("button", name="Play all unread")).to_be_visible()
    await visit.page.keyboard.press("u")
    for name in "Mark", "Delete", "Select":
        await expect(visit.card.get_by_role("button", name=name)).to_have_count(0)
    await visit.screenshot("guest")


def _allow_empty_mailbox(socket: WebSocketRoute) -> None:
    """Let the user control an extension that has no messages."""

    def forward(text: str | bytes) -> None:
        socket.send(re.sub(r'("extension":"104"[^}]*"may_delete":)false', r"\1true", str(text)))

    socket.connect_to_server().on_message(forward)


async def _many(visit: Visit, uc501: Simulator) -> None:
    """Select some, mark all, and delete what was read, or not."""

    async def choose(command: str) -> None:
        await visit.card.get_by_role("button", name="More options").click()
        await visit.card.get_by_role("button", name=command).click()

    await choose("Select messages")
    for caller in "Earlier", "7001":
        await visit.row(caller).get_by_role("checkbox").check()
    await visit.card.get_by_role("button", name="More options").click()
    await visit.page.keyboard.press("Escape")
    await expect(visit.card.get_by_role("button", name="Mark all as read")).to_have_count(0)
    await expect(visit.card.get_by_text("Selected: 2")).to_be_visible()
    await visit.screenshot("selected")
    assert await visit.barriers() == []
    await visit.card.get_by_role("button", name="Mark as read").click()
    await expect(visit.card.get_by_text("Unread: 6", exact=True)).to_be_visible()

    await choose("Delete all read")
    await expect(visit.card.get_by_text("Deleted: 3")).to_be_visible()
    await expect(visit.card.get_by_role("listitem")).to_have_count(6)
    await visit.card.get_by_role("button", name="Undo").click()
    await expect(visit.card.get_by_role("listitem")).to_have_count(9)

    await choose("Play all unread")
    await expect(visit.row("Ann").get_by_role("button", name="Pause")).to_be_visible()
    await expect(visit.row("7001").get_by_role("button", name="Pause")).to_have_count(0)
    # Played means read, also if it has ended since.
    await expect(visit.row("张伟").get_by_role("img", name="Unread")).to_have_count(0)

    # What is being deleted is neither played nor counted, whatever becomes of it.
    await visit.page.reload()  # which ends the playback
    await choose("Select messages")
    await visit.card.get_by_role("button", name="Select all").click()
    await visit.card.get_by_role("button", name="Mark as unread").click()
    await expect(visit.card.get_by_text("Unread: 9", exact=True)).to_be_visible()
    await choose("Select messages")
    for caller in "Ann", "Gate":
        await visit.row(caller).get_by_role("checkbox").check()
    await visit.card.locator(".selection").get_by_role("button", name="Delete").click()
    await expect(visit.card.get_by_text("Unread: 7", exact=True)).to_be_visible()
    await choose("Play all unread")
    assert await visit.page.evaluate("navigator.mediaSession.metadata.title") == "7001"
    await choose("Mark all as read")
    await expect(visit.card.get_by_role("img", name="Unread")).to_have_count(0)
    assert not await visit.card.get_by_text("Unread: ").is_visible()
    await choose("Delete all read")
    await expect(visit.card.get_by_text("Deleted: 7")).to_be_visible()
    await visit.page.goto("about:blank")
    async with asyncio.timeout(10):
        while sum(len(uc501.spool.messages(number)) for number in ("101", "102", "103")):
            await asyncio.sleep(0.1)
