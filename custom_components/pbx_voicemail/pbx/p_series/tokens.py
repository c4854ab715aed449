"""The tokens of one sign-in, and how long they are good for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import Final, Self

from ..json_values import JsonObject, as_text
from .reply import as_count

_ACCESS_SECONDS: Final = 30 * 60
_REFRESH_SECONDS: Final = 24 * 60 * 60
"""How long tokens live, unless the PBX says otherwise ("Authorization Rule")."""

_USED_UP: Final = 5 / 6
"""After this part of its life, a token is replaced by another one: after 25 of 30 minutes."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, for requests, and the refresh token that gets the next one.

    The times are Unix times: what is kept has to outlive this process.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    since: float
    access_seconds: int = _ACCESS_SECONDS
    refresh_seconds: int = _REFRESH_SECONDS

    @classmethod
    def parse(cls, reply: JsonObject, since: float) -> Self | None:
        """Read a reply to a sign-in that was sent at that time, None if it has no token."""
        if not (access := as_text(reply.get("access_token"))):
            return None
        return cls(
            access,
            as_text(reply.get("refresh_token")),
            since,
            as_count(reply.get("access_token_expire_time")) or _ACCESS_SECONDS,
            as_count(reply.get("refresh_token_expire_time")) or _REFRESH_SECONDS,
        )

    @classmethod
    def restore(cls, stored: Mapping[str, str]) -> Self | None:
        """Read what `store` returned, None if it is anything else."""
        try:
            return cls(
                stored["access"],
                stored["refresh"],
                float(stored["since"]),
                int(stored["access_seconds"]),
                int(stored["refresh_seconds"]),
            )
        except KeyError, ValueError:
            return None

    def store(self) -> Mapping[str, str]:
        """Return them in a form that can be kept. It is secret."""
        return {
            "access": self.access,
            "refresh": self.refresh,
            "since": f"{self.since:.0f}",
            "access_seconds": str(self.access_seconds),
            "refresh_seconds": str(self.refresh_seconds),
        }

    @property
    def seconds_left(self) -> float:
        """For how long requests can use the access token before it should be replaced.

        Zero if the clock has been set back: then nothing is known.
        """
        age = time() - self.since
        return self.access_seconds * _USED_UP - age if age > -1 else 0

    @property
    def can_refresh(self) -> bool:
        """Whether the refresh token may still be accepted."""
        return bool(self.refresh) and -1 < time() - self.since < self.refresh_seconds
