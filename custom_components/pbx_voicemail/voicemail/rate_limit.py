"""The pace at which new messages are announced, so that Home Assistant keeps up with them."""

import asyncio
from typing import Final

BURST: Final = 100
"""So many are announced at once."""

PER_SECOND: Final = 5
"""So many after that. Home Assistant's recorder takes time by the square of a chain of states."""


class Pace:
    """Lets a burst through, and then a few a second. All extensions of a PBX share it."""

    def __init__(self) -> None:
        """Begin with a whole burst."""
        self._left: float = BURST
        self._counted = asyncio.get_running_loop().time()

    def take(self, number: int) -> bool:
        """Tell whether so many may be announced right now, and count them if they may."""
        before, self._counted = self._counted, asyncio.get_running_loop().time()
        self._left = min(BURST, self._left + (self._counted - before) * PER_SECOND)
        if number > self._left:
            return False
        self._left -= number
        return True

    async def wait(self) -> None:
        """Wait until one more may be announced."""
        # Several at a time: each time, what was announced is written to the disk.
        while not self.take(1):  # noqa: ASYNC110
            await asyncio.sleep(1)
