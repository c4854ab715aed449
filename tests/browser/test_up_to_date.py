"""A dashboard that stays open shows the truth, or says that it does not."""

import asyncio
from datetime import UTC, datetime
import json
from pathlib import Path
import shutil
from zipfile import ZipFile

from playwright.async_api import Browser, Page, expect
import pytest

from custom_components.pbx_voicemail.frontend import STABLE_URL
from tests.conftest import FIXTURES, INTEGRATION, PASSWORD
from tests.demo.__main__ import connect, create_dashboard
from tests.demo.api_client import ApiClient
from tests.demo.hass_process import HassProcess
from tests.helpers import leave_message
from tests.simulator import Simulator, Spool
from tests.simulator.__main__ import EXTENSIONS

from .visit import Visit, open_visit, poll_often, run_hass

PAGE = "/demo-voicemail/voicemail"
STALE = "Not updated since"
COUNT_SUBSCRIPTIONS = (
    "document.querySelector('home-assistant').hass.connection.socket.subscriptions.size"
)
REMEMBER_SUBSCRIPTIONS = """
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        const { id, type, subscription } = JSON.parse(data);
        if (!this.subscriptions) {
            this.subscriptions = new Set();
            this.addEventListener("message", ({ data }) => {
                for (const { id, success } of [JSON.parse(data)].flat()) {
                    if (success === false) this.subscriptions.delete(id);
                }
            });
        }
        if (type === "pbx_voicemail/messages/subscribe") this.subscriptions.add(id);
        if (type === "unsubscribe_events") this.subscriptions.delete(subscription);
        return send.call(this, data);
    };
"""
SLOW = """\
import asyncio
from pathlib import Path

async def async_setup(hass, config):
    while await asyncio.to_thread(Path(hass.config.path("slow")).exists):
        await asyncio.sleep(0.1)
    return True
"""
SLOW_DOMAIN = "mqtt_eventstream"
"""One that Home Assistant sets up before all that are not its own, after its web server."""

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_catches_up(tmp_path: Path, browser: Browser, uc501: Simulator) -> None:
    """After a lost connection, a reload, a quick restart and a slow one, without being touched."""
    components = tmp_path / "custom_components"
    await asyncio.to_thread(_add_slow, components)
    async with run_hass(
        tmp_path / "home", components=components, configuration=f"{SLOW_DOMAIN}:\n"
    ) as (hass, client):
        await connect(client, uc501.address)
        await poll_often(client)
        await create_dashboard(client)
        async with open_visit(
            browser, hass, client, viewport={"width": 1280, "height": 800}
        ) as visit:
            await visit.page.add_init_script(REMEMBER_SUBSCRIPTIONS)
            await visit.open(PAGE)
            await expect(visit.card.get_by_role("listitem")).to_have_count(7)
            await _lost_connection(visit, uc501)
            await _reload(visit, uc501)
            await _unsubscribed(visit, uc501)
            await _silence(visit)
            await _texts_that_fail(browser, hass, client)
            await _subscribes_once(visit)
            hass.is_new = False
            await _restart(visit, hass, client, uc501)
            await _slow_restart(tmp_path, visit, hass, client, uc501, browser)
            # A console tells of connections that are lost; nothing else may go wrong.
            visit.errors[:] = [line for line in visit.errors if not _is_of_the_outage(line)]


def _add_slow(components: Path) -> None:
    """Have an integration that takes its time while there is a file."""
    slow = components / SLOW_DOMAIN
    slow.mkdir(parents=True)
    (slow / "__init__.py").write_text(SLOW)
    manifest = {"domain": SLOW_DOMAIN, "name": "Slow", "version": "1", "documentation": ""}
    (slow / "manifest.json").write_text(json.dumps(manifest))
    (components / INTEGRATION.name).symlink_to(INTEGRATION)


def _is_of_the_outage(line: str) -> bool:
    """Tell what the frontend complains of itself: what it cannot load, subscribe or unsubscribe."""
    own = "WebSocket connection", "ERR_CONNECTION", "to system log", "/frontend_latest/"
    return line in {"Object", "3"} or any(part in line for part in own)


