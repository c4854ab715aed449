"""Asks a person for their PBX, and asks the PBX before believing it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_SSL,
    CONF_TOKEN,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from .config.client import async_fetch_certificate, connection_to, create_session
from .config.options_flow import PbxOptionsFlow, extension_choice
from .config.probe import Identity, accept_serial_number, identify
from .const import (
    API_AUTO,
    CONF_ADVANCED,
    CONF_API,
    CONF_CREDENTIALS,
    CONF_EXTENSIONS,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_OLD_TLS,
    CONF_REFUSED,
    CONF_REMEMBERED,
    CONF_SECRET,
    DOMAIN,
)
from .pbx import (
    DEFAULT_PORT,
    FAMILIES,
    Address,
    Certificate,
    PbxConnectionError,
    PbxError,
    PbxTlsError,
    family,
)
from .voicemail.roster import read_extension_numbers

_ASK_WHICH_FROM = 26

_CREDENTIALS = (CONF_CREDENTIALS, CONF_REMEMBERED, CONF_REFUSED)
_OF_ONE_CONNECTION = (
    CONF_FINGERPRINT,
    CONF_OLD_TLS,
    CONF_REMEMBERED,
    CONF_REFUSED,
)
"""What an entry knows about the PBX at its present address."""

_SECRET = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
_PORT = vol.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    vol.Coerce(int),
)
_ADVANCED = section(
    vol.Schema(
        {
            vol.Optional(CONF_PORT, default=DEFAULT_PORT): _PORT,
            vol.Optional(CONF_SSL, default=False): BooleanSelector(),
            vol.Optional(CONF_VERIFY_SSL, default=True): BooleanSelector(),
            vol.Optional(CONF_API, default=API_AUTO): SelectSelector(
                SelectSelectorConfig(
                    # Versions have dots, which keys of translations must not have.
                    options=[SelectOptionDict(value=API_AUTO, label=API_AUTO)]
                    + [
                        SelectOptionDict(value=api, label=label)
                        for one in FAMILIES
                        for api, label in one.apis.items()
                    ],
                    mode=SelectSelectorMode.DROPDOWN,
                    translation_key=CONF_API,
                )
            ),
        }
    ),
    {"collapsed": True},
)

_ADDRESS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Optional(CONF_ADVANCED, default=dict): _ADVANCED,
    }
)
_USER_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Optional(CONF_TOKEN, default=""): _SECRET,
        vol.Optional(CONF_ADVANCED, default=dict): _ADVANCED,
    }
)
_TOKEN_SCHEMA = vol.Schema({vol.Optional(CONF_TOKEN, default=""): _SECRET})
_LOGIN_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_USERNAME): TextSelector(TextSelectorConfig(autocomplete="username")),
        vol.Required(CONF_PASSWORD): _SECRET,
    }
)

type _Answers = dict[str, Any]


class PbxConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a PBX, lets a known one in again, or finds it at another address."""

    def __init__(self) -> None:
        """Start without answers."""
        self._answers: _Answers = {}
        self._data: _Answers = {}
        self._identity: Identity | None = None
        self._shown: Certificate | None = None
        self._trusted = ""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> PbxOptionsFlow:
        """Return the dialog behind the cogwheel."""
        return PbxOptionsFlow()

    @override
    async def async_step_user(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask where the PBX is, and for a token, if there is one."""
        if user_input is None:
            return self._show_address_form({})
        self._answers = user_input
        return await self._approach()

    async def async_step_certificate(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask whether to trust a certificate that nobody vouches for, from now on that one alone."""
        assert self._shown is not None  # noqa: S101
        if user_input is None:
            as_in_browsers = bytes.fromhex(self._shown.fingerprint).hex(":").upper()
            return self.async_show_form(
                step_id="certificate",
                description_placeholders={"fingerprint": as_in_browsers},
            )
        self._trusted = self._shown.fingerprint
        return await self._approach()

    async def async_step_login(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask for the API user, to get tokens with."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            self._data |= _read_login(user_input)
            with _told_in(errors, placeholders):
                self._identity = await identify(self.hass, self._data)
            if not errors:
                moves = self.source == SOURCE_RECONFIGURE
                return self._move() if moves else await self._finish()
        return self.async_show_form(
            step_id="login",
            data_schema=self._prefilled(_LOGIN_SCHEMA, user_input),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_extensions(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask which of many extensions to follow."""
        identity = self._known_identity
        if user_input is not None:
            return self._create(list(read_extension_numbers(user_input.get(CONF_EXTENSIONS, []))))
        schema = vol.Schema({vol.Optional(CONF_EXTENSIONS): extension_choice(identity.extensions)})
        return self.async_show_form(
            step_id="extensions",
            data_schema=schema,
            description_placeholders={"count": str(len(identity.extensions))},
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Start over with what the PBX does not accept any more."""
        if CONF_USERNAME in entry_data[CONF_CREDENTIALS]:
            return await self.async_step_reauth_login()
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: _Answers | None = None
    ) -> ConfigFlowResult:
        """Ask for a new token; without one, for the API user."""
        if user_input is not None and not user_input[CONF_TOKEN].strip():
            return await self.async_step_reauth_login()
        credentials = user_input and {
            CONF_CREDENTIALS: {CONF_TOKEN: user_input[CONF_TOKEN].strip()}
        }
        return await self._let_in_again("reauth_confirm", _TOKEN_SCHEMA, credentials)

    async def async_step_reauth_login(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask for the API user."""
        entry = self._get_reauth_entry()
        credentials = user_input and _read_login(user_input)
        return await self._let_in_again(
            "reauth_login",
            self._prefilled(_LOGIN_SCHEMA, user_input or entry.data[CONF_CREDENTIALS]),
            credentials,
        )

    async def async_step_reconfigure(self, user_input: _Answers | None = None) -> ConfigFlowResult:
        """Ask where the PBX is now."""
        entry = self._get_reconfigure_entry()
        if user_input is None:
            known = Address(entry.data[CONF_HOST], entry.data[CONF_PORT])
            return self._show_address_form({CONF_HOST: str(known), CONF_ADVANCED: entry.data})
        self._answers = user_input
        self._trusted = self._trusted or entry.data.get(CONF_FINGERPRINT, "")
        return await self._approach()

    async def _approach(self) -> ConfigFlowResult:
        """Go on from the address that was entered, or tell what is wrong with it."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        with _told_in(errors, placeholders):
            address = await _read_address(self.hass, self._answers)
            if self.source == SOURCE_RECONFIGURE:
                known = self._get_reconfigure_entry().data
                is_refused = known.get(CONF_REFUSED, False)
                credentials = (CONF_CREDENTIALS,) if is_refused else ()
                self._data = _without(known, *_OF_ONE_CONNECTION, *credentials) | address
                return await self._met() or await (
                    self.async_step_login() if is_refused else self._keep_address()
                )
            token = self._answers[CONF_TOKEN].strip()
            self._data = address | ({CONF_CREDENTIALS: {CONF_TOKEN: token}} if token else {})
            return await self._met() or await (self._finish() if token else self.async_step_login())
        return self._show_address_form(self._answers, errors, placeholders)

    async def _met(self) -> ConfigFlowResult | None:
        """Meet the PBX, by a certificate that is trusted; without one, return the question for it."""
        try:
            await self._meet()
        except PbxConnectionError as err:
            shown = None
            if self._data[CONF_SSL]:
                shown = await async_fetch_certificate(self.hass, self._data)
            if shown is None or not (shown.needs_old_tls or isinstance(err, PbxTlsError)):
                raise
            self._shown = shown
            if shown.fingerprint != self._trusted:
                return await self.async_step_certificate()
            self._data[CONF_FINGERPRINT] = shown.fingerprint
            if shown.needs_old_tls:
                self._data[CONF_OLD_TLS] = True
            await self._meet()
        return None

    async def _meet(self) -> None:
        """Find out which PBX it is or, before anybody signed in, that it is one."""
        if CONF_CREDENTIALS in self._data:
            self._identity = await identify(self.hass, self._data)
        else:
            async with create_session(self.hass, verify_ssl=self._data[CONF_VERIFY_SSL]) as session:
                await family("s_series").probe(connection_to(self._data, session, time_zone=UTC))

    async def _keep_address(self) -> ConfigFlowResult:
        return self._move()

    def _move(self) -> ConfigFlowResult:
        """Keep the new address, if it is that of the same PBX."""
        entry, identity = self._get_reconfigure_entry(), self._known_identity
        if not identity.may_be(entry):
            return self.async_abort(reason="wrong_pbx")
        accept_serial_number(self.hass, entry, identity)
        return self.async_update_reload_and_abort(
            entry,
            title=identity.title,
            data=self._data | {CONF_REMEMBERED: dict(identity.remembered)},
        )

    def _show_address_form(
        self,
        answers: Mapping[str, Any],
        errors: dict[str, str] | None = None,
        placeholders: dict[str, str] | None = None,
    ) -> ConfigFlowResult:
        moves = self.source == SOURCE_RECONFIGURE
        return self.async_show_form(
            step_id="reconfigure" if moves else "user",
            data_schema=self._prefilled(_ADDRESS_SCHEMA if moves else _USER_SCHEMA, answers),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _let_in_again(
        self, step_id: str, schema: vol.Schema, credentials: Mapping[str, Any] | None
    ) -> ConfigFlowResult:
        """Try new credentials on the PBX of the entry that asks for them, and keep good ones."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        placeholders = {"name": entry.title}
        if credentials:
            data = _without(entry.data, *_CREDENTIALS) | dict(credentials)
            with _told_in(errors, placeholders):
                identity = await identify(self.hass, data)
            if not errors:
                if not identity.may_be(entry):
                    return self.async_abort(reason="wrong_pbx")
                accept_serial_number(self.hass, entry, identity)
                return self.async_update_reload_and_abort(entry, data=data)
        return self.async_show_form(
            step_id=step_id,
            data_schema=schema,
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _finish(self) -> ConfigFlowResult:
        """Go on once the PBX has answered."""
        await self.async_set_unique_id(self._known_identity.unique_id)
        self._abort_if_unique_id_configured()
        if len(self._known_identity.extensions) >= _ASK_WHICH_FROM:
            return await self.async_step_extensions()
        return self._create([])

    def _create(self, extensions: list[str]) -> ConfigFlowResult:
        return self.async_create_entry(
            title=self._known_identity.title,
            data=self._data | {CONF_REMEMBERED: dict(self._known_identity.remembered)},
            options={CONF_EXTENSIONS: extensions} if extensions else {},
        )

    @property
    def _known_identity(self) -> Identity:
        assert self._identity is not None  # noqa: S101
        return self._identity

    def _prefilled(self, schema: vol.Schema, answers: Mapping[str, Any] | None) -> vol.Schema:
        """Fill in what was answered before, but for the secrets."""
        return self.add_suggested_values_to_schema(
            schema, _without(answers or {}, CONF_TOKEN, CONF_PASSWORD)
        )


async def _read_address(hass: HomeAssistant, answers: _Answers) -> _Answers:
    """Return what the entry keeps of an address, with TLS wherever the PBX offers it.

    Only a URL with http settles for less, unless TLS is insisted on. Raises ValueError if
    there is no host in it.
    """
    advanced = answers[CONF_ADVANCED]
    address = Address.parse(answers[CONF_HOST], port=advanced[CONF_PORT], tls=advanced[CONF_SSL])
    data = {
        CONF_HOST: address.host,
        CONF_PORT: address.port,
        CONF_SSL: address.tls or advanced[CONF_SSL],
        CONF_VERIFY_SSL: advanced[CONF_VERIFY_SSL],
        CONF_API: advanced[CONF_API],
        CONF_FAMILY: "s_series",
    }
    if not data[CONF_SSL] and "://" not in answers[CONF_HOST]:
        data[CONF_SSL] = await async_fetch_certificate(hass, data) is not None
    return data


def _read_login(answers: _Answers) -> dict[str, Any]:
    """Return what the entry keeps of user and password."""
    return {
        CONF_CREDENTIALS: {
            CONF_USERNAME: answers[CONF_USERNAME].strip(),
            CONF_SECRET: family("s_series").stored_secret(answers[CONF_PASSWORD]),
        }
    }


@contextmanager
def _told_in(errors: dict[str, str], placeholders: dict[str, str]) -> Iterator[None]:
    """Tell in a form what keeps an answer from being a good one."""
    try:
        yield
    except ValueError:
        errors[CONF_HOST] = "invalid_host"
    except PbxError as err:
        errors["base"] = err.kind
        placeholders |= dict(err.placeholders)


def _without(answers: Mapping[str, Any], *keys: str) -> _Answers:
    return {key: value for key, value in answers.items() if key not in keys}
