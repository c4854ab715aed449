"""What can go wrong between a caller of this library and a PBX, as types.

No error carries a URL, since the token travels in the query of every one of them.
"""

from typing import ClassVar


class PbxError(Exception):
    """Anything that kept a PBX from giving the answer asked for."""

    kind: ClassVar[str]
    """One word that names the error to machines, the same for good."""


class PbxConnectionError(PbxError):
    """The PBX could not be reached, or hung up before its answer was whole."""

    kind = "cannot_connect"


class PbxTimeoutError(PbxConnectionError):
    """The PBX took longer to answer than the client waits."""

    kind = "timeout"


class PbxTlsError(PbxConnectionError):
    """TLS was asked for and did not come about, or the certificate is not trusted."""

    kind = "ssl_error"


class PbxCertificateError(PbxTlsError):
    """The PBX shows another certificate than the one that was pinned."""

    kind = "certificate_changed"


class PbxRedirectError(PbxError):
    """The answer points elsewhere. It is not followed, for the token would follow too."""

    kind = "redirected"


class PbxReplyError(PbxError):
    """Something answered, but not with this API."""

    kind = "not_a_pbx"


class PbxRejectedError(PbxError):
    """The PBX answered `Failed`.

    `errno` is the PBX's own number for the reason, as text, or None where it gave none.
    OpenVox documents no list of them; Yeastar S-Series API v1.1.0, "Error codes", does.
    """

    kind = "rejected"

    def __init__(self, errno: str | None) -> None:
        """Take the PBX's number for the reason."""
        super().__init__(f"the PBX refused with errno {errno}")
        self.errno = errno


class PbxUnsupportedError(PbxRejectedError):
    """The PBX does not know what it was asked for."""


class PbxAuthError(PbxRejectedError):
    """The token is not, or no longer, accepted."""

    kind = "invalid_auth"


class PbxLoginError(PbxAuthError):
    """The PBX does not accept user and password."""


class PbxLoginRejectedError(PbxLoginError):
    """The PBX refused a login for a reason that may or may not be the password."""

    kind = "rejected"


class PbxNotReadyError(PbxRejectedError):
    """The PBX refuses logins with a password that has worked: it may be starting.

    `retry_after` is when to try again, in seconds.
    """

    def __init__(self, errno: str | None, retry_after: float) -> None:
        """Take the PBX's number for the reason, and how long to wait."""
        super().__init__(errno)
        self.retry_after = retry_after


class PbxLockedError(PbxRejectedError):
    """Five logins failed: the PBX refuses this address for ten minutes."""

    kind = "locked"


class PbxGoneError(PbxError):
    """The message asked for is not on the PBX any more."""

    kind = "message_gone"


class PbxUnclearError(PbxError):
    """The PBX does not let the message be told from another one, or keeps renaming them."""

    kind = "message_unclear"
