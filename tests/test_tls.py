"""TLS: used wherever it is offered, and a certificate that is not trusted is pinned, not ignored."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
import ssl
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.ssl import SSL_ALPN_HTTP11, SSLCipherList, client_context
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import TOKEN
from .faults import ignore_failed_handshakes
from .helpers import call_action, get_message_from, get_state, poll
from .simulator import Certificate, Simulator, rsa_certificate

AUTHORITY = Certificate.make("127.0.0.9", is_authority=True)
SELF_SIGNED = Certificate.make()
SIGNED = Certificate.make(issuer=AUTHORITY)

OLD = rsa_certificate()

UNTRUSTED = {
    "self-signed": SELF_SIGNED,
    "expired": Certificate.make(issuer=AUTHORITY, expires=-timedelta(days=1)),
    "wrong host name": Certificate.make("127.0.0.2", issuer=AUTHORITY),
    "unknown authority": Certificate.make(issuer=Certificate.make(is_authority=True)),
}
every_untrusted = pytest.mark.parametrize("certificate", UNTRUSTED.values(), ids=UNTRUSTED)


@pytest.fixture(autouse=True)
def trusted_authority() -> None:
    """Have Home Assistant trust an authority of the tests' own."""
    context = client_context(SSLCipherList.PYTHON_DEFAULT, SSL_ALPN_HTTP11)
    context.load_verify_locations(cadata=AUTHORITY.pem)


@pytest.fixture(autouse=True)
def refusals(hass: HomeAssistant) -> Iterator[None]:
    """Let certificates be refused."""
    with ignore_failed_handshakes(hass.loop):
        yield


async def _show(pbx: Simulator, certificate: Certificate | None) -> None:
    """Have the PBX speak TLS with a certificate, or none."""
    await pbx.stop()
    pbx.tls = await asyncio.to_thread(certificate.context) if certificate else None
    await pbx.start()


