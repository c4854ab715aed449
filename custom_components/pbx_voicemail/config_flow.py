"""Asks a person for their PBX, and asks the PBX before believing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, override

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SSL, CONF_TOKEN, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from .connection import error_placeholders, if_offered, temporary_client
from .const import CONF_ADVANCED, DOMAIN
from .pbx import DEFAULT_PORT, Address, DeviceInfo, PbxError

_TOKEN = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
_PORT = vol.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    vol.Coerce(int),
)

_USER_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_TOKEN): _TOKEN,
        vol.Optional(CONF_ADVANCED, default=dict): section(
            vol.Schema(
                {
                    vol.Optional(CONF_PORT, default=DEFAULT_PORT): _PORT,
                    vol.Optional(CONF_SSL, default=False): BooleanSelector(),
                    vol.Optional(CONF_VERIFY_SSL, default=True): BooleanSelector(),
                }
            ),
            {"collapsed": True},
        ),
    }
)
_REAUTH_SCHEMA = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which PBX answered. One that tells no serial number is known by its address."""

    address: Address
    info: DeviceInfo

    @property
    def unique_id(self) -> str:
        """A name that stays."""
        return self.info.serial_number or str(self.address)

    @property
    def title(self) -> str:
        """A name that people can tell it by."""
        return f"{self.info.model or 'PBX'} ({self.address.host})"

    def may_be(self, unique_id: str | None) -> bool:
        """Tell whether it may be a PBX known before; only serial numbers prove it is not."""
        return self.info.serial_number is None or unique_id in (
            self.info.serial_number,
            str(self.address),
        )


class PbxConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a PBX, or gives a known one a new token."""

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where the PBX is, and for the token."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            try:
                data = _entry_data(user_input)
                identity = await _identify(self.hass, data)
            except ValueError:
                errors[CONF_HOST] = "invalid_host"
            except PbxError as err:
                errors["base"] = err.kind
                placeholders = error_placeholders(err)
            else:
                await self.async_set_unique_id(identity.unique_id)
                self._abort_if_unique_id_configured()
                return self.async_create_entry(title=identity.title, data=data)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                _USER_SCHEMA, _without_token(user_input)
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Start over with a token that the PBX does not accept any more."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new token."""
        errors: dict[str, str] = {}
        entry = self._get_reauth_entry()
        placeholders = {"name": entry.title}
        if user_input is not None:
            token = {CONF_TOKEN: user_input[CONF_TOKEN].strip()}
            try:
                identity = await _identify(self.hass, {**entry.data, **token})
            except PbxError as err:
                errors["base"] = err.kind
                placeholders |= error_placeholders(err)
            else:
                if not identity.may_be(entry.unique_id):
                    return self.async_abort(reason="wrong_pbx")
                return self.async_update_reload_and_abort(entry, data_updates=token)
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=_REAUTH_SCHEMA,
            errors=errors,
            description_placeholders=placeholders,
        )


def _entry_data(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config entry keeps. Raises ValueError if there is no host in it."""
    advanced = user_input[CONF_ADVANCED]
    address = Address.parse(user_input[CONF_HOST], port=advanced[CONF_PORT], tls=advanced[CONF_SSL])
    return {
        CONF_HOST: address.host,
        CONF_PORT: address.port,
        CONF_SSL: address.tls,
        CONF_VERIFY_SSL: advanced[CONF_VERIFY_SSL],
        CONF_TOKEN: user_input[CONF_TOKEN].strip(),
    }


async def _identify(hass: HomeAssistant, data: Mapping[str, Any]) -> Identity:
    """Find out which PBX it is, and that it tells us its mailboxes.

    Raises the PbxError that stands in the way.
    """
    with temporary_client(hass, data) as client:
        await client.query_mailboxes()
        info = await if_offered(client.query_device_info)
    return Identity(client.address, info or DeviceInfo())


def _without_token(user_input: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what may be shown to the person again."""
    return {key: value for key, value in (user_input or {}).items() if key != CONF_TOKEN}
