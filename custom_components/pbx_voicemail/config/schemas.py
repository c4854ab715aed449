"""The forms of the configuration flow, and the parsing of user input."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_SSL,
    CONF_TOKEN,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
)
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

from ..const import API_AUTO, CONF_ADVANCED, CONF_API, CONF_EXTENSIONS
from ..pbx import Address, Extension, Family, PartialAddress, PbxError
from .client import address_of
from .search import SearchTarget

_SECRET: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
)
_PORT: Final = vol.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    vol.Coerce(int),
)

TOKEN_SCHEMA: Final = vol.Schema({vol.Optional(CONF_TOKEN, default=""): _SECRET})
LOGIN_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_USERNAME): TextSelector(TextSelectorConfig(autocomplete="username")),
        vol.Required(CONF_PASSWORD): _SECRET,
    }
)


class InvalidHostError(PbxError):
    """The user did not enter a valid host."""

    kind = "invalid_host"


def user_schema(families: Iterable[Family]) -> vol.Schema:
    """Return the form for a new PBX. The APIs of the families can be selected."""
    return vol.Schema(
        {
            vol.Required(CONF_HOST): TextSelector(),
            vol.Optional(CONF_TOKEN, default=""): _SECRET,
            vol.Optional(CONF_ADVANCED, default=dict): _advanced_section(families),
        }
    )


def reconfigure_schema(families: Iterable[Family]) -> vol.Schema:
    """Return the form for a new address. The APIs of the families can be selected."""
    return vol.Schema(
        {
            vol.Required(CONF_HOST): TextSelector(),
            vol.Optional(CONF_ADVANCED, default=dict): _advanced_section(families),
        }
    )


def extensions_schema(extensions: Iterable[Extension]) -> vol.Schema:
    """Return the form for selecting extensions."""
    return vol.Schema({vol.Optional(CONF_EXTENSIONS): extension_selector(extensions)})


def extension_selector(extensions: Iterable[Extension]) -> SelectSelector:
    """Return a selector for extensions. Other numbers can be entered as well."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(
                    value=extension.number,
                    label=f"{extension.name} ({extension.number})"
                    if extension.name
                    else extension.number,
                )
                for extension in extensions
            ],
            multiple=True,
            custom_value=True,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


def read_target(user_input: Mapping[str, Any], families: Sequence[Family]) -> SearchTarget:
    """Return where to look for the PBX. Raises InvalidHostError.

    A port and a scheme in the host take precedence, but not over "Require TLS".
    """
    advanced = user_input[CONF_ADVANCED]
    try:
        entered = PartialAddress.parse(user_input[CONF_HOST])
    except ValueError as err:
        raise InvalidHostError("no host") from err
    api = advanced[CONF_API]
    return SearchTarget(
        address=PartialAddress(
            entered.host,
            advanced.get(CONF_PORT) if entered.port is None else entered.port,
            advanced[CONF_SSL] or entered.tls,
            entered.path,
        ),
        verify_ssl=advanced[CONF_VERIFY_SSL],
        api=api,
        families=[family for family in families if api == API_AUTO or api in family.apis],
    )


def suggested_address(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the current address and settings of an entry, as suggested values."""
    address: Address = address_of(data)
    host = str(address.url) if address.path else str(address)
    advanced = {key: data[key] for key in (CONF_SSL, CONF_VERIFY_SSL, CONF_API)}
    return {CONF_HOST: host, CONF_ADVANCED: advanced}


def with_sections(schema: vol.Schema, values: Mapping[str, Any]) -> vol.Schema:
    """Return a form with the values of its sections, which are kept if the user does not open them.

    The frontend ignores values that are suggested within a section if the section has a default.
    """
    return vol.Schema(
        {
            vol.Optional(key.schema, default=values[key.schema])
            if isinstance(field, section) and key.schema in values
            else key: field
            for key, field in schema.schema.items()
        }
    )


def _advanced_section(families: Iterable[Family]) -> section:
    return section(
        vol.Schema(
            {
                vol.Optional(CONF_PORT): _PORT,
                vol.Optional(CONF_SSL, default=False): BooleanSelector(),
                vol.Optional(CONF_VERIFY_SSL, default=True): BooleanSelector(),
                vol.Optional(CONF_API, default=API_AUTO): _api_selector(families),
            }
        ),
        {"collapsed": True},
    )


def _api_selector(families: Iterable[Family]) -> SelectSelector:
    # Versions have dots, which keys of translations must not have.
    labels = {API_AUTO: API_AUTO}
    for family in families:
        labels |= family.apis
    return SelectSelector(
        SelectSelectorConfig(
            options=[SelectOptionDict(value=api, label=label) for api, label in labels.items()],
            mode=SelectSelectorMode.DROPDOWN,
            translation_key=CONF_API,
        )
    )
