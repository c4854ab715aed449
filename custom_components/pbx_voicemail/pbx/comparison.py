"""Compares a body with an earlier one while it arrives.

A large PBX answers each poll with megabytes, of which a new message changes some hundred bytes.
What both have at their beginning and at their end is dropped at once: keeping it costs more than
comparing it.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """How a body differs from a known one.

    It consists of the first `begin` bytes of the known one, of `between`, and of the last `end`
    bytes of the known one. These two parts of the known one never overlap.
    """

    known: bytes
    begin: int
    between: bytes
    end: int

    @property
    def is_none(self) -> bool:
        """Whether the body is the same as the known one."""
        return not self.between and self.begin + self.end == len(self.known)

    @property
    def size(self) -> int:
        """How many bytes the whole body has."""
        return self.begin + len(self.between) + self.end

    def whole(self) -> bytes:
        """Return the whole body: the known one itself if it is the same."""
        if self.is_none:
            return self.known
        known = memoryview(self.known)
        return b"".join((known[: self.begin], self.between, known[len(known) - self.end :]))


class Comparison:
    """Compares one body with a known one.

    If its size is announced, an end that is the same is recognized while it arrives, else once
    all has arrived. The announced size of a compressed body is that of the compressed data, so
    it may be wrong.
    """

    def __init__(self, known: bytes, size: int | None) -> None:
        """Take what is known, and the announced size."""
        self.size = 0
        """How many bytes have arrived."""
        self.kept = 0
        """How many of them are kept so far."""
        self._known = known
        self._shift = None if size is None else size - len(known)
        self._begin = self._end = 0
        self._between: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """Take what comes next."""
        at = self.size
        self.size += len(chunk)
        if at == self._begin:
            same = self._count_first(chunk)
            self._begin += same
            self._keep(chunk[same:])
        elif self._is_shifted(chunk, at):
            self._end += len(chunk)
        else:
            self._keep_end(at)
            self._keep(chunk)

    def difference(self) -> Difference:
        """Return the difference, once all has arrived."""
        if self._shift is not None and self.size - self._shift != len(self._known):
            # The body has another size, so what seemed to be its end is not.
            self._keep_end(self.size)
        while self._between:
            chunk = self._between.pop()
            same = self._count_last(chunk)
            self._end += same
            if same < len(chunk):
                self._between.append(chunk[: len(chunk) - same])
                break
        return Difference(self._known, self._begin, b"".join(self._between), self._end)

    def _count_first(self, chunk: bytes) -> int:
        """Return how many of the first bytes of a chunk are the next ones of the known body."""
        view = memoryview(chunk)
        return _count(len(chunk), lambda count: self._known.startswith(view[:count], self._begin))

    def _count_last(self, chunk: bytes) -> int:
        """Return how many of the last bytes of a chunk are those before the end of the known one."""
        view, end = memoryview(chunk), len(self._known) - self._end
        return _count(
            min(len(chunk), end - self._begin),
            lambda count: self._known.startswith(view[len(chunk) - count :], end - count),
        )

    def _is_shifted(self, chunk: bytes, at: int) -> bool:
        """Return whether the known body has a chunk at the same distance from its end."""
        return (
            self._shift is not None
            and at - self._shift >= self._begin
            and self._known.startswith(chunk, at - self._shift)
        )

    def _keep_end(self, at: int) -> None:
        """Keep what was dropped up to an offset, since it is not the end."""
        if self._shift is not None and self._end:
            end = at - self._shift
            self._keep(self._known[end - self._end : end])
            self._end = 0

    def _keep(self, chunk: bytes) -> None:
        if chunk:
            self._between.append(chunk)
            self.kept += len(chunk)


def _count(most: int, is_same: Callable[[int], bool]) -> int:
    """Return the largest count up to `most` that is the same, if each below it is, too."""
    if is_same(most):
        return most
    return bisect_left(range(1, most), True, key=lambda count: not is_same(count))
