"""What can go wrong with a P-Series besides what goes wrong with every PBX."""

from typing import Final

from ..errors import (
    PbxAuthError,
    PbxLockedError,
    PbxLoginError,
    PbxNotReadyError,
    PbxRejectedError,
    PbxSetupError,
)

_LIMIT_SECONDS: Final = 5 * 60
"""How long to wait for a token to become free. Each lives for half an hour at most."""


class ClientRefusedError(PbxLoginError):
    """The PBX refused client ID and client secret, or the address they were sent from."""

    kind = "client_refused"


class BlockedError(PbxLockedError):
    """The PBX has blocked this address until an administrator removes it from a list."""

    kind = "blocked"

    def __init__(self, errno: str | None) -> None:
        """Take the PBX's number for the reason. There is no end to wait for."""
        super().__init__(errno, None)


class TokenLimitError(PbxNotReadyError):
    """All tokens that the PBX gives out at a time are in use, by whatever programs."""

    kind = "token_limit"

    def __init__(self, errno: str | None, retry_after: float = _LIMIT_SECONDS) -> None:
        """Take the PBX's number for the reason, and how long to wait, in seconds."""
        super().__init__(errno, retry_after)


class ParameterRefusedError(PbxRejectedError):
    """The PBX refused what a request is about: the number of an extension, or an id."""


class ApiNotOfferedError(PbxSetupError):
    """The PBX has no API for applications: P520 and lower, or its API is off."""

    kind = "api_not_offered"

    def __init__(self) -> None:
        """Say so in a few words for logs."""
        super().__init__("the PBX does not offer its API")


class FirmwareTooOldError(PbxSetupError):
    """The PBX has the API, but none for voicemail: that came with a later firmware."""

    kind = "firmware_too_old"

    def __init__(self) -> None:
        """Say so in a few words for logs."""
        super().__init__("the firmware of the PBX has no API for voicemail")


CLIENT_ERRORS: Final = (PbxAuthError, PbxLockedError, PbxNotReadyError)
"""Refusals of whoever asks, whatever is asked for. All other ones may be about the request."""
