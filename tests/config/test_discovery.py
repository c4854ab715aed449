"""PBXs that Home Assistant finds by itself, from DHCP packets as they are on the wire."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiodhcpwatcher
from aiohttp import web
from aiohttp.abc import ResolveResult
from homeassistant.components import dhcp
from homeassistant.components.dhcp.models import DHCPData
from homeassistant.config_entries import (
    SOURCE_DHCP,
    SOURCE_IGNORE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.aiohttp_client import (
    DATA_RESOLVER,
    HomeAssistantTCPConnector,
    async_get_clientsession,
)
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.loader import async_get_dhcp
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import FAMILIES

from ..conftest import INTEGRATION, TOKEN
from ..helpers import answer_flow, get_state, poll
from ..simulator import Certificate, PSeriesSimulator, Simulator, Spool
from ..simulator.p_series import CLIENT_ID, CLIENT_SECRET
from ..validators.repository import read_json

OPENVOX = "a0:98:05:02:19:87"
YEASTAR = "f4:b5:49:01:02:03"
NO_ADDRESS = "0.0.0.0"  # noqa: S104 -- as in a packet of a device that has none
HERE = "192.0.2.7"
THERE = "192.0.2.8"

type Announce = Callable[..., Any]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[str, Simulator | PSeriesSimulator]:
    """Have PBXs at IP addresses, each on the usual port of its maker. Others do not respond."""
    hosts: dict[str, Simulator | PSeriesSimulator] = {}
    resolve = HomeAssistantTCPConnector._resolve_host

    async def resolve_host(
        self: HomeAssistantTCPConnector, host: str, port: int, traces: Any = None
    ) -> list[ResolveResult]:
        if not host.startswith("192.0.2."):
            return await resolve(self, host, port, traces)
        pbx = hosts.get(host)
        is_openvox = isinstance(pbx, Simulator) and pbx.version == "v0.0.1"
        if pbx is None or port != (9011 if is_openvox else 8088):
            raise OSError("no route to host")
        return await resolve(self, "127.0.0.1", pbx.port, traces)

    monkeypatch.setattr(HomeAssistantTCPConnector, "_resolve_host", resolve_host)
    return hosts


@pytest.fixture
async def announce(hass: HomeAssistant, socket_enabled: None) -> Announce:
    """Have a device ask for an address, as Home Assistant overhears it."""
    matchers = dhcp.async_index_integration_matchers(await async_get_dhcp(hass))
    watcher = dhcp.DHCPWatcher(hass, DHCPData(matchers))
    handle = aiodhcpwatcher.make_packet_handler(watcher._async_process_dhcp_request)

    async def announce(mac: str = OPENVOX, ip: str = HERE, hostname: str = "uc501") -> None:
        options = [
            ("message-type", "request"),
            ("requested_addr", ip),
            ("hostname", hostname.encode()),
            "end",
        ]
        packet = (
            Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
            / IP(src=NO_ADDRESS, dst="255.255.255.255")
            / UDP(sport=68, dport=67)
            / BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")))
            / DHCP(options=options)
        )
        handle(Ether(bytes(packet)))
        await hass.async_block_till_done(wait_background_tasks=True)

    return announce


@pytest.fixture
async def yeastar(socket_enabled: None, recorded: Spool) -> AsyncIterator[Simulator]:
    """Run a PBX whose serial number is no MAC address, although it could be taken for one."""
    async with Simulator(
        recorded, model="S20", serial_number="F4B549A1B2C3", token=TOKEN, version="v1.1.0"
    ) as pbx:
        yield pbx


def _set_address(hass: HomeAssistant, entry: MockConfigEntry, host: str, **data: Any) -> None:
    """Have a PBX configured at an address."""
    data = {**entry.data, "host": host, "port": 9011, **data}
    hass.config_entries.async_update_entry(entry, data=data)


@pytest.fixture
async def at_here(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, entry: MockConfigEntry
) -> MockConfigEntry:
    """Have the PBX set up at an address that it got by DHCP."""
    network[HERE] = pbx
    _set_address(hass, entry, HERE)
    hass.config_entries.async_update_entry(entry, title=f"UC501 ({HERE})")
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    return entry


def _flows(hass: HomeAssistant) -> list[ConfigFlowResult]:
    return hass.config_entries.flow.async_progress_by_handler(DOMAIN)


async def _pass(hass: HomeAssistant, **time: float) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(**time))
    await hass.async_block_till_done(wait_background_tasks=True)


def _connections(hass: HomeAssistant, entry: ConfigEntry) -> set[tuple[str, str]]:
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {connection for device in devices for connection in device.connections}


def test_manifest_names_all_makers() -> None:
    matchers = read_json(INTEGRATION / "manifest.json")["dhcp"]
    prefixes = {prefix for family in FAMILIES for prefix in family.mac_prefixes}
    assert matchers == [
        {"registered_devices": True},
        *({"macaddress": f"{prefix}*"} for prefix in sorted(prefixes)),
    ]


async def test_openvox(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce
) -> None:
    network[HERE] = pbx
    await announce()
    (flow,) = _flows(hass)
    assert flow["context"]["title_placeholders"] == {"name": f"OpenVox PBX ({HERE})"}
    assert flow["context"]["source"] == SOURCE_DHCP
    assert flow["step_id"] == "discovery_confirm"
    assert pbx.tokens == []
    assert pbx.logins == 0

    form = await answer_flow(hass, flow["flow_id"], token="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    placeholders = form["description_placeholders"]
    assert placeholders
    assert placeholders["name"] == f"OpenVox PBX ({HERE})"
    created = await answer_flow(hass, flow["flow_id"], token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == f"UC501 ({HERE})"
    assert created["data"]["host"] == HERE
    assert created["data"]["port"] == 9011
    entry = created["result"]
    assert entry.unique_id == "a09805021987"
    assert _connections(hass, entry) == {("mac", OPENVOX)}
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert _flows(hass) == []


async def test_new_address_before_it_is_added(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce
) -> None:
    """It is offered once, where it is now."""
    network[HERE] = pbx
    await announce()
    await announce(hostname="other-name")
    (flow,) = _flows(hass)
    assert flow["context"]["title_placeholders"] == {"name": f"OpenVox PBX ({HERE})"}
    network[THERE] = pbx
    await announce(ip=THERE)
    (flow,) = _flows(hass)
    assert flow["context"]["title_placeholders"] == {"name": f"OpenVox PBX ({THERE})"}


async def test_login(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce
) -> None:
    """Without a token, with user name and password."""
    network[HERE] = pbx
    await announce()
    (flow,) = _flows(hass)
    form = await answer_flow(hass, flow["flow_id"])
    assert form["step_id"] == "login"
    created = await answer_flow(hass, flow["flow_id"], username="api", password="secret")
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_certificate_is_shown_first(
    hass: HomeAssistant,
    network: dict[str, Any],
    recorded: Spool,
    announce: Announce,
) -> None:
    pbx = Simulator(recorded, token=TOKEN)
    pbx.tls = Certificate.make().context()
    async with pbx:
        network[HERE] = pbx
        await announce()
        (flow,) = _flows(hass)
        form = await answer_flow(hass, flow["flow_id"], token=TOKEN)
        assert form["step_id"] == "certificate"
        assert pbx.tokens == []
        created = await answer_flow(hass, flow["flow_id"])
        assert created["type"] is FlowResultType.CREATE_ENTRY
        assert created["data"]["fingerprint"]


@pytest.mark.parametrize("mac", ["a0:98:06:02:19:87", "00:11:22:33:44:55"])
async def test_other_makers(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce, mac: str
) -> None:
    network[HERE] = pbx
    await announce(mac)
    assert _flows(hass) == []
    assert pbx.requests == []


async def test_mac_address_that_no_family_has(hass: HomeAssistant, announce: Announce) -> None:
    """Home Assistant reports it if a device of ours had it just now."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_DHCP},
        data=DhcpServiceInfo(ip=HERE, hostname="", macaddress="001122334455"),
    )
    assert result["reason"] == "cannot_connect"


