"""A whole Home Assistant that is measured from within, in a process of its own.

It has what the demo has, and beside that either this integration or the yardstick. It reads one
order a line, as JSON, and answers each with what it has measured.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
import gc
import json
from pathlib import Path
from statistics import median
import sys
from time import process_time, thread_time, time
import tracemalloc
from typing import Any
from unittest.mock import patch

from homeassistant.auth.const import GROUP_ID_USER
from homeassistant.bootstrap import async_setup_hass
from homeassistant.components.recorder import get_instance
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.runner import RuntimeConfig
from homeassistant.setup import async_setup_component
from multidict import CIMultiDict, CIMultiDictProxy
import orjson
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.pbx_voicemail.const import DEFAULT_SCAN_INTERVAL, DOMAIN
from custom_components.pbx_voicemail.coordinator import PbxCoordinator
from custom_components.pbx_voicemail.pbx import http as transport
from custom_components.pbx_voicemail.pbx.byte_limit import ByteLimit
from custom_components.pbx_voicemail.pbx.comparison import KnownBody
from custom_components.pbx_voicemail.pbx.http import HttpClient, HttpResponse

from .pbx import QUERY
from .stalls import Figures, measure_stalls

_PAUSE = 0.001
_BLOCK_BYTES = 256 * 1024


class Harness:
    """A running Home Assistant, and the coordinator that polls the PBX. Methods are commands."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use a Home Assistant. Its config entry, if it has one, is set up already."""
        self._hass = hass
        self._query = ""
        self._written: list[str] = []
        self._requests = 0
        self._announced = 0.0
        self._coordinator: DataUpdateCoordinator[Any] | None = None
        self._stalls = AsyncExitStack()
        self._count_requests()

    async def set_up_ours(self, count: int = 1, **entry: Any) -> Figures:
        """Set up config entries of this integration. Return CPU seconds and the number of entities."""
        entries = [MockConfigEntry(domain=DOMAIN, minor_version=2, **entry) for _ in range(count)]
        data = entries[0].data
        self._query = (
            f"http://{data['host']}:{data['port']}/{{}}?token={data['credentials'].get('token')}"
        )

        async def set_up() -> bool:
            # Home Assistant sets up entries at the same time, too.
            await asyncio.gather(*map(self._hass.config_entries.async_add, entries))
            return all(entry.state is ConfigEntryState.LOADED for entry in entries)

        measured = await self._set_up(set_up())
        self._coordinator = entries[0].runtime_data
        return measured

    async def set_up_rest(self, query: str, extensions: list[str]) -> Figures:
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
            "resource": query,
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

    async def poll(self) -> Figures:
        """Poll once over HTTP, and return CPU seconds, and what happened in them.

        `event` are the seconds until a message was announced, if one was.
        """
        self._written.clear()
        self._requests = 0
        began = time()
        cpu = await self._cpu_of(self._refresh)
        return {
            "cpu": cpu,
            "written": len(self._written),
            "requests": self._requests,
            "event": self._announced - began,
        }

    async def stall(self, *, is_list_due: bool = False) -> Figures:
        """Poll once, and return the longest stall. If the list is due, extensions are asked for."""
        if is_list_due:
            assert isinstance(self._coordinator, PbxCoordinator)
            self._coordinator._roster.request_refresh()
        async with measure_stalls() as stalls:
            await self._refresh()
        return stalls

    async def begin_stalls(self) -> None:
        """Begin to measure stalls while another process sends requests."""
        self._longest = await self._stalls.enter_async_context(measure_stalls(_PAUSE))

    async def end_stalls(self) -> Figures:
        """Return the longest stall since `begin_stalls`."""
        await self._stalls.aclose()
        return self._longest

    async def token(self) -> str:
        """Return an access token of a new user, who is no administrator."""
        user = await self._hass.auth.async_create_user("Reader", group_ids=[GROUP_ID_USER])
        token = await self._hass.auth.async_create_refresh_token(user, client_id="http://localhost")
        return self._hass.auth.async_create_access_token(token)

    async def reload(self) -> dict[str, Figures]:
        """Unload and set up again, and return the stalls of both, and the CPU seconds of the setup."""
        assert self._coordinator
        assert self._coordinator.config_entry
        entry = self._coordinator.config_entry
        async with measure_stalls() as unload:
            await self._hass.config_entries.async_unload(entry.entry_id)
        before = process_time()
        async with measure_stalls() as set_up:
            await self._hass.config_entries.async_setup(entry.entry_id)
            await self._hass.async_block_till_done()
        self._coordinator = entry.runtime_data
        return {"unload": unload, "set_up": {**set_up, "cpu": process_time() - before}}

    async def collect(self) -> float:
        """Return the CPU seconds of a garbage collection, which Python starts when it likes to."""
        before = thread_time()
        gc.collect()
        return thread_time() - before

    async def idle(self, seconds: float) -> float:
        """Let time pass, and return the CPU seconds."""
        before = process_time()
        await asyncio.sleep(seconds)
        return process_time() - before

    async def wait_for_push(self) -> None:
        """Wait until polls are rare, since the PBX reports changes."""
        assert self._coordinator
        while self._coordinator.update_interval == timedelta(seconds=DEFAULT_SCAN_INTERVAL):
            await asyncio.sleep(0.1)
        self._announced = 0

    async def announced(self) -> float:
        """Return when a message is announced, in Unix time."""
        while not self._announced:
            await asyncio.sleep(0.001)
        announced, self._announced = self._announced, 0
        return announced

    async def from_bytes(self, polls: int, changing: bool) -> Figures:
        """Poll with answers that are there already, and return CPU seconds beside the parser's.

        They come in pieces, as from the network: to see that nothing has changed is part of it.
        """
        path = "leave/1" if changing else QUERY
        bodies = [await self._post(path) for _ in range(polls)]
        waiting = iter([_Body(body) for body in bodies])

        async def request(
            self: HttpClient, *_: object, max_bytes: int, known: KnownBody, **__: object
        ) -> HttpResponse:
            answer = next(waiting)
            read = await transport._read(answer, max_bytes, known, ByteLimit())  # type: ignore[arg-type]
            return HttpResponse(200, CIMultiDictProxy(CIMultiDict()), read, is_whole=True)

        with patch.object(HttpClient, "request", request):
            cpu = [await self._cpu_of(self._refresh) for _ in bodies]
        loads = [_cpu_of_call(partial(orjson.loads, body)) for body in bodies]
        return {"cpu": median(cpu[1:]), "loads": median(loads), "bytes": len(bodies[-1])}

    async def recorded(self, messages: int) -> Figures:
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

    async def held(self) -> Figures:
        """Return the memory allocated since `watch`, without what the recorder has still to write."""
        await self._recorded_bytes()
        gc.collect()
        return {"bytes": float(tracemalloc.get_traced_memory()[0])}

    async def watch(self) -> None:
        """Start to trace memory, which makes everything slower."""
        gc.collect()
        tracemalloc.start()

    async def _set_up(self, done: Awaitable[bool]) -> Figures:
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
            if event.data["entity_id"].startswith("event."):
                self._announced = time()

        for kind in (EVENT_STATE_CHANGED, EVENT_STATE_REPORTED):
            self._hass.bus.async_listen(kind, record, event_filter=_is_of_a_pbx)

    def _count_requests(self) -> None:
        request = HttpClient.request

        async def count(client: HttpClient, *arguments: Any, **options: Any) -> HttpResponse:
            self._requests += 1
            return await request(client, *arguments, **options)

        patch.object(HttpClient, "request", count).start()

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
        async with session.post(self._query.format(path)) as response:
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
        self.headers = dict[str, str]()
        self.content_length = len(body)
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


async def _run(config: Path) -> None:
    hass = await async_setup_hass(RuntimeConfig(config_dir=str(config), skip_pip=True))
    assert hass
    await hass.async_start()
    await hass.async_block_till_done()
    print(json.dumps(process_time()), flush=True)
    harness = Harness(hass)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = json.loads(line)
        print(json.dumps(await getattr(harness, command)(**arguments)), flush=True)
    await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
