"""Names that more than one room uses."""

from typing import Final

DOMAIN: Final = "pbx_voicemail"

CONF_ADVANCED: Final = "advanced"