@pytest.mark.parametrize("answer", ["nothing", "a web page"])
async def test_gateways_and_phones(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    announce: Announce,
    answer: str,
) -> None:
    """They end in silence. A PBX that is still starting looks the same, and is found later."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Gateway</html>", content_type="text/html")

    if answer == "a web page":
        network[HERE] = pbx
        pbx.intercept = page
    await announce()
    assert _flows(hass) == []

    await _pass(hass, seconds=61)
    assert _flows(hass) == []
    network[HERE] = pbx
    pbx.intercept = None
    await _pass(hass, seconds=61 + 121)
    (flow,) = _flows(hass)
    assert flow["step_id"] == "discovery_confirm"


async def test_looked_for_four_times_more(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce
) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    network[HERE] = pbx
    pbx.intercept = page
    await announce()
    once = len(pbx.requests)
    for minutes in (2, 5, 10, 20, 40, 80):
        await _pass(hass, minutes=minutes)
    assert len(pbx.requests) == 5 * once


async def test_ignored(
    hass: HomeAssistant, network: dict[str, Any], pbx: Simulator, announce: Announce
) -> None:
    network[HERE] = pbx
    await announce()
    (flow,) = _flows(hass)
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": flow["context"]["unique_id"], "title": "OpenVox PBX"},
    )
    assert _flows(hass) == []
    requests = len(pbx.requests)
    network[THERE] = pbx
    await announce(ip=THERE)
    assert _flows(hass) == []
    assert len(pbx.requests) == requests

    # It can be added by hand all the same, and is known from then on.
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    created = await answer_flow(hass, form["flow_id"], host=f"{HERE}:9011", token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


async def test_added_by_hand_meanwhile(
    hass: HomeAssistant, network: dict[str, Any], yeastar: Simulator, announce: Announce
) -> None:
    network[HERE] = yeastar
    await announce(YEASTAR)
    (flow,) = _flows(hass)
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    created = await answer_flow(hass, form["flow_id"], host=HERE, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    aborted = await answer_flow(hass, flow["flow_id"], token=TOKEN)
    assert aborted["reason"] == "already_configured"


async def test_followed(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    at_here: MockConfigEntry,
    announce: Announce,
) -> None:
    del network[HERE]
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "unavailable"
    network[THERE] = pbx
    await announce(ip=THERE)
    assert at_here.data["host"] == THERE
    assert at_here.title == f"UC501 ({THERE})"
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    assert _flows(hass) == []


async def test_followed_once_it_has_started(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    at_here: MockConfigEntry,
    announce: Announce,
) -> None:
    """It asks for an address long before its API responds."""
    del network[HERE]
    await announce(ip=THERE)
    assert at_here.data["host"] == HERE
    network[THERE] = pbx
    await _pass(hass, seconds=61)
    assert at_here.data["host"] == THERE
    assert at_here.state is ConfigEntryState.LOADED


async def test_known_although_it_was_never_reached(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    entry: MockConfigEntry,
    announce: Announce,
) -> None:
    """Home Assistant was updated after the PBX had moved: its device has no MAC address yet."""
    _set_address(hass, entry, HERE)
    hass.config_entries.async_update_entry(entry, unique_id="A09805021987")
    pbx.serial_number = "A09805021987"
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    network[THERE] = pbx
    await announce(ip=THERE)
    assert entry.data["host"] == THERE
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_not_followed_while_it_responds_where_it_was(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    at_here: MockConfigEntry,
    recorded: Spool,
    announce: Announce,
) -> None:
    """Who claims its MAC address is another. No secret is sent there."""
    async with Simulator(recorded, token=TOKEN) as other:
        network[THERE] = other
        await announce(ip=THERE)
        assert at_here.data["host"] == HERE
        assert other.requests == []


@pytest.mark.parametrize(
    ("serial_number", "token"), [("a09805000000", TOKEN), ("", TOKEN), ("a09805021987", "other")]
)
async def test_not_followed_to_another_pbx(
    hass: HomeAssistant,
    network: dict[str, Any],
    at_here: MockConfigEntry,
    recorded: Spool,
    announce: Announce,
    serial_number: str,
    token: str,
) -> None:
    del network[HERE]
    async with Simulator(recorded, token=token, serial_number=serial_number) as other:
        network[THERE] = other
        await announce(ip=THERE)
        requests = len(other.requests)
        assert requests
        # It is not tried again.
        await _pass(hass, minutes=2)
        assert len(other.requests) == requests
    assert at_here.data["host"] == HERE


async def test_not_followed_with_another_certificate(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    entry: MockConfigEntry,
    recorded: Spool,
    announce: Announce,
) -> None:
    """Neither the token nor a login goes there."""
    _set_address(hass, entry, HERE, ssl=True, fingerprint="ab" * 32)
    impostor = Simulator(recorded, token=TOKEN)
    impostor.tls = Certificate.make().context()
    async with impostor:
        network[THERE] = impostor
        await announce(ip=THERE)
        assert impostor.tokens == []
        # Nor where TLS is not offered any more.
        network[THERE] = pbx
        await announce(ip="192.0.2.9")
        await announce(ip=THERE)
    assert pbx.tokens == []
    assert entry.data["host"] == HERE


@pytest.mark.parametrize(
    ("data", "disabled_by"),
    [({"refused": True}, None), ({}, ConfigEntryDisabler.USER)],
    ids=["refused", "disabled"],
)
async def test_not_signed_in_to_follow(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    entry: MockConfigEntry,
    announce: Announce,
    data: dict[str, Any],
    disabled_by: ConfigEntryDisabler | None,
) -> None:
    """While a person has to enter credentials, or does not want it."""
    _set_address(hass, entry, HERE, **data)
    await hass.config_entries.async_set_disabled_by(entry.entry_id, disabled_by)
    network[THERE] = pbx
    await announce(ip=THERE)
    assert pbx.requests == []
    assert entry.data["host"] == HERE
    assert _flows(hass) == []


async def test_name_is_kept(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    entry: MockConfigEntry,
    announce: Announce,
) -> None:
    """Who assigns addresses assigns names as well."""
    _set_address(hass, entry, "pbx.invalid")
    network[THERE] = pbx
    await announce(ip=THERE)
    assert entry.data["host"] == "pbx.invalid"
    assert _flows(hass) == []
    assert pbx.tokens == []


async def test_yeastar(
    hass: HomeAssistant, network: dict[str, Any], yeastar: Simulator, announce: Announce
) -> None:
    """Its MAC address is known from the announcement only, and is followed as well."""
    network[HERE] = yeastar
    await announce(YEASTAR)
    (flow,) = _flows(hass)
    assert flow["context"]["title_placeholders"] == {"name": f"Yeastar PBX ({HERE})"}
    created = await answer_flow(hass, flow["flow_id"], token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    entry = created["result"]
    assert entry.unique_id == "F4B549A1B2C3"
    assert _connections(hass, entry) == {("mac", YEASTAR)}

    del network[HERE]
    network[THERE] = yeastar
    await announce(YEASTAR, ip=THERE)
    assert entry.data["host"] == THERE
    assert _connections(hass, entry) == {("mac", YEASTAR)}
    assert _flows(hass) == []


async def test_p_series(
    hass: HomeAssistant, network: dict[str, Any], recorded: Spool, announce: Announce
) -> None:
    """It has no tokens to ask for."""
    async with PSeriesSimulator(recorded, extensions={"101": "Reception"}) as p_series:
        network[HERE] = p_series
        await announce(YEASTAR)
        (flow,) = _flows(hass)
        name = {"name": f"Yeastar P-Series PBX ({HERE})"}
        assert flow["context"]["title_placeholders"] == name
        form = await answer_flow(hass, flow["flow_id"])
        assert form["step_id"] == "login_p_series"
        assert p_series.logins == 0
        created = await answer_flow(
            hass, flow["flow_id"], username=CLIENT_ID, password=CLIENT_SECRET
        )
        assert created["type"] is FlowResultType.CREATE_ENTRY
        assert _connections(hass, created["result"]) == {("mac", YEASTAR)}
        await hass.config_entries.async_unload(created["result"].entry_id)


@pytest.mark.parametrize("host", [HERE, "pbx.lan"])
async def test_yeastar_that_was_added_by_hand(
    hass: HomeAssistant,
    network: dict[str, Any],
    yeastar: Simulator,
    announce: Announce,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
) -> None:
    """It is not offered, and its MAC address is known from then on."""

    async def resolve(_: object, name: str, port: int = 0, family: int = 0) -> list[Any]:
        """Return the address, or how this test gets there."""
        found = {"hostname": name, "port": yeastar.port, "family": 2, "proto": 0, "flags": 0}
        return [{**found, "host": "127.0.0.1" if port else HERE}]

    async_get_clientsession(hass)
    monkeypatch.setattr(type(hass.data[DATA_RESOLVER]), "resolve", resolve)
    network[HERE] = yeastar
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    created = await answer_flow(hass, form["flow_id"], host=host, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    entry = created["result"]
    assert _connections(hass, entry) == set()

    await announce(YEASTAR)
    assert _flows(hass) == []
    assert _connections(hass, entry) == {("mac", YEASTAR)}


async def test_yeastar_that_has_moved_is_not_doubled(
    hass: HomeAssistant, network: dict[str, Any], yeastar: Simulator, announce: Announce
) -> None:
    """It is recognized by its serial number, as soon as somebody signs in."""
    network[HERE] = yeastar
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    entry = (await answer_flow(hass, form["flow_id"], host=HERE, token=TOKEN))["result"]
    del network[HERE]
    network[THERE] = yeastar
    await announce(YEASTAR, ip=THERE)
    (flow,) = _flows(hass)
    aborted = await answer_flow(hass, flow["flow_id"], token=TOKEN)
    assert aborted["reason"] == "already_configured"
    assert hass.config_entries.async_entries(DOMAIN) == [entry]
    assert entry.data["host"] == THERE
    assert entry.state is ConfigEntryState.LOADED
    assert _connections(hass, entry) == {("mac", YEASTAR)}


async def test_second_address_of_a_pbx(
    hass: HomeAssistant,
    network: dict[str, Any],
    pbx: Simulator,
    at_here: MockConfigEntry,
    announce: Announce,
) -> None:
    """The MAC address of another port of it. The one that is set up stays."""
    network[THERE] = pbx
    await announce("a0:98:05:02:19:88", ip=THERE)
    (flow,) = _flows(hass)
    aborted = await answer_flow(hass, flow["flow_id"], token=TOKEN)
    assert aborted["reason"] == "already_configured"
    assert at_here.data["host"] == HERE