async def _arrives(visit: Visit, uc501: Simulator, caller: str) -> None:
    """See a message come, soon after the PBX has it."""
    await leave_message(uc501, "104", f'"{caller}" <4711>', received=datetime.now(UTC))
    await expect(visit.row(caller)).to_be_visible()


async def _lost_connection(visit: Visit, uc501: Simulator) -> None:
    await leave_message(uc501, "104", '"While away" <4711>', received=datetime.now(UTC))
    await visit.page.evaluate(
        "document.querySelector('home-assistant').hass.connection.socket.close()"
    )
    await expect(visit.row("While away")).to_be_visible()
    await expect(visit.card.get_by_text(STALE)).to_have_count(0)
    await _arrives(visit, uc501, "After it")


async def _reload(visit: Visit, uc501: Simulator) -> None:
    (entry,) = await visit.client.get("/api/config/config_entries/entry?domain=pbx_voicemail")
    await visit.client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload")
    await _arrives(visit, uc501, "Reloaded")
    await expect(visit.card.get_by_text("unavailable")).to_have_count(0)


async def _unsubscribed(visit: Visit, uc501: Simulator) -> None:
    """The frontend itself may do so by mistake, with a number of the connection before."""
    await visit.page.evaluate(
        "() => { const { connection } = document.querySelector('home-assistant').hass;"
        " const [subscription] = connection.socket.subscriptions;"
        " return connection.sendMessagePromise({ type: 'unsubscribe_events', subscription }) }"
    )
    await _arrives(visit, uc501, "Unsubscribed")


async def _silence(visit: Visit) -> None:
    """After sleep a connection may be dead, and not know it: nothing is lost, nothing is answered."""
    await visit.page.evaluate(
        "() => { const { socket } = document.querySelector('home-assistant').hass.connection;"
        " socket.send = () => {}; window.dispatchEvent(new Event('online')) }"
    )
    await expect(visit.card.get_by_text(STALE)).to_be_visible()
    await visit.page.evaluate(
        "() => { const { socket } = document.querySelector('home-assistant').hass.connection;"
        " delete socket.send; window.dispatchEvent(new Event('online')) }"
    )
    await expect(visit.card.get_by_text(STALE)).to_have_count(0)


async def _texts_that_fail(browser: Browser, hass: HassProcess, client: ApiClient) -> None:
    """While Home Assistant starts it may refuse to tell them, or know of none."""
    async with open_visit(browser, hass, client) as visit:
        await visit.page.add_init_script(
            """
            const send = WebSocket.prototype.send;
            let refusals = 6;
            WebSocket.prototype.send = function (data) {
                const message = JSON.parse(data);
                if (message.integration?.includes?.("pbx_voicemail") && refusals-- > 0) {
                    if (refusals > 2) message.type = "unknown";
                    else message.integration = [];
                }
                return send.call(this, JSON.stringify(message));
            };
            """
        )
        await visit.open(PAGE)
        await expect(visit.card.locator("h2")).to_have_text("Voicemail")


async def _subscribes_once(visit: Visit) -> None:
    """Cards that come and go leave one subscription behind, or none."""
    await _expect_subscriptions(visit, 1)
    for pause in "", "await 0; await 0;", "await new Promise(requestAnimationFrame);":
        await visit.card.evaluate(
            "async card => { const home = card.parentNode; for (let n = 0; n < 5; n++) {"
            f" card.remove(); {pause} home.append(card) }} }}"
        )
        await _expect_subscriptions(visit, 1)
    parent = await visit.card.evaluate_handle("card => card.parentNode")
    card = await visit.card.evaluate_handle("card => { card.remove(); return card }")
    await _expect_subscriptions(visit, 0)
    await parent.evaluate("(parent, card) => parent.append(card)", card)
    await expect(visit.row("Reloaded")).to_be_visible()


async def _expect_subscriptions(visit: Visit, count: int) -> None:
    await visit.page.wait_for_timeout(500)
    await visit.page.wait_for_function(f"{COUNT_SUBSCRIPTIONS} === {count}")


