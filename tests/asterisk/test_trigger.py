"""An automation that runs for the urgent messages of a real Asterisk."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from ..test_trigger import create_automation
from .fixtures import Put
from .program import Asterisk
from .settings import SECRET, USERNAME


async def test_urgent_messages(
    hass: HomeAssistant, asterisk: Asterisk, mailbox: str, put: Put
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        minor_version=2,
        data={
            "host": "127.0.0.1",
            "port": asterisk.ports.web,
            "ssl": False,
            "verify_ssl": True,
            "api": "auto",
            "family": "asterisk",
            "credentials": {"username": USERNAME, "secret": SECRET},
            "remembered": {},
        },
        options={"extensions": [mailbox]},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    (event,) = [
        entity.entity_id
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.domain == "event"
    ]
    runs = await create_automation(hass, {"entity_id": event}, {"urgent_only": True})
    put(mailbox, callers=("6001",))
    put(mailbox, callers=("6002",), folder="Urgent")
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert runs.callers == ["6002"]
    await hass.config_entries.async_unload(entry.entry_id)
