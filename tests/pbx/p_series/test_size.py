"""500 extensions with 100 messages each: pages, groups, and what a round costs."""

from collections.abc import Mapping, Sequence
from functools import cache
from time import process_time

from aiohttp import web
import orjson
import pytest

from custom_components.pbx_voicemail.pbx import PbxClient
from tests.simulator import PSeriesSimulator

_EXTENSIONS = [str(number) for number in range(2000, 2500)]
_MESSAGES = 100
_EPOCH = 1795000000


@cache
def _row(number: str, index: int) -> Mapping[str, object]:
    return {
        "msg_id": f"{_EPOCH + 60 * index + int(number)}-{index:08x}",
        "file_name": f"msg{index:04}.wav",
        "is_read": index % 2,
        "duration": 18,
        "size": 290604,
        "group_voicemail_read_status": None,
        "name": f"Caller {index}",
        "number": f"+4930{index:07}",
        "time": "18/10/2025 03:10:26 PM",
    }


class _Large:
    """Answers instead of a simulated PBX, which would need as many files."""

    def __init__(self, page_size: int, *, counts_all: bool) -> None:
        self.queries = 0
        self.sizes = dict.fromkeys(_EXTENSIONS, _MESSAGES)
        self._page_size = page_size
        self._counts_all = counts_all
        self._bodies: dict[tuple[Sequence[str], int, int], bytes] = {}

    async def intercept(self, request: web.Request) -> web.Response | None:
        page = int(request.query.get("page", 1))
        if request.path.endswith("extension/list"):
            size = int(request.query["page_size"])
            begin = (page - 1) * size
            rows = [{"number": number} for number in _EXTENSIONS[begin : begin + size]]
            return web.json_response({"errcode": 0, "total_number": 500, "data": rows})
        if not request.path.endswith("vm/query"):
            return None
        self.queries += 1
        size = min(self._page_size, int(request.query["page_size"]))
        numbers = tuple(request.query["number"].split(","))
        key = numbers, page, sum(self.sizes[number] for number in numbers)
        if key not in self._bodies:
            self._bodies[key] = self._body(numbers, (page - 1) * size, size)
        return web.Response(body=self._bodies[key])

    def _body(self, numbers: Sequence[str], begin: int, size: int) -> bytes:
        rows = []
        for number in numbers:
            count = self.sizes[number]
            here = range(max(0, begin), max(0, min(count, begin + size)))
            data = [_row(number, index) for index in here]
            if data or not self._counts_all:
                rows.append({"number": number, "total_number": count, "data": data})
            if self._counts_all:
                begin -= count
        return orjson.dumps({"errcode": 0, "errmsg": "SUCCESS", "voicemail_list": rows})


@pytest.mark.parametrize(
    ("page_size", "counts_all", "queries"),
    [
        pytest.param(500, False, 10, id="one page"),
        pytest.param(500, True, 100, id="pages of all"),
    ],
)
async def test_large_pbx(
    pbx: PSeriesSimulator, client: PbxClient, page_size: int, counts_all: bool, queries: int
) -> None:
    large = _Large(page_size, counts_all=counts_all)
    pbx.groups = ()
    pbx.intercept = large.intercept
    first = process_time()
    before = await client.mailboxes()
    first = process_time() - first
    assert {mailbox.count for mailbox in before.values()} == {_MESSAGES}
    assert len(before) == len(_EXTENSIONS)
    large.queries = 0
    started = process_time()
    assert await client.mailboxes() is before
    unchanged = process_time() - started
    assert large.queries == queries

    large.sizes["2101"] += 1
    large.queries = 0
    started = process_time()
    after = await client.mailboxes()
    changed = process_time() - started
    assert [n for n in after if after[n] is not before[n]] == ["2101"]
    assert after["2101"].count == _MESSAGES + 1
    print(
        f"CPU with the PBX's share: {first:.2f} s at first, {1000 * unchanged:.0f} ms unchanged,"
        f" {1000 * changed:.0f} ms with one new message; {large.queries} queries,"
        f" {client.reply_bytes / 1e6:.1f} MB"
    )
    assert unchanged < 1
