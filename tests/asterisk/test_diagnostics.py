"""What an owner of an Asterisk can attach to a public report."""

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .fixtures import Put
from .home import home_of
from .program import Asterisk
from .settings import SECRET, USERNAME


async def test_diagnostics(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    asterisk: Asterisk,
    mailbox: str,
    put: Put,
) -> None:
    put(mailbox, callers=("6001", "6002"))
    async with home_of(hass, asterisk.ports.web, mailbox) as home:
        assert await async_setup_component(hass, "diagnostics", {})
        await hass.async_block_till_done()
        path = f"/api/diagnostics/config_entry/{home.entry.entry_id}"
        response = await (await hass_client()).get(path)
        shown = (await response.json())["data"]
    pbx = shown["pbx"]
    assert (
        pbx.pop("version") == pbx.pop("firmware_version") in asterisk.command("core show version")
    )
    assert pbx.pop("mailboxes") > 400
    assert pbx == {
        "family": "asterisk",
        "model": "Asterisk",
        "hardware_version": None,
        "unusable_mailboxes": 0,
        "mismatched_mailboxes": 0,
        "unreadable_mailboxes": {},
        "logins": 1,
        "is_listening": True,
    }
    assert shown["counts"]["messages"] == [2]
    assert [poll["error"] for poll in shown["last_polls"]] == [None] * len(shown["last_polls"])
    # Sizes and times may be any numbers.
    del shown["last_polls"]
    for private in (SECRET, USERNAME, mailbox, "6001", "example.com", "127.0.0.1"):
        assert private not in str(shown)
