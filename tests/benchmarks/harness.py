"""A whole Home Assistant that is measured from within, in a process of its own.

It has what the demo has, and beside that either this integration or the yardstick. It reads one
order a line, as JSON, and answers each with what it has measured.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
import gc
from itertools import pairwise
import json
from pathlib import Path
from statistics import median
import sys
from time import perf_counter, process_time
import tracemalloc
from typing import Any
from unittest.mock import patch

from homeassistant.bootstrap import async_setup_hass
from homeassistant.components.recorder import get_instance
from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.runner import RuntimeConfig
from homeassistant.setup import async_setup_component
from multidict import CIMultiDict, CIMultiDictProxy
import orjson
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DOMAIN
from custom_components.pbx_voicemail.pbx import http as transport
from custom_components.pbx_voicemail.pbx.byte_limit import ByteLimit
from custom_components.pbx_voicemail.pbx.http import HttpClient, HttpResponse
from tests.conftest import TOKEN

_QUERY = "api/v0.0.1/voicemail/query"
_BLOCK_BYTES = 256 * 1024


class Harness:
    """A running Home Assistant, and the coordinator that polls the PBX. Methods are commands."""

    def __init__(self, hass: HomeAssistant, pbx: str) -> None:
        """Use a PBX at `host:port`."""
        self._hass = hass
        self._pbx = pbx
        self._written: list[str] = []
        self._coordinator: DataUpdateCoordinator[Any] | None = None

    async def set_up_ours(self) -> dict[str, float]:
        """Set up this integration, and return CPU seconds and the number of entities."""
        host, port = self._pbx.split(":")
        entry = MockConfigEntry(
            domain=DOMAIN,
            title="UC501",
            unique_id="a09805021987",
            minor_version=2,
            data={
                "host": host,
                "port": int(port),
                "family": "s_series",
                "credentials": {"token": TOKEN},
                "remembered": {"api": "v0.0.1"},
                "ssl": False,
                "verify_ssl": True,
                "api": "auto",
            },
            options={"scan_interval": 1500},
        )
        entry.add_to_hass(self._hass)
        measured = await self._set_up(self._hass.config_entries.async_setup(entry.entry_id))
        self._coordinator = entry.runtime_data
        return measured

    async def set_up_rest(self, extensions: list[str]) -> dict[str, float]:
        """Set up the rest integration, and return CPU seconds and the number of sensors."""
        sensors = [
            {
                "name": f"Voicemail {number}",
                "unique_id": f"voicemail_{number}",
                "state_class": "measurement",
                "value_template": "{{ value_json.voicemails | default([]) "
                f"| selectattr('extid', 'eq', '{number}') | map(attribute='voicemail') "
                "| map('count') | sum }}",
                "json_attributes_path": f"$.voicemails[{index}].voicemail[-1:]",
                "json_attributes": ["messagefrom", "voicemaildate", "voicemaillength"],
            }
            for index, number in enumerate(extensions)
        ]
        resource = {
            "resource": f"http://{self._pbx}/{_QUERY}?token={TOKEN}",
            "method": "POST",
            "timeout": 300,
            "scan_interval": 100_000,
            "sensor": sensors,
        }
        measured = await self._set_up(
            async_setup_component(self._hass, "rest", {"rest": [resource]})
        )
        (self._coordinator,) = self._hass.data["rest"]["coordinator"]
        return measured

    async def counts(self) -> dict[str, int]:
        """Return the states of the message sensors by extension."""
        return {
            str(state.attributes.get("extension") or state.entity_id.rpartition("_")[2]): int(
                state.state
            )
            for state in self._hass.states.async_all("sensor")
            if state.attributes.get("extension") or ".voicemail_1" in state.entity_id
        }

    async def leave(self, count: int = 1) -> None:
        """Leave messages, one extension after another."""
        await self._post(f"leave/{count}")

    async def poll(self) -> dict[str, float]:
        """Poll once over HTTP, and return CPU seconds and the number of written states."""
        self._written.clear()
        cpu = await self._cpu_of(self._refresh)
        return {"cpu": cpu, "written": len(self._written)}

    async def stall(self) -> dict[str, float]:
        """Poll once, and return how long the event loop was blocked, in seconds."""
        beats = [perf_counter()]

        async def beat() -> None:
            while True:
                await asyncio.sleep(0)
                beats.append(perf_counter())

        heart = asyncio.create_task(beat())
        await self._refresh()
        heart.cancel()
        return {"stall": max(after - before for before, after in pairwise(beats))}

    async def from_bytes(self, polls: int, changing: bool) -> dict[str, float]:
        """Poll with answers that are there already, and return CPU seconds beside the parser's.

        They come in pieces, as from the network: to see that nothing has changed is part of it.
        """
        path = "leave/1" if changing else _QUERY
        bodies = [await self._post(path) for _ in range(polls)]
        waiting = iter([_Body(body) for body in bodies])

        async def request(
            self: HttpClient, *_: object, max_bytes: int, known: bytes = b"", **__: object
        ) -> HttpResponse:
            answer = next(waiting)
            body = await transport._read(answer, max_bytes, known, ByteLimit())  # type: ignore[arg-type]
            return HttpResponse(200, CIMultiDictProxy(CIMultiDict()), body, is_whole=True)

        with patch.object(HttpClient, "request", request):
            cpu = [await self._cpu_of(self._refresh) for _ in bodies]
        loads = [_cpu_of_call(partial(orjson.loads, body)) for body in bodies]
        return {"cpu": median(cpu[1:]), "loads": median(loads), "bytes": len(bodies[-1])}

    async def recorded(self, messages: int) -> dict[str, float]:
        """Return by how many bytes the recorder database grows per message, and per unchanged poll."""

        async def grown(act: Callable[[], Awaitable[object]]) -> int:
            before = await self._recorded_bytes()
            for _ in range(messages):
                await act()
            return await self._recorded_bytes() - before

        async def add_message() -> None:
            await self.leave()
            await self._refresh()

        # Attributes that do not change are stored once, with the first message.
        for _ in range(10):
            await add_message()
        unchanged = await grown(self._refresh)
        return {"message": await grown(add_message) / messages, "unchanged": unchanged / messages}

    async def held(self) -> dict[str, float]:
        """Return the memory allocated since `watch`, without what the recorder has still to write."""
        await self._recorded_bytes()
        gc.collect()
        return {"bytes": float(tracemalloc.get_traced_memory()[0])}

    async def watch(self) -> None:
        """Start to trace memory, which makes everything slower."""
        gc.collect()
        tracemalloc.start()

    async def _set_up(self, done: Awaitable[bool]) -> dict[str, float]:
        before = len(self._hass.states.async_all())

        async def set_up() -> None:
            assert await done
            await self._hass.async_block_till_done()

        cpu = await self._cpu_of(set_up)
        # The first states of thousands of entities take it longer than all polls.
        await self._wait_for_recorder()
        self._listen()
        entities = len(self._hass.states.async_all()) - before
        return {"cpu": cpu, "entities": entities}

    def _listen(self) -> None:
        @callback
        def record(event: Event[Any]) -> None:
            self._written.append(event.data["entity_id"])

        for kind in (EVENT_STATE_CHANGED, EVENT_STATE_REPORTED):
            self._hass.bus.async_listen(kind, record, event_filter=_is_of_a_pbx)

    async def _refresh(self) -> None:
        assert self._coordinator
        await self._coordinator.async_refresh()
        await self._hass.async_block_till_done()
        assert self._coordinator.last_update_success

    async def _cpu_of(self, act: Callable[[], Awaitable[None]]) -> float:
        before = process_time()
        await act()
        return process_time() - before

    async def _post(self, path: str) -> bytes:
        session = async_get_clientsession(self._hass)
        async with session.post(f"http://{self._pbx}/{path}?token={TOKEN}") as response:
            return await response.read()

    async def _wait_for_recorder(self) -> None:
        instance = get_instance(self._hass)
        await instance.async_block_till_done()
        # The recorder commits after a second.
        await asyncio.sleep(1.5)
        await instance.async_block_till_done()

    async def _recorded_bytes(self) -> int:
        """Return the used size of the recorder database, after everything is written."""
        await self._wait_for_recorder()
        instance = get_instance(self._hass)

        def used() -> int:
            with instance.get_session() as session:
                connection = session.connection()
                count, free, size = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("page_count", "freelist_count", "page_size")
                )
                return int((count - free) * size)

        return await instance.async_add_executor_job(used)


@callback
def _is_of_a_pbx(data: Any) -> bool:
    return not data["entity_id"].startswith(("sun.", "zone.", "person."))


class _Body:
    """The body of a response, in blocks as a socket returns them."""

    def __init__(self, body: bytes) -> None:
        self.content = self
        self._blocks = [
            body[begin : begin + _BLOCK_BYTES] for begin in range(0, len(body), _BLOCK_BYTES)
        ]

    async def iter_any(self) -> AsyncIterator[bytes]:
        while self._blocks:
            yield self._blocks.pop(0)


def _cpu_of_call(call: Callable[[], object]) -> float:
    before = process_time()
    call()
    return process_time() - before


async def _run(config: Path, pbx: str) -> None:
    hass = await async_setup_hass(RuntimeConfig(config_dir=str(config), skip_pip=True))
    assert hass
    await hass.async_start()
    await hass.async_block_till_done()
    harness = Harness(hass, pbx)
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = json.loads(line)
        print(json.dumps(await getattr(harness, command)(**arguments)), flush=True)
    await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2]))
