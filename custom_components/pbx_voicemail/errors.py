"""What went wrong, in the user's words: these are in `translations`, under `exceptions`."""

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN


def failure[ErrorT: HomeAssistantError](
    of_type: type[ErrorT], key: str, **placeholders: str
) -> ErrorT:
    """Return an error whose text is found by a key, and has blanks for the placeholders."""
    return of_type(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
