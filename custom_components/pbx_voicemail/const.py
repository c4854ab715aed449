"""Names that more than one module uses."""

from typing import Final

DOMAIN: Final = "pbx_voicemail"

CONF_ADVANCED: Final = "advanced"
CONF_API: Final = "api"
CONF_CREDENTIALS: Final = "credentials"
CONF_DIAL_OUT: Final = "dial_out"
CONF_EXTENSIONS: Final = "extensions"
CONF_FAMILY: Final = "family"
CONF_FINGERPRINT: Final = "fingerprint"
CONF_OLD_TLS: Final = "old_tls"
CONF_REFUSED: Final = "refused"
CONF_REMEMBERED: Final = "remembered"
CONF_SECRET: Final = "secret"  # noqa: S105
CONF_TOKENS: Final = "tokens"
CONF_TRANSCRIBER: Final = "transcriber"
CONF_TRANSCRIPT_LANGUAGE: Final = "transcript_language"
CONF_TRANSCRIPT_LIMIT: Final = "transcript_limit"

API_AUTO: Final = "auto"

DEFAULT_SCAN_INTERVAL: Final = 30
