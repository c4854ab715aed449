"""Errors as Home Assistant shows them: translated, in the language of whoever reads them.

The texts are in `translations`, under `exceptions`. The key of an error of the client is its
`kind`.
"""

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .pbx import PbxError


def translated_error[ErrorT: HomeAssistantError](
    error_type: type[ErrorT], key: str, **placeholders: str
) -> ErrorT:
    """Return an error whose text is found by a key, with values for its placeholders."""
    return error_type(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def client_error[ErrorT: HomeAssistantError](error_type: type[ErrorT], err: PbxError) -> ErrorT:
    """Return the error of Home Assistant's that shows an error of the client."""
    return translated_error(error_type, err.kind, **err.placeholders)
