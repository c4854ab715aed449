"""A body is told apart from a known one, however it arrives, and nothing of it is lost."""

from itertools import pairwise, takewhile
from operator import eq

from hypothesis import example, given, settings, strategies as st
import pytest

from custom_components.pbx_voicemail.pbx.comparison import Comparison, Difference, KnownBody

# Two letters make many bodies that are alike in several ways.
BODIES = st.lists(st.sampled_from(b"ab"), max_size=12).map(bytes)


def _cut(body: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [body[begin:end] for begin, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 100), max_size=4)


def _count_same(one: bytes, other: bytes) -> int:
    return len(list(takewhile(bool, map(eq, one, other, strict=False))))


def _compare(known: KnownBody, chunks: list[bytes], size: int | None) -> tuple[Difference, int]:
    comparison = Comparison(known, size)
    for chunk in chunks:
        comparison.add(chunk)
    kept = comparison.kept
    return comparison.difference(), kept


@settings(max_examples=1000)
@example(b"1234", b"x2y4", [], [1, 2, 3], "right", 0)
@example(b"1234", b"x2", [], [1], "wrong", 4)
@given(BODIES, BODIES, CUTS, CUTS, st.sampled_from(["right", "none", "wrong"]), st.integers(0, 20))
def test_any_body(
    before: bytes, after: bytes, parts: list[int], chunks: list[int], size: str, wrong: int
) -> None:
    known = KnownBody(_cut(before, parts))
    announced = {"right": len(after), "none": None, "wrong": wrong}[size]

    difference, _ = _compare(known, _cut(after, chunks), announced)

    assert difference.whole() == after
    assert difference.size == len(after)
    assert difference.is_none is (before == after)
    begin = _count_same(before, after)
    assert difference.begin == begin
    assert difference.end == _count_same(before[begin:][::-1], after[begin:][::-1])


@given(BODIES, CUTS, st.integers(0, 12), st.integers(0, 12))
def test_any_part_of_a_known_body(body: bytes, parts: list[int], begin: int, length: int) -> None:
    known = KnownBody(_cut(body, parts))
    begin = min(begin, len(body))
    wanted = body[begin : begin + length]
    assert known.between(begin, begin + len(wanted)) == wanted
    assert known.has(wanted, begin)
    assert not known.has(wanted + b"c", begin)


OLD = bytes(range(256)) * 40
CHUNK = 100


@pytest.mark.parametrize("has_size", [True, False])
@pytest.mark.parametrize(
    ("new", "between"),
    [
        (OLD, b""),
        (OLD + b"new", b"new"),
        (b"new" + OLD, b"new"),
        (OLD[:5000] + b"new" + OLD[5000:], b"new"),
        (OLD[:5000] + OLD[5300:], b""),
        (OLD[:5000] + b"new" + OLD[5003:], b"new"),
        (OLD[:5000] + b"new" + OLD[5003:7000] + OLD[7001:], b"new" + OLD[5003:7000]),
    ],
    ids=["nothing", "more at the end", "more at the beginning", "more", "less", "other", "two"],
)
def test_only_what_differs_is_kept(new: bytes, between: bytes, has_size: bool) -> None:
    chunks = [new[begin : begin + CHUNK] for begin in range(0, len(new), CHUNK)]
    difference, kept = _compare(KnownBody([OLD]), chunks, len(new) if has_size else None)
    assert difference.between == between
    assert difference.whole() == new
    # Only chunks in which something differs wait for the end.
    assert not has_size or kept <= len(between) + 2 * CHUNK