@asynccontextmanager
async def _pinned(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> AsyncIterator[None]:
    """Set the PBX up by a certificate that is pinned."""
    await _show(pbx, SELF_SIGNED)
    data = {**entry.data, "ssl": True, "fingerprint": SELF_SIGNED.fingerprint}
    hass.config_entries.async_update_entry(entry, data=data)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    pbx.requests.clear()
    yield
    await hass.config_entries.async_unload(entry.entry_id)


def _no_secrets(pbx: Simulator) -> bool:
    """Return whether the PBX was sent neither a token nor a password."""
    return not pbx.tokens and not pbx.logins


async def _enter(hass: HomeAssistant, **answers: Any) -> ConfigFlowResult:
    form = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    return await _answer(hass, form, **answers)


async def _answer(hass: HomeAssistant, form: ConfigFlowResult, **answers: Any) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(form["flow_id"], answers)
    await hass.async_block_till_done()
    return result


async def test_tls_is_taken_where_it_is_offered(hass: HomeAssistant, pbx: Simulator) -> None:
    await _show(pbx, SIGNED)
    created = await _enter(hass, host=pbx.address, token=TOKEN)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["data"]["ssl"] is True
    assert "fingerprint" not in created["data"]
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_plain_http_where_it_is_asked_for(hass: HomeAssistant, pbx: Simulator) -> None:
    await _show(pbx, SIGNED)
    form = await _enter(hass, host=f"http://{pbx.address}", token=TOKEN)
    assert form["errors"] == {"base": "cannot_connect"}


@pytest.mark.parametrize("host", ["{}", "http://{}"])
async def test_tls_that_is_insisted_on(hass: HomeAssistant, pbx: Simulator, host: str) -> None:
    answers = {"host": host.format(pbx.address), "token": TOKEN}
    form = await _enter(hass, **answers, advanced={"ssl": True})
    assert form["errors"] == {"base": "ssl_error"}
    assert pbx.requests == []


@every_untrusted
@pytest.mark.parametrize("host", ["{}", "https://{}"])
async def test_certificate_is_shown_and_pinned(
    hass: HomeAssistant, pbx: Simulator, certificate: Certificate, host: str
) -> None:
    await _show(pbx, certificate)
    form = await _enter(hass, host=host.format(pbx.address), token=TOKEN)
    assert form["step_id"] == "certificate"
    assert form["description_placeholders"]
    shown = form["description_placeholders"]["fingerprint"]
    assert shown.replace(":", "").lower() == certificate.fingerprint
    assert form["description_placeholders"]["address"] == f"https://{pbx.address}"
    # Before a person has confirmed it, nothing secret is sent.
    assert pbx.requests
    assert _no_secrets(pbx)

    created = await _answer(hass, form)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["data"]["fingerprint"] == certificate.fingerprint
    assert created["data"]["verify_ssl"] is True
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_pinned_before_the_login(hass: HomeAssistant, pbx: Simulator) -> None:
    await _show(pbx, SELF_SIGNED)
    form = await _enter(hass, host=pbx.address)
    assert form["step_id"] == "certificate"
    form = await _answer(hass, form)
    assert form["step_id"] == "login"
    form = await _answer(hass, form, username="api", password="wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    created = await _answer(hass, form, username="api", password="secret")
    assert created["data"]["fingerprint"] == SELF_SIGNED.fingerprint


async def test_trusted_certificate_and_wrong_token(hass: HomeAssistant, pbx: Simulator) -> None:
    await _show(pbx, SELF_SIGNED)
    form = await _enter(hass, host=pbx.address, token="wrong")
    form = await _answer(hass, form)
    assert form["step_id"] == "user"
    assert form["errors"] == {"base": "invalid_auth"}
    # It has been trusted, and is not asked for again.
    created = await _answer(hass, form, host=pbx.address, token=TOKEN)
    assert created["data"]["fingerprint"] == SELF_SIGNED.fingerprint


async def test_another_certificate_while_a_person_thinks(
    hass: HomeAssistant, pbx: Simulator
) -> None:
    await _show(pbx, SELF_SIGNED)
    form = await _enter(hass, host=pbx.address, token=TOKEN)
    other = Certificate.make()
    await _show(pbx, other)
    form = await _answer(hass, form)
    assert form["step_id"] == "certificate"
    assert _no_secrets(pbx)
    created = await _answer(hass, form)
    assert created["data"]["fingerprint"] == other.fingerprint


async def test_check_that_is_switched_off(hass: HomeAssistant, pbx: Simulator) -> None:
    await _show(pbx, SELF_SIGNED)
    answers = {"host": pbx.address, "token": TOKEN}
    created = await _enter(hass, **answers, advanced={"verify_ssl": False})
    assert created["data"]["ssl"] is True
    assert "fingerprint" not in created["data"]
    issue_id = f"unverified_tls_{created['result'].entry_id}"
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


@pytest.mark.parametrize("certificate", [Certificate.make(), SIGNED], ids=["made", "signed"])
async def test_certificate_that_changes(
    hass: HomeAssistant,
    pbx: Simulator,
    entry: MockConfigEntry,
    certificate: Certificate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No other certificate is taken for the pinned one, not even one that is signed."""
    issue = DOMAIN, f"certificate_changed_{entry.entry_id}"
    async with _pinned(hass, pbx, entry):
        await _show(pbx, certificate)
        for _ in range(2):
            await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
        assert pbx.requests == []
        assert ir.async_get(hass).async_get_issue(*issue)
        errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len([error for error in errors if "presents a different certificate" in error]) == 1

        await _show(pbx, SELF_SIGNED)
        await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == "3"
        assert not ir.async_get(hass).async_get_issue(*issue)


async def test_certificate_that_changes_before_playing_and_deleting(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async with _pinned(hass, pbx, entry):
        message_id = (await get_message_from(hass, "7001"))["message_id"]
        await _show(pbx, Certificate.make())
        for action in ("transcribe_message", "delete_message"):
            with pytest.raises(HomeAssistantError):
                await call_action(hass, action, message_id=message_id)
        assert pbx.requests == []


async def test_changed_certificate_is_trusted_anew(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async with _pinned(hass, pbx, entry):
        other = Certificate.make()
        await _show(pbx, other)
        await poll(hass)
        form = await entry.start_reconfigure_flow(hass)
        form = await _answer(hass, form, host=pbx.address)
        assert form["step_id"] == "certificate"
        done = await _answer(hass, form)
        assert done["reason"] == "reconfigure_successful"
        assert entry.data["fingerprint"] == other.fingerprint
        assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_known_certificate_is_not_asked_for_again(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async with _pinned(hass, pbx, entry):
        form = await entry.start_reconfigure_flow(hass)
        done = await _answer(hass, form, host=pbx.address)
        assert done["reason"] == "reconfigure_successful"
        assert entry.data["fingerprint"] == SELF_SIGNED.fingerprint


async def test_pin_goes_when_somebody_vouches(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async with _pinned(hass, pbx, entry):
        await _show(pbx, SIGNED)
        form = await entry.start_reconfigure_flow(hass)
        await _answer(hass, form, host=pbx.address)
        assert "fingerprint" not in entry.data
        assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_token_is_not_shown_to_another_certificate(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    async with _pinned(hass, pbx, entry):
        await _show(pbx, Certificate.make())
        form = await entry.start_reauth_flow(hass)
        form = await _answer(hass, form, token=TOKEN)
        assert form["errors"] == {"base": "certificate_changed"}
        assert pbx.requests == []


@every_untrusted
async def test_untrusted_at_start(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, certificate: Certificate
) -> None:
    await _show(pbx, certificate)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "ssl": True})
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert str(entry.reason).startswith("Failed to establish a trusted TLS")
    assert pbx.requests == []

    await _show(pbx, SIGNED)
    await poll(hass)
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


OLD_TLS = {
    "TLS 1.0": {"newest": ssl.TLSVersion.TLSv1},
    "TLS 1.1": {"newest": ssl.TLSVersion.TLSv1_1},
    "1024-bit Diffie-Hellman": {"newest": ssl.TLSVersion.TLSv1_2, "ciphers": "DHE-RSA-AES128-SHA"},
}
every_old_tls = pytest.mark.parametrize("how", OLD_TLS.values(), ids=OLD_TLS)


async def _speak_old_tls(pbx: Simulator, how: dict[str, Any]) -> None:
    """Have the PBX speak TLS as it did a decade ago, and nothing newer."""
    await pbx.stop()
    pbx.tls = await asyncio.to_thread(partial(OLD.context, **how))
    await pbx.start()


@every_old_tls
@pytest.mark.parametrize("host", ["{}", "https://{}"])
async def test_tls_of_another_decade(
    hass: HomeAssistant, pbx: Simulator, how: dict[str, Any], host: str
) -> None:
    """It is spoken once its certificate was confirmed, and pointed out until it is renewed."""
    await _speak_old_tls(pbx, how)
    form = await _enter(hass, host=host.format(pbx.address), token=TOKEN)
    assert form["step_id"] == "certificate"
    assert _no_secrets(pbx)
    created = await _answer(hass, form)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    entry = created["result"]
    assert get_state(hass, "sensor.reception_101_messages").state == "3"
    issue = DOMAIN, f"old_tls_{entry.entry_id}"
    assert ir.async_get(hass).async_get_issue(*issue)

    # Playing and deleting get through, too.
    message_id = (await get_message_from(hass, "7001"))["message_id"]
    await call_action(hass, "delete_message", message_id=message_id)
    assert len(pbx.spool.messages("101")) == 2

    # Nobody else is talked to, however old or new their TLS is.
    other = Certificate.make()
    pbx.requests.clear()
    await _show(pbx, other)
    await poll(hass)
    assert pbx.requests == []

    # New firmware.
    await _show(pbx, OLD)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, "sensor.reception_101_messages").state == "2"
    assert "old_tls" not in entry.data
    assert not ir.async_get(hass).async_get_issue(*issue)


@every_old_tls
async def test_pbx_that_went_back_to_old_tls(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry, how: dict[str, Any]
) -> None:
    """Nobody in between can talk Home Assistant into it: a person has to confirm."""
    async with _pinned(hass, pbx, entry):
        await _speak_old_tls(pbx, how)
        await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
        assert pbx.requests == []
        form = await entry.start_reconfigure_flow(hass)
        form = await _answer(hass, form, host=pbx.address)
        assert form["step_id"] == "certificate"
        done = await _answer(hass, form)
        assert done["reason"] == "reconfigure_successful"
        assert get_state(hass, "sensor.reception_101_messages").state == "3"


@pytest.mark.parametrize(
    "make", [partial(rsa_certificate, bits=1024), partial(rsa_certificate, hash_name="sha1")]
)
async def test_weak_certificate_is_pinned_like_any_other(
    hass: HomeAssistant, pbx: Simulator, make: Callable[[], Certificate]
) -> None:
    certificate = await asyncio.to_thread(make)
    await _show(pbx, certificate)
    form = await _enter(hass, host=pbx.address, token=TOKEN)
    assert form["step_id"] == "certificate"
    created = await _answer(hass, form)
    assert created["data"]["fingerprint"] == certificate.fingerprint
    assert get_state(hass, "sensor.reception_101_messages").state == "3"


async def test_plain_http_on_a_port_that_spoke_tls(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """Nobody in between can talk Home Assistant out of TLS."""
    async with _pinned(hass, pbx, entry):
        await _show(pbx, None)
        await poll(hass)
        assert get_state(hass, "sensor.reception_101_messages").state == STATE_UNAVAILABLE
        assert pbx.requests == []


async def test_reconfigured_on_a_port_that_spoke_tls(
    hass: HomeAssistant, pbx: Simulator, entry: MockConfigEntry
) -> None:
    """Only who turns off "Require TLS" goes on without it."""
    async with _pinned(hass, pbx, entry):
        await _show(pbx, None)
        pbx.tokens.clear()
        form = await entry.start_reconfigure_flow(hass)
        form = await _answer(hass, form, host=pbx.address)
        assert form["errors"] == {"base": "ssl_error"}
        form = await _answer(hass, form, host=f"http://{pbx.address}")
        assert form["errors"] == {"base": "ssl_error"}
        assert pbx.requests == []
        assert _no_secrets(pbx)
        done = await _answer(hass, form, host=pbx.address, advanced={"ssl": False})
        assert done["reason"] == "reconfigure_successful"
        assert entry.data["ssl"] is False
        assert "fingerprint" not in entry.data
