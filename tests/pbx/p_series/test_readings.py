"""Whatever a P-Series does where its documentation is silent, its mailboxes are the same."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.pbx_voicemail.pbx import (
    PbxClient,
    PbxGoneError,
    PbxRejectedError,
    PbxReplyError,
)
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