async def _restart(visit: Visit, hass: HassProcess, client: ApiClient, uc501: Simulator) -> None:
    """What came and what went meanwhile is seen; until then, the card says since when it is stale."""
    await hass.stop()
    await expect(visit.card.get_by_text(STALE)).to_be_visible()
    await expect(visit.row("7001")).to_be_visible()
    await expect(visit.row("7001").get_by_role("button", name="Play")).to_be_disabled()
    await _look_stale(visit)
    await leave_message(uc501, "104", '"Restarted" <4711>', received=datetime.now(UTC))
    uc501.spool.delete("101", "msg0000")
    await hass.start(client)
    await expect(visit.row("Restarted")).to_be_visible(timeout=30_000)
    await expect(visit.row("7001")).to_have_count(0)
    await expect(visit.card.get_by_text(STALE)).to_have_count(0)
    await expect(visit.row("Restarted").get_by_role("button", name="Play")).to_be_enabled()
    await _expect_subscriptions(visit, 1)
    await _arrives(visit, uc501, "Later")


async def _look_stale(visit: Visit) -> None:
    """Keep pictures of it, and make sure that nothing is cut off."""
    await visit.screenshot("stale-light")
    await visit.page.emulate_media(color_scheme="dark")
    await visit.page.wait_for_timeout(500)  # for colors to fade over
    await visit.screenshot("stale-dark")
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    await visit.screenshot("stale-phone")
    assert await visit.card.evaluate(
        "card => [...card.shadowRoot.querySelectorAll('*')]"
        ".every(part => part.scrollWidth <= card.clientWidth)"
    )
    await visit.page.emulate_media(color_scheme="light")
    await visit.page.set_viewport_size({"width": 1280, "height": 800})


async def _slow_restart(
    tmp_path: Path,
    visit: Visit,
    hass: HassProcess,
    client: ApiClient,
    uc501: Simulator,
    browser: Browser,
) -> None:
    """The same where Home Assistant answers long before it knows the integration.

    A page that is opened then has to come to itself as well, though it has kept nothing.
    """
    await hass.stop()
    slow = tmp_path / "home" / "slow"
    slow.touch()
    await leave_message(uc501, "104", '"Slowly" <4711>', received=datetime.now(UTC))
    starting = asyncio.create_task(hass.start(client))
    await _wait_for_socket(visit.page)
    await expect(visit.card.get_by_text(STALE)).to_be_visible()
    await expect(visit.row("Later")).to_be_visible()
    async with open_visit(browser, hass, client, viewport={"width": 360, "height": 740}) as early:
        await early.page.add_init_script("localStorage.setItem('selectedLanguage', '\"ar\"')")
        await early.open(PAGE)
        # It has given up on the card, and says so.
        await expect(early.page.locator("hui-error-card").first).to_be_visible()
        assert await early.page.evaluate("customElements.get('pbx-voicemail-card')") is None
        slow.unlink()
        await starting
        await expect(visit.row("Slowly")).to_be_visible(timeout=30_000)
        await expect(visit.card.get_by_text(STALE)).to_have_count(0)
        await expect(early.row("Slowly")).to_be_visible(timeout=30_000)
        await early.screenshot("early")
        await hass.stop()
        await expect(early.card.get_by_text("غير محدَّث منذ")).to_be_visible()
        await early.screenshot("stale-right-to-left")
        early.errors.clear()


async def _wait_for_socket(page: Page) -> None:
    await page.wait_for_function(
        "document.querySelector('home-assistant').hass.connection.connected", timeout=60_000
    )


