"""Compares a body with an earlier one while it arrives.

A large PBX answers each poll with megabytes, of which a new message changes some hundred bytes.
What both have at their beginning and at their end is dropped at once: keeping it costs more than
comparing it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Buffer, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final


class KnownBody:
    """An earlier body, in parts of any size."""

    def __init__(self, parts: Sequence[bytes] = ()) -> None:
        """Take the parts."""
        self.parts: Final = parts
        self.offsets: Final = (0, *accumulate(map(len, parts)))
        """Where each part begins, and where the last one ends."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.offsets[-1]

    def has(self, chunk: Buffer, at: int) -> bool:
        """Return whether a chunk is in it at an offset."""
        rest = memoryview(chunk)
        if at + len(rest) > self.size:
            return False
        index = bisect_right(self.offsets, at) - 1
        while rest:
            part, begin = self.parts[index], at - self.offsets[index]
            beginning = rest[: len(part) - begin]
            if not part.startswith(beginning, begin):
                return False
            rest = rest[len(beginning) :]
            at += len(beginning)
            index += 1
        return True

    def count_first(self, chunk: bytes, begin: int) -> int:
        """Return how many of the first bytes of a chunk are in it from an offset on."""
        view = memoryview(chunk)
        return _count(len(chunk), lambda count: self.has(view[:count], begin))

    def count_last(self, chunk: bytes, begin: int, end: int) -> int:
        """Return how many of the last bytes of a chunk are in it between two offsets."""
        view, most = memoryview(chunk), min(len(chunk), end - begin)
        return _count(most, lambda count: self.has(view[len(chunk) - count :], end - count))

    def between(self, begin: int, end: int) -> bytes:
        """Return what is between two offsets."""
        first = max(0, bisect_right(self.offsets, begin) - 1)
        last = bisect_left(self.offsets, end)
        offset = self.offsets[first]
        return b"".join(self.parts[first:last])[begin - offset : end - offset]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a body differs from a known one.

    It consists of the first `begin` bytes of the known one, of `between`, and of the last `end`
    bytes of the known one. These two parts of the known one never overlap.
    """

    known: KnownBody
    begin: int
    between: bytes
    end: int

    @property
    def is_none(self) -> bool:
        """Whether the body is the same as the known one."""
        return not self.between and self.begin + self.end == self.known.size

    @property
    def size(self) -> int:
        """How many bytes the whole body has."""
        return self.begin + len(self.between) + self.end

    def whole(self) -> bytes:
        """Return the whole body."""
        end = self.known.size
        return b"".join(
            (
                self.known.between(0, self.begin),
                self.between,
                self.known.between(end - self.end, end),
            )
        )


class Comparison:
    """Compares one body with a known one.

    If its size is announced, an end that is the same is recognized while it arrives, else once
    all has arrived. The announced size of a compressed body is that of the compressed data, so
    it may be wrong.
    """

    def __init__(self, known: KnownBody, size: int | None) -> None:
        """Take what is known, and the announced size."""
        self.size = 0
        """How many bytes have arrived."""
        self.kept = 0
        """How many of them are kept so far."""
        self._known = known
        self._shift = None if size is None else size - known.size
        self._begin = self._end = 0
        self._between: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """Take what comes next."""
        at = self.size
        self.size += len(chunk)
        if at == self._begin:
            same = self._known.count_first(chunk, at)
            self._begin += same
            self._keep(chunk[same:])
        elif self._is_shifted(chunk, at):
            self._end += len(chunk)
        else:
            self._keep_end(at)
            self._keep(chunk)

    def difference(self) -> Difference:
        """Return the difference, once all has arrived."""
        if self._shift is not None and self.size - self._shift != self._known.size:
            # The body has another size, so what seemed to be its end is not.
            self._keep_end(self.size)
        while self._between:
            chunk = self._between.pop()
            same = self._known.count_last(chunk, self._begin, self._known.size - self._end)
            self._end += same
            if same < len(chunk):
                self._between.append(chunk[: len(chunk) - same])
                break
        return Difference(self._known, self._begin, b"".join(self._between), self._end)

    def _is_shifted(self, chunk: bytes, at: int) -> bool:
        """Return whether the known body has a chunk at the same distance from its end."""
        return (
            self._shift is not None
            and at - self._shift >= self._begin
            and self._known.has(chunk, at - self._shift)
        )

    def _keep_end(self, at: int) -> None:
        """Keep what was dropped up to an offset, since it is not the end."""
        if self._shift is not None and self._end:
            end = at - self._shift
            self._keep(self._known.between(end - self._end, end))
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
