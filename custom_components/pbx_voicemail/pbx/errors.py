"""What can go wrong between a caller of this library and a PBX, as types.

No error carries a URL: some APIs have the token in the query of every one of them.
"""

from collections.abc import Mapping
from typing import ClassVar, override


class PbxError(Exception):
    """Anything that kept a PBX from giving the answer asked for."""

    kind: ClassVar[str]
    """One word that names the error to machines. It never changes."""

    retry_after: float | None = None
    """When it makes sense to try again, in seconds, None if the error does not say."""

    @property
    def placeholders(self) -> Mapping[str, str]:
        """What a translated text about this error can mention."""
        return {"detail": str(self)}


class PbxConnectionError(PbxError):
    """The PBX could not be reached, or hung up before its answer was complete."""

    kind = "cannot_connect"


class PbxTimeoutError(PbxConnectionError):
    """The PBX took longer to answer than the client waits."""

    kind = "timeout"


class PbxTlsError(PbxConnectionError):
    """No TLS connection could be made, or the certificate is not trusted."""

    kind = "ssl_error"


class PbxCertificateError(PbxTlsError):
    """The PBX shows another certificate than the one that was pinned."""

    kind = "certificate_changed"


class PbxRedirectError(PbxError):
    """The answer is a redirect. It is not followed, since the credentials would follow too."""

    kind = "redirected"


class PbxReplyError(PbxError):
    """Something answered, but not with the API that was expected."""

    kind = "not_a_pbx"


class PbxSetupError(PbxError):
    """The PBX answers, but its owner has to set something up on it first.

    Each family derives its own errors from this one, whose `kind` names what is missing.
    """


class PbxRejectedError(PbxError):
    """The PBX refused.

    `errno` is the PBX's own number for the reason, as text, or None where it gave none.
    `is_lasting` is whether it has gone on for so long that a person should know.
    """

    kind = "rejected"

    def __init__(self, errno: str | None, *, is_lasting: bool = False) -> None:
        """Take the PBX's number for the reason."""
        super().__init__(f"the PBX refused with errno {errno}")
        self.errno = errno
        self.is_lasting = is_lasting

    @property
    @override
    def placeholders(self) -> Mapping[str, str]:
        """The number."""
        return {"errno": self.errno or "-"}


class PbxUnsupportedError(PbxRejectedError):
    """The PBX does not know what it was asked for."""


class PbxAuthError(PbxRejectedError):
    """The credentials are not, or no longer, accepted.

    `is_certain` is False where the PBX refuses whatever it is asked, which may be due to the
    credentials: then it is worth asking for others, and worth asking again with these.
    """

    kind = "invalid_auth"

    def __init__(self, errno: str | None, *, is_certain: bool = True) -> None:
        """Take the PBX's number for the reason."""
        super().__init__(errno)
        self.is_certain = is_certain


class PbxLoginError(PbxAuthError):
    """The PBX does not accept user name and password. Nothing may be tried again with them."""


class PbxLoginRejectedError(PbxLoginError):
    """The PBX refused a login for a reason that may or may not be the password."""

    kind = "rejected"


class PbxNotReadyError(PbxRejectedError):
    """The PBX refuses logins with a password that has worked: it may be starting."""

    def __init__(self, errno: str | None, retry_after: float) -> None:
        """Take the PBX's number for the reason, and how long to wait, in seconds."""
        super().__init__(errno)
        self.retry_after = retry_after


class PbxLockedError(PbxRejectedError):
    """The PBX refuses this address after too many failed logins.

    `retry_after` is how long it does, None if until somebody lifts it.
    """

    kind = "locked"

    def __init__(self, errno: str | None, retry_after: float | None) -> None:
        """Take the PBX's number for the reason, and how long it lasts, in seconds."""
        super().__init__(errno)
        self.retry_after = retry_after


class PbxGoneError(PbxError):
    """The message asked for is not on the PBX any more."""

    kind = "message_gone"


class PbxUnclearError(PbxError):
    """The PBX does not let the message be told apart from another one, or keeps renaming them."""

    kind = "message_unclear"