async def test_update_of_dashboards_in_yaml(
    tmp_path: Path, browser: Browser, uc501: Simulator
) -> None:
    """Their address of the card stays the same, and yet the first load after an update has the new one.

    Though the frontend's service worker, which works on localhost, keeps what it was given.
    """
    components = tmp_path / "custom_components"
    await asyncio.to_thread(shutil.copytree, INTEGRATION, components / INTEGRATION.name)
    resources = f"[{{url: {STABLE_URL}, type: module}}]"
    async with run_hass(
        tmp_path / "home",
        components=components,
        configuration=f"lovelace:\n  resource_mode: yaml\n  resources: {resources}\n",
    ) as (hass, client):
        await connect(client, uc501.address)
        await create_dashboard(client)
        hass.is_new = False
        async with open_visit(browser, hass, client) as visit:
            visit.url = hass.url.with_host("localhost")
            await visit.open(PAGE)
            await expect(visit.card.locator("h2")).to_have_text("Voicemail")
            await visit.page.wait_for_function("navigator.serviceWorker.controller")
            # The frontend loads itself anew then; and once more, all of it through the service worker.
            await visit.page.wait_for_timeout(2000)
            await visit.open(PAGE)
            await expect(visit.card.locator("h2")).to_have_text("Voicemail")
            kept = await visit.page.evaluate(
                "caches.open('file-cache').then(cache => cache.keys())"
                ".then(keys => keys.map(({ url }) => url))"
            )
            assert not any(url.endswith(STABLE_URL) for url in kept)
            await hass.stop()
            await asyncio.to_thread(_update, components / INTEGRATION.name / "frontend")
            await hass.start(client)
            await visit.page.reload()
            await expect(visit.card.locator("h2")).to_have_text("Version 2")
            visit.errors[:] = [line for line in visit.errors if not _is_of_the_outage(line)]


def _update(frontend: Path) -> None:
    card = frontend / "pbx-voicemail-card.js"
    card.write_text(card.read_text().replace('text("card_title")', '"Version 2"'))


async def test_open_page_across_versions(
    tmp_path: Path, browser: Browser, mailboxes: Spool
) -> None:
    """A page keeps its card when the integration is updated, or goes back, until it is reloaded."""
    components = tmp_path / "custom_components"
    await asyncio.to_thread(_install, components, is_old=True)
    async with (
        Simulator(mailboxes, extensions=EXTENSIONS) as pbx,
        run_hass(tmp_path / "home", components=components) as (hass, client),
        open_visit(browser, hass, client, viewport={"width": 1280, "height": 800}) as visit,
    ):
        await connect(client, pbx.address)
        await poll_often(client)
        await create_dashboard(client)
        hass.is_new = False
        await visit.open(PAGE)
        await expect(visit.card.get_by_role("listitem")).to_have_count(7)
        # Only the card of today has this button.
        unread = visit.card.get_by_role("button", name="Unread", exact=True)
        for is_old in False, True:
            await hass.stop()
            await asyncio.to_thread(_install, components, is_old=is_old)
            await hass.start(client)
            if is_old:
                await _enter_password(client)
            await _wait_for_socket(visit.page)
            await leave_message(pbx, "104", "4711", received=datetime.now(UTC))
            await expect(visit.row("4711")).to_be_visible(timeout=30_000)
            await expect(visit.card.get_by_text("unavailable")).to_have_count(0)
            await expect(unread).to_have_count(1 if is_old else 0)
            await visit.row("4711").get_by_role("button", name="Play").click()
            await expect(visit.row("4711").get_by_role("slider")).to_be_visible()
            await visit.row("4711").get_by_role("button", name="Delete").click()
            await expect(visit.row("4711")).to_have_count(0)
            await visit.screenshot(f"card-of-another-version-{is_old}")
            await visit.page.reload()
            await expect(visit.card.get_by_role("listitem")).to_have_count(7)
            await expect(unread).to_have_count(0 if is_old else 1)
        visit.errors[:] = [line for line in visit.errors if not _is_of_the_outage(line)]


def _install(components: Path, *, is_old: bool) -> None:
    """Install version 0.1.0, or the one of today."""
    installed = components / INTEGRATION.name
    shutil.rmtree(installed, ignore_errors=True)
    if is_old:
        with ZipFile(FIXTURES / "pbx_voicemail-0.1.0.zip") as archive:
            archive.extractall(installed)
    else:
        shutil.copytree(INTEGRATION, installed, ignore=shutil.ignore_patterns("__pycache__"))


async def _enter_password(client: ApiClient) -> None:
    """Log in anew, as version 0.1.0 asks to: it does not find the credentials of later ones."""
    (flow,) = await client.command("config_entries/flow/progress")
    path = f"/api/config/config_entries/flow/{flow['flow_id']}"
    await client.post(path)
    done = await client.post(path, username="api", password=PASSWORD)
    assert done["reason"] == "reauth_successful"
