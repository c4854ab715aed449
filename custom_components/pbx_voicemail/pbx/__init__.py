"""The HTTP API of OpenVox UC PBXs, as a client library that knows nothing of Home Assistant."""

from .address import DEFAULT_PORT, Address
from .client import PbxClient
from .dialect import OPENVOX, Dialect
from .errors import (
    PbxAuthError,
    PbxConnectionError,
    PbxError,
    PbxLockedError,
    PbxRedirectError,
    PbxRejectedError,
    PbxReplyError,
    PbxTimeoutError,
    PbxTlsError,
)
from .models import DeviceInfo, Extension, Mailbox, Message

__all__ = [
    "DEFAULT_PORT",
    "OPENVOX",
    "Address",
    "DeviceInfo",
    "Dialect",
    "Extension",
    "Mailbox",
    "Message",
    "PbxAuthError",
    "PbxClient",
    "PbxConnectionError",
    "PbxError",
    "PbxLockedError",
    "PbxRedirectError",
    "PbxRejectedError",
    "PbxReplyError",
    "PbxTimeoutError",
    "PbxTlsError",
]
