"""The HTTP API of OpenVox UC PBXs, as a client library that knows nothing of Home Assistant."""

from .address import DEFAULT_PORT, Address
from .byte_limit import limited_socket
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
    PbxTimeoutError,
    PbxTlsError,
    PbxUnclearError,
    PbxUnsupportedError,
)
from .models import DeviceInfo, Extension, Mailbox, Message
from .s_series.access import Credentials, Refusals
from .s_series.client import PbxClient
from .s_series.dialect import DIALECTS, OPENVOX, YEASTAR, Dialect
from .tls import Certificate, fetch_certificate

__all__ = [
    "DEFAULT_PORT",
    "DIALECTS",
    "OPENVOX",
    "YEASTAR",
    "Address",
    "Certificate",
    "Credentials",
    "DeviceInfo",
    "Dialect",
    "Extension",
    "Mailbox",
    "Message",
    "PbxAuthError",
    "PbxCertificateError",
    "PbxClient",
    "PbxConnectionError",
    "PbxError",
    "PbxGoneError",
    "PbxLockedError",
    "PbxLoginError",
    "PbxLoginRejectedError",
    "PbxNotReadyError",
    "PbxRedirectError",
    "PbxRejectedError",
    "PbxReplyError",
    "PbxTimeoutError",
    "PbxTlsError",
    "PbxUnclearError",
    "PbxUnsupportedError",
    "Refusals",
    "fetch_certificate",
    "limited_socket",
]
