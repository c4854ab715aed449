"""Names that more than one room uses."""

from typing import Final

DOMAIN: Final = "pbx_voicemail"

CONF_ADVANCED: Final = "advanced"
CONF_API: Final = "api"
CONF_DIALECT: Final = "dialect"
CONF_EXTENSIONS: Final = "extensions"
CONF_FINGERPRINT: Final = "fingerprint"
CONF_OLD_TLS: Final = "old_tls"
CONF_PASSWORD_MD5: Final = "password_md5"  # noqa: S105
CONF_REFUSALS: Final = "refusals"
CONF_REFUSED: Final = "refused"
CONF_TRANSCRIBER: Final = "transcriber"
CONF_TRANSCRIPT_LANGUAGE: Final = "transcript_language"
CONF_TRANSCRIPT_LIMIT: Final = "transcript_limit"

API_AUTO: Final = "auto"

DEFAULT_SCAN_INTERVAL: Final = 30
