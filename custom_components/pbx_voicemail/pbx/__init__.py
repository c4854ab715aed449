"""PBXs and their voicemail, as a client library that knows nothing of Home Assistant."""

from .address import Address, PartialAddress
from .byte_limit import limited_socket
from .client import Capability, Connection, Credentials, Endpoint, Family, PbxClient
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
from .models import ClockFault, Extension, Mailbox, Message, PbxInfo, serial_number_in
from .text import printable
from .tls import Certificate, fetch_certificate

__all__ = [
    "FAMILIES",
    "Address",
    "Capability",
    "Certificate",
    "ClockFault",
    "Connection",
    "Credentials",
    "Endpoint",
    "Extension",
    "Family",
    "Mailbox",
    "Message",
    "PartialAddress",
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
    "printable",
    "serial_number_in",
]
