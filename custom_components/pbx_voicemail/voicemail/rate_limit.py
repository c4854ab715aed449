"""Limits how fast new messages are announced, so that Home Assistant keeps up.

The recorder gets slower with the square of the number of states that follow one another at once.
"""

import asyncio
from typing import Final

BURST: Final = 100
"""How many messages can be announced at once."""

PER_SECOND: Final = 5
"""How many can be announced per second after that."""


class RateLimiter:
    """A token bucket, shared by all extensions of a PBX."""

    def __init__(self) -> None:
        """Start with a full bucket."""
        self._tokens: float = BURST
        self._updated = asyncio.get_running_loop().time()

    def try_acquire(self, count: int) -> bool:
        """Return whether so many can be announced now, and count them if so."""
        before, self._updated = self._updated, asyncio.get_running_loop().time()
        self._tokens = min(BURST, self._tokens + (self._updated - before) * PER_SECOND)
        if count > self._tokens:
            return False
        self._tokens -= count
        return True

    async def async_acquire(self) -> None:
        """Wait until one more can be announced."""
        # One second frees several tokens: callers save to disk after each wait.
        while not self.try_acquire(1):  # noqa: ASYNC110
            await asyncio.sleep(1)
