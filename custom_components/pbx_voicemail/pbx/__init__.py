"""PBXs and their voicemail, as a client library that knows nothing of Home Assistant."""

from .address import DEFAULT_PORT, Address
from .byte_limit import limited_socket
from .client import Capability, Connection, Credentials, Family, PbxClient
from .errors import (
    PbxAuthError,
    PbxCertificateError,
    PbxConnectionError,
    PbxError,
    PbxGoneError,
    PbxLockedError,
    PbxLoginError,
    PbxLoginRejectedError,
    PbxNotReadyError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxSetupError,
    PbxTimeoutError,
    PbxTlsError,
    PbxUnclearError,
    PbxUnsupportedError,
)
from .families import FAMILIES, family, family_of_api
from .models import ClockFault, Extension, Mailbox, Message, PbxInfo
from .tls import Certificate, fetch_certificate

__all__ = [
    "DEFAULT_PORT",
    "FAMILIES",
    "Address",
    "Capability",
    "Certificate",
    "ClockFault",
    "Connection",
    "Credentials",
    "Extension",
    "Family",
    "Mailbox",
    "Message",
    "PbxAuthError",
    "PbxCertificateError",
    "PbxClient",
    "PbxConnectionError",
    "PbxError",
    "PbxGoneError",
    "PbxInfo",
    "PbxLockedError",
    "PbxLoginError",
    "PbxLoginRejectedError",
    "PbxNotReadyError",
    "PbxRedirectError",
    "PbxRejectedError",
    "PbxReplyError",
    "PbxSetupError",
    "PbxTimeoutError",
    "PbxTlsError",
    "PbxUnclearError",
    "PbxUnsupportedError",
    "family",
    "family_of_api",
    "fetch_certificate",
    "limited_socket",
]
