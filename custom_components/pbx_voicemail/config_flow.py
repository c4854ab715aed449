"""The configuration flow: adds a PBX, reauthenticates with it, reconfigures it, and follows it."""

from collections.abc import Mapping
from typing import Any, Final, override

from homeassistant.config_entries import (
    SOURCE_DHCP,
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PASSWORD, CONF_TOKEN, CONF_USERNAME
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
import voluptuous as vol

from .config.client import address_of
from .config.discovery import (
    announced_name,
    async_entry_at,
    async_find_announced,
    async_is_gone,
    async_look_again_later,
    async_probe_at,
)
from .config.identity import (
    async_accept_serial_number,
    async_entry_of,
    async_entry_of_mac,
    async_store_mac,
    may_be_for,
)
from .config.options_flow import PbxOptionsFlow
from .config.probe import ProbeResult, async_probe
from .config.schemas import (
    LOGIN_SCHEMA,
    TOKEN_SCHEMA,
    extensions_schema,
    read_target,
    reconfigure_schema,
    suggested_address,
    user_schema,
    with_sections,
)
from .config.search import EntryData, async_find_pbx
from .const import (
    CONF_CREDENTIALS,
    CONF_EXTENSIONS,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_REFUSED,
    CONF_REMEMBERED,
    CONF_SECRET,
    CONF_TOKENS,
    DOMAIN,
)
from .coordinator import PbxConfigEntry
from .pbx import FAMILIES, Capability, Family, PbxAuthError, PbxError, family
from .voicemail.roster import parse_extension_numbers

_MANY_EXTENSIONS: Final = 26
"""From this number on, the user is asked to select extensions."""

_FIELDS: Final = {"invalid_host": CONF_HOST, "token_not_supported": CONF_TOKEN}
"""The errors that are shown at one field of a form."""

type _Answers = dict[str, Any]


class PbxConfigFlow(ConfigFlow, domain=DOMAIN):
    """Finds the PBX, has the user confirm an untrusted certificate, and logs in.

    Each family names the step that asks for user name and password. A token can replace it.
    """

    VERSION = 1
    MINOR_VERSION = 2

    _address_input: _Answers
    _announcement: DhcpServiceInfo | None = None
    _found: EntryData | None = None
    _trusted_fingerprint = ""
    _probe: ProbeResult

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: PbxConfigEntry) -> PbxOptionsFlow:
        """Return the options flow. If the PBX is connected, it offers the known extensions."""
        if config_entry.state is not ConfigEntryState.LOADED:
            return PbxOptionsFlow()
        coordinator = config_entry.runtime_data
        has_local_clock = Capability.LOCAL_CLOCK in coordinator.client.capabilities
        return PbxOptionsFlow(
            coordinator.phone_book,
            coordinator.known_extensions,
            has_local_clock=has_local_clock,
        )

    @override
    async def async_step_user(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask for the address and an optional token."""
        schema = user_schema(FAMILIES)
        if user_input is None:
            return self._show_form("user", schema)
        self._address_input = user_input
        try:
            self._found = await async_find_pbx(self.hass, read_target(user_input, FAMILIES))
            return await self._async_connect(user_input[CONF_TOKEN])
        except PbxError as err:
            return self._show_form("user", schema, user_input, err)

    async def _async_connect(self, token: str) -> ConfigFlowResult:
        """Add the PBX that was found, once its certificate is trusted. Raises PbxError."""
        if self._untrusted_fingerprint:
            return await self.async_step_certificate()
        if not (token := token.strip()):
            return self._show_login_form()
        return await self._async_add(await async_probe(self.hass, self._data, {CONF_TOKEN: token}))

    @override
    async def async_step_dhcp(self, discovery_info: DhcpServiceInfo) -> ConfigFlowResult:
        """Follow a known PBX to its new address, or offer a new one.

        Both end in silence if no PBX responds at this address.
        """
        mac_address, host = discovery_info.macaddress, discovery_info.ip
        try:
            if entry := async_entry_of_mac(self.hass, mac_address):
                return await self._async_follow(entry, host)
            if entry := await async_entry_at(self.hass, host):
                is_loaded = entry.state is ConfigEntryState.LOADED
                if is_loaded and entry.runtime_data.last_update_success:
                    async_store_mac(self.hass, entry, mac_address)
                return self.async_abort(reason="already_configured")
            # Until the PBX tells its serial number. An ignored one keeps this id.
            await self.async_set_unique_id(mac_address, raise_on_progress=False)
            self._abort_if_unique_id_configured()
            self._found = await async_find_announced(self.hass, discovery_info)
        except PbxError:
            key = self.context.get("discovery_key")
            async_look_again_later(self.hass, discovery_info, key)
            return self.async_abort(reason="cannot_connect")
        self._announcement = discovery_info
        self.context["title_placeholders"] = {CONF_NAME: announced_name(self._found)}
        for flow in self._async_in_progress(match_context={"unique_id": mac_address}):
            if flow["context"].get("title_placeholders") == self.context["title_placeholders"]:
                raise AbortFlow("already_in_progress")
            # It offers the PBX at an address that it does not have any more.
            self.hass.config_entries.flow.async_abort(flow["flow_id"])
        return await self.async_step_discovery_confirm()

    async def async_step_discovery_confirm(
        self, user_input: _Answers | None = None
    ) -> ConfigFlowResult:
        """Ask whether to add the PBX that was discovered, and for an optional token."""
        schema = TOKEN_SCHEMA if self._family.accepts_token else vol.Schema({})
        name = announced_name(self._data)
        if user_input is None:
            return self._show_form("discovery_confirm", schema, name=name)
        # It may have been added by hand since.
        self._async_abort_entries_match({CONF_HOST: self._data[CONF_HOST]})
        self._address_input = user_input
        try:
            return await self._async_connect(user_input.get(CONF_TOKEN, ""))
        except PbxError as err:
            return self._show_form("discovery_confirm", schema, err=err, name=name)

    async def _async_follow(self, entry: ConfigEntry, host: str) -> ConfigFlowResult:
        """Update the address of an entry if its PBX has moved to it. Raises PbxError."""
        if entry.data[CONF_HOST] != host and await async_is_gone(self.hass, entry):
            probe = await async_probe_at(self.hass, entry, host)
            if probe:
                return self._update(entry, probe)
        return self.async_abort(reason="already_configured")

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Store the MAC address, so that the PBX is followed to its next address."""
        if self._announcement:
            async_store_mac(self.hass, result["result"], self._announcement.macaddress)
        return result

    async def async_step_reconfigure(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask for the new address, and log in with the existing credentials unless rejected."""
        entry = self._get_reconfigure_entry()
        families = [family(entry.data[CONF_FAMILY])]
        schema = reconfigure_schema(families)
        if user_input is None:
            return self._show_form("reconfigure", schema, suggested_address(entry.data))
        self._address_input = user_input
        self._trusted_fingerprint = self._trusted_fingerprint or entry.data.get(
            CONF_FINGERPRINT, ""
        )
        try:
            self._found = await async_find_pbx(self.hass, read_target(user_input, families))
            if self._untrusted_fingerprint:
                return await self.async_step_certificate()
            if entry.data.get(CONF_REFUSED):
                return self._show_credentials_form(entry)
            probe = await async_probe(self.hass, self._found, entry.data[CONF_CREDENTIALS])
        except PbxAuthError as err:
            return self._show_credentials_form(entry, err)
        except PbxError as err:
            return self._show_form("reconfigure", schema, user_input, err)
        return self._update(entry, probe)

    async def async_step_certificate(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask whether to trust the certificate, then submit the address again."""
        if user_input is None:
            as_in_browsers = bytes.fromhex(self._untrusted_fingerprint).hex(":").upper()
            return self.async_show_form(
                step_id="certificate",
                description_placeholders={
                    "fingerprint": as_in_browsers,
                    "address": str(address_of(self._data).url),
                },
            )
        self._trusted_fingerprint = self._untrusted_fingerprint
        if self.source == SOURCE_RECONFIGURE:
            return await self.async_step_reconfigure(self._address_input)
        if self._announcement:
            return await self.async_step_discovery_confirm(self._address_input)
        return await self.async_step_user(self._address_input)

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Ask for new credentials."""
        return self._show_credentials_form(self._get_reauth_entry())

    async def async_step_reauth_confirm(
        self, user_input: _Answers | None = None
    ) -> ConfigFlowResult:
        """Ask for a new token or, if it is left empty, for user name and password."""
        if user_input is None:
            return self._show_credentials_form(self._entry)
        if not (token := user_input[CONF_TOKEN].strip()):
            return self._show_login_form()
        try:
            probe = await async_probe(self.hass, self._data, {CONF_TOKEN: token})
        except PbxError as err:
            return self._show_credentials_form(self._entry, err)
        return self._update(self._entry, probe)

    async def async_step_login(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask for the API user."""
        return await self._async_log_in(user_input)

    async def async_step_login_asterisk(
        self, user_input: _Answers | None = None
    ) -> ConfigFlowResult:
        """Ask for a manager user."""
        return await self._async_log_in(user_input)

    async def async_step_login_p_series(
        self, user_input: _Answers | None = None
    ) -> ConfigFlowResult:
        """Ask for a client ID and secret."""
        return await self._async_log_in(user_input)

    async def _async_log_in(self, user_input: _Answers | None) -> ConfigFlowResult:
        """Log in with user name and password."""
        if user_input is None:
            # A form that was shown when the login failed is shown again when somebody opens it.
            is_known = self.source == SOURCE_REAUTH
            return self._show_login_form(self._entry.data[CONF_CREDENTIALS] if is_known else None)
        credentials = {
            CONF_USERNAME: user_input[CONF_USERNAME].strip(),
            CONF_SECRET: self._family.stored_secret(user_input[CONF_PASSWORD]),
        }
        try:
            probe = await async_probe(self.hass, self._data, credentials)
        except PbxError as err:
            return self._show_login_form(user_input, err)
        if self.source in {SOURCE_REAUTH, SOURCE_RECONFIGURE}:
            return self._update(self._entry, probe)
        return await self._async_add(probe)

    async def async_step_extensions(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask which extensions to show."""
        if user_input is not None:
            chosen = parse_extension_numbers(user_input.get(CONF_EXTENSIONS, []))
            return self._create(self._probe, list(chosen))
        extensions = self._probe.extensions
        return self.async_show_form(
            step_id="extensions",
            data_schema=extensions_schema(extensions),
            description_placeholders={"count": str(len(extensions))},
        )

    async def _async_add(self, probe: ProbeResult) -> ConfigFlowResult:
        """Create an entry, unless the PBX has one: its address is updated if the PBX has moved."""
        entry = async_entry_of(self.hass, probe)
        if entry and self._announcement and await async_is_gone(self.hass, entry):
            return self._update(entry, probe)
        await self.async_set_unique_id(probe.info.serial_number, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        if entry:
            return self.async_abort(reason="already_configured")
        if len(probe.extensions) < _MANY_EXTENSIONS:
            return self._create(probe, [])
        self._probe = probe
        return await self.async_step_extensions()

    @callback
    def _create(self, probe: ProbeResult, extensions: list[str]) -> ConfigFlowResult:
        return self.async_create_entry(
            title=probe.title,
            data=probe.data,
            options={CONF_EXTENSIONS: extensions} if extensions else {},
        )

    @callback
    def _update(self, entry: ConfigEntry, probe: ProbeResult) -> ConfigFlowResult:
        """Update the entry, unless it belongs to another PBX."""
        if not may_be_for(entry, probe):
            return self.async_abort(reason="wrong_pbx")
        if async_entry_of(self.hass, probe) not in (None, entry):
            return self.async_abort(reason="already_configured")
        async_accept_serial_number(self.hass, entry, probe)
        # A title that the user has changed is kept.
        title = entry.title.replace(f"({entry.data[CONF_HOST]})", f"({probe.data[CONF_HOST]})")
        if self.source != SOURCE_DHCP:
            return self.async_update_reload_and_abort(entry, title=title, data=probe.data)
        if self._announcement:
            async_store_mac(self.hass, entry, self._announcement.macaddress)
        return self.async_update_reload_and_abort(
            entry, title=title, data=probe.data, reason="already_configured"
        )

    @property
    def _entry(self) -> ConfigEntry:
        """The entry that is reauthenticated or reconfigured."""
        if self.source == SOURCE_REAUTH:
            return self._get_reauth_entry()
        return self._get_reconfigure_entry()

    @property
    def _data(self) -> EntryData:
        """The data of an entry for the PBX, without credentials."""
        if self._found is not None:
            return self._found
        return {
            key: value
            for key, value in self._get_reauth_entry().data.items()
            # What is remembered may depend on the old credentials.
            if key not in (CONF_CREDENTIALS, CONF_REFUSED, CONF_REMEMBERED, CONF_TOKENS)
        }

    @property
    def _family(self) -> Family:
        return family(self._data[CONF_FAMILY])

    @property
    def _untrusted_fingerprint(self) -> str:
        """The certificate to confirm before credentials are sent, empty if there is none."""
        fingerprint: str = self._data.get(CONF_FINGERPRINT, "")
        return "" if fingerprint == self._trusted_fingerprint else fingerprint

    @callback
    def _show_credentials_form(
        self, entry: ConfigEntry, err: PbxError | None = None
    ) -> ConfigFlowResult:
        """Ask for credentials of the same kind as the entry has."""
        if CONF_TOKEN in entry.data[CONF_CREDENTIALS]:
            return self._show_form("reauth_confirm", TOKEN_SCHEMA, err=err, name=entry.title)
        return self._show_login_form(entry.data[CONF_CREDENTIALS], err)

    @callback
    def _show_login_form(
        self, suggested: Mapping[str, Any] | None = None, err: PbxError | None = None
    ) -> ConfigFlowResult:
        return self._show_form(self._family.login_step, LOGIN_SCHEMA, suggested, err)

    @callback
    def _show_form(
        self,
        step_id: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any] | None = None,
        err: PbxError | None = None,
        **placeholders: str,
    ) -> ConfigFlowResult:
        """Show a form with suggested values, except secrets, and with an error."""
        suggested = dict(suggested or {})
        for secret in (CONF_TOKEN, CONF_PASSWORD):
            suggested.pop(secret, None)
        schema = with_sections(schema, suggested)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=_form_errors(err),
            description_placeholders={**placeholders, **(err.placeholders if err else {})},
        )


def _form_errors(err: PbxError | None) -> dict[str, str]:
    """Return the errors of a form: the translation key by the field, or by "base"."""
    return {_FIELDS.get(err.kind, "base"): err.kind} if err else {}
