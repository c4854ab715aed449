"""Whatever a P-Series does where its documentation is silent, its mailboxes are the same."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxClient,
    PbxGoneError,
    PbxRejectedError,
    PbxReplyError,
)
from custom_components.pbx_voicemail.pbx.p_series import query
from tests.simulator import PSeriesSimulator
from tests.simulator.p_series import Readings

from .conftest import NOON, RECORDING, leave

COUNTS = {"1000": 25, "1001": 1, "1022": 12, "6400": 1}

READINGS: dict[str, dict[str, Any]] = {
    "likely": {},
    "small pages": {"max_page_size": 10},
    "small pages refused": {"max_page_size": 100, "refuses_large_pages": True},
    "smaller pages refused": {"max_page_size": 20, "refuses_large_pages": True},
    "pages of messages": {"pages_count": "messages"},
    "small pages of messages": {"pages_count": "messages", "max_page_size": 10},
    "pages of messages that end": {
        "pages_count": "messages",
        "max_page_size": 25,
        "empty_mailbox": "left out",
    },
    "pages of mailboxes": {"pages_count": "mailboxes", "max_page_size": 10},
    "page too many refused": {"max_page_size": 15, "page_too_many": "refused"},
    "last page again": {"max_page_size": 10, "page_too_many": "last"},
    "last page of messages again": {
        "pages_count": "messages",
        "max_page_size": 10,
        "page_too_many": "last",
        "empty_mailbox": "left out",
    },
    "oldest first": {"newest_first": False, "max_page_size": 10},
    "repeated messages": {"repeats": True, "max_page_size": 10},
    "null": {"empty_mailbox": "null"},
    "absent data": {"empty_mailbox": "absent"},
    "empty mailboxes left out": {"empty_mailbox": "left out"},
    "part refused": {"unknown_number": "partial"},
    "part refused without saying which": {"unknown_number": "partial unnamed"},
    "failure for a number": {"unknown_number": "failed"},
    "unknown number ignored": {"unknown_number": "ignored"},
    "no groups": {"has_groups": False},
    "status as text": {"status_type": str},
    "marks when played": {"download_marks": True},
    "link of one token": {"link_needs_its_token": True},
    "nothing deleted successfully": {"delete_of_nothing": 0},
    "refresh leaves the token": {"refresh_kills": False},
    "no timestamp": {"has_timestamp": False},
    "another time format": {"time_format": "%Y/%m/%d %H:%M:%S"},
}


@pytest.fixture(params=[*READINGS.values()], ids=[*READINGS])
async def counts(request: pytest.FixtureRequest, pbx: PSeriesSimulator) -> dict[str, int]:
    """Return how many messages there are, in one reading."""
    await pbx.stop()
    pbx.readings = replace(Readings(), **request.param)
    await pbx.start()
    return {n: count for n, count in COUNTS.items() if n != "6400" or pbx.readings.has_groups}


async def test_all_messages(
    pbx: PSeriesSimulator, client: PbxClient, counts: dict[str, int]
) -> None:
    extensions = await client.extensions()
    assert extensions is not None
    assert {"1000", "1003"} < {extension.number for extension in extensions}
    before = await client.mailboxes()
    assert {number: mailbox.count for number, mailbox in before.items()} == counts
    times = [message.received for message in before["1000"].messages]
    assert times == sorted(times, key=lambda time: time or NOON, reverse=True)
    assert times[-1] == NOON
    assert await client.mailboxes() is before

    leave(pbx, "1001")
    leave(pbx, "1002")
    after = await client.mailboxes()
    expected = counts | {"1001": 2, "1002": 1}
    assert {number: mailbox.count for number, mailbox in after.items()} == expected
    assert after["1000"] is before["1000"]
    assert after["1022"] is before["1022"]
    assert await client.mailboxes() is after


async def test_one_message(
    pbx: PSeriesSimulator, client: PbxClient, counts: dict[str, int]
) -> None:
    mailboxes = await client.mailboxes()
    message = mailboxes["1000"].messages[20]
    assert message.read is False
    assert await client.recording(message) == RECORDING.read_bytes()
    assert pbx.copies == 1
    await client.mark_read(message)
    mailbox = (await client.mailboxes())["1000"]
    assert mailbox.unread == counts["1000"] - 1
    marked = mailbox.find(message.id)
    assert marked is not None
    assert marked.read is True
    await client.delete(message)
    for do in client.delete, client.mark_read, client.recording:
        with pytest.raises(PbxGoneError):
            await do(message)
    assert (await client.mailboxes())["1000"].ids == mailbox.ids - {message.id}


@pytest.mark.parametrize("stale_link", ["json", "html"])
async def test_link_that_does_not_work(
    pbx: PSeriesSimulator, client: PbxClient, stale_link: str
) -> None:
    """It is no recording, whatever its status says."""
    pbx.readings.stale_link = stale_link
    pbx.loses_links = True
    message = (await client.mailboxes())["1001"].messages[0]
    with pytest.raises((PbxRejectedError, PbxReplyError)):
        await client.recording(message)


def _row(**changes: object) -> dict[str, object]:
    row = {"number": "1000", "total_number": 1, "data": [{"msg_id": "1795000000-00000001"}]}
    return row | changes


@pytest.mark.parametrize(
    "row",
    [
        _row(data=[1]),
        _row(data="none"),
        _row(data=[{}]),
        _row(data=[{"msg_id": "../1"}]),
        _row(data=[{"msg_id": None}]),
        _row(total_number=None),
        _row(total_number="many"),
        _row(total_number=10_001),
    ],
    ids=str,
)
async def test_mailbox_that_cannot_be_read(
    pbx: PSeriesSimulator, client: PbxClient, row: dict[str, object]
) -> None:
    """It is no empty one, and the others are as they were."""
    before = await client.mailboxes()
    pbx.change_rows = lambda rows: [row if one["number"] == "1000" else one for one in rows]
    for _ in range(2):
        after = await client.mailboxes()
        assert client.unreadable.keys() == {"1000"}
        assert after == {n: mailbox for n, mailbox in before.items() if n != "1000"}
    with pytest.raises(PbxReplyError):
        await client.delete(before["1000"].messages[0])
    pbx.change_rows = None
    assert (await client.mailboxes())["1000"] is before["1000"]
    assert not client.unreadable


@pytest.mark.parametrize("how", ["refused", "partial", "failed"])
async def test_mailbox_that_is_refused_from_now_on(
    pbx: PSeriesSimulator, client: PbxClient, how: str
) -> None:
    """It counts as removed only if that lasts."""
    pbx.readings.unknown_number = how
    before = await client.mailboxes()
    pbx.without_mailbox.add("1000")
    for _ in range(2):
        assert "1000" not in await client.mailboxes()
        assert client.unreadable.keys() == {"1000"}
    pbx.without_mailbox.remove("1000")
    assert (await client.mailboxes())["1000"] is before["1000"]
    assert not client.unreadable
    pbx.without_mailbox.add("1000")
    for _ in range(3):
        await client.mailboxes()
    assert not client.unreadable
    assert (await client.mailboxes()).keys() == before.keys() - {"1000"}


@pytest.mark.parametrize(
    ("reading", "queries"),
    [({}, 3), ({"max_page_size": 10, "page_too_many": "refused"}, 6)],
    ids=["one page", "page too many refused"],
)
async def test_mailbox_that_says_it_has_more(
    pbx: PSeriesSimulator, client: PbxClient, reading: dict[str, Any], queries: int
) -> None:
    """Asked twice, it has the same messages, so these are all."""
    pbx.readings = replace(Readings(), **reading)
    pbx.change_rows = lambda rows: [
        row | {"total_number": 30} if row["number"] == "1000" else row for row in rows
    ]
    before = await client.mailboxes()
    assert {number: mailbox.count for number, mailbox in before.items()} == COUNTS
    await client.mailboxes()
    pbx.queries.clear()
    assert await client.mailboxes() is before
    assert len(pbx.queries) == queries


@pytest.mark.parametrize("only", [(), ("1000",)], ids=["all", "alone"])
async def test_mailbox_that_changes_between_its_pages(
    pbx: PSeriesSimulator, client: PbxClient, only: Collection[str]
) -> None:
    """Nothing is said about it until it has been read at one go."""
    pbx.readings.max_page_size = 10
    before = await client.mailboxes(only)
    changes = 1

    async def change(request: web.Request) -> None:
        nonlocal changes
        if request.query.get("page") == "2" and changes:
            changes -= 1
            await asyncio.to_thread(leave, pbx, "1000")

    pbx.intercept = change
    after = await client.mailboxes(only)
    assert after["1000"].count == 26

    changes = 1000
    assert await client.mailboxes(only) == {n: box for n, box in before.items() if n != "1000"}
    assert client.unreadable.keys() == {"1000"}

    changes = 0
    after = await client.mailboxes(only)
    assert after["1000"].count == len(pbx.spool.messages("1000"))
    assert not client.unreadable


async def test_mailbox_that_was_not_asked_for(pbx: PSeriesSimulator, client: PbxClient) -> None:
    """It does not matter how many messages it has."""
    pbx.change_rows = lambda rows: [*rows, _row(number="9999", total_number=30)]
    assert (await client.mailboxes()).keys() == COUNTS.keys()
    pbx.queries.clear()
    await client.mailboxes()
    assert len(pbx.queries) == 1


async def test_mailbox_that_is_nested_too_deeply(pbx: PSeriesSimulator, client: PbxClient) -> None:
    nested: object = None
    for _ in range(500):
        nested = [nested]
    row = _row(data=[{"msg_id": "1795000000-00000001", "name": nested}])
    pbx.change_rows = lambda rows: [row if one["number"] == "1000" else one for one in rows]
    assert (await client.mailboxes()).keys() == COUNTS.keys() - {"1000"}
    assert client.unreadable.keys() == {"1000"}


async def test_list_with_too_many_pages(
    pbx: PSeriesSimulator, client: PbxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pbx.readings.max_page_size = 10
    monkeypatch.setattr(query, "_MAX_PAGES", 2)
    with pytest.raises(PbxReplyError):
        await client.mailboxes()


@pytest.mark.parametrize(
    "list_of",
    [
        lambda page: {"total_number": 3, "data": [{"number": "1000"}, {"number": "1001"}]},
        lambda page: {"data": [{"number": f"{page}-{n}"} for n in range(1500)]},
        lambda page: {"data": "none"},
        lambda page: {"errcode": 40002} if page == 2 else {"data": [{"number": "1000"}]},
    ],
    ids=["incomplete", "endless", "text", "page refused"],
)
async def test_list_of_extensions_that_cannot_be_read(
    pbx: PSeriesSimulator, client: PbxClient, list_of: Callable[[int], dict[str, Any]]
) -> None:
    """The mailboxes that are known are still asked for."""
    before = await client.mailboxes()

    async def answer(request: web.Request) -> web.Response | None:
        if not request.path.endswith("extension/list"):
            return None
        return web.json_response({"errcode": 0, **list_of(int(request.query["page"]))})

    pbx.intercept = answer
    with pytest.raises((PbxReplyError, PbxRejectedError)):
        await client.extensions()
    assert await client.mailboxes() is before


@pytest.mark.parametrize("how", ["refused", "partial", "partial unnamed", "ignored"])
async def test_mailbox_that_is_set_up_later(
    pbx: PSeriesSimulator, client: PbxClient, freezer: FrozenDateTimeFactory, how: str
) -> None:
    pbx.readings.unknown_number = how
    assert await client.mailboxes(["1003"]) == {}
    assert not client.unreadable
    pbx.without_mailbox.clear()
    leave(pbx, "1003")
    freezer.tick(timedelta(minutes=61))
    assert (await client.mailboxes(["1003"])).keys() == {"1003"}


@pytest.mark.parametrize("how", ["refused", "partial", "partial unnamed", "failed", "ignored"])
async def test_first_numbers_have_no_mailboxes(
    pbx: PSeriesSimulator, client: PbxClient, how: str
) -> None:
    pbx.readings.unknown_number = how
    pbx.without_mailbox |= {"1000", "1001", "1002", "1004", "1005"}
    assert (await client.mailboxes()).keys() == {"1022", "6400"}
    await client.mailboxes()
    pbx.queries.clear()
    await client.mailboxes()
    assert len(pbx.queries) <= 1 + (how in ("ignored", "partial unnamed"))


async def test_pbx_that_fails_is_not_asked_for_each_number(
    pbx: PSeriesSimulator, client: PbxClient
) -> None:
    pbx.readings.unknown_number = "failed"
    pbx.without_mailbox = {*pbx.extensions, "6400"}
    with pytest.raises(PbxRejectedError):
        await client.mailboxes()
    assert len(pbx.queries) < 30
