"""50,000 messages in the card, in the media browser, and in its search."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any, Final, Self

import aiohttp

from custom_components.pbx_voicemail.const import DOMAIN

from .process import HarnessProcess, full_pbx, run_harness
from .stalls import Figures

_SIZE: Final = (500, 100)
_ROOT: Final = f"media-source://{DOMAIN}"
_ROUNDS: Final = 3


class _Browser:
    """A browser of a user who may hear all messages, but is no administrator."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)

    @classmethod
    @asynccontextmanager
    async def connected(cls, harness: HarnessProcess) -> AsyncIterator[Self]:
        url, token = harness.url / "api/websocket", await harness.run("token")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as socket,
        ):
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            await socket.receive_json()
            yield cls(socket)

    async def command(self, kind: str, **arguments: Any) -> Any:
        await self._socket.send_json({"id": next(self._ids), "type": kind, **arguments})
        while (answer := await self._socket.receive_json())["type"] != "result":
            pass
        return answer["result"]

    async def browse(self, place: str) -> Any:
        return await self.command("media_source/browse_media", media_content_id=place)

    async def search(self, text: str) -> Any:
        return await self.command(
            "media_source/search_media", media_content_id=_ROOT, search_query=text
        )

    async def subscribe(self) -> float:
        """Receive all messages, and return the seconds until the first ones came."""
        began = perf_counter()
        await self.command(f"{DOMAIN}/messages/subscribe")
        first = 0.0
        while True:
            event = (await self._socket.receive_json())["event"]
            first = first or perf_counter() - began
            if not event.get("is_partial"):
                return first


async def measure_messages() -> Figures:
    """Return how long each takes, and its longest stall."""
    figures: dict[str, list[float]] = {}

    async def measure(name: str, act: Awaitable[Any]) -> Any:
        await harness.run("begin_stalls")
        began = perf_counter()
        result = await act
        seconds = perf_counter() - began
        for kind, figure in {**await harness.run("end_stalls"), "seconds": seconds}.items():
            figures.setdefault(f"{name}_{kind}", []).append(figure)
        return result

    async with full_pbx(*_SIZE) as pbx, run_harness() as harness:
        await harness.run("set_up_ours", **pbx.entry)
        for _ in range(_ROUNDS):
            async with _Browser.connected(harness) as browser:
                (folder,) = (await browser.browse(_ROOT))["children"]
                extensions = await measure("browse_pbx", browser.browse(folder["media_content_id"]))
                mailbox = extensions["children"][-1]["media_content_id"]
                shown = await measure("browse_extension", browser.browse(mailbox))
                found = await measure("search", browser.search("+4930"))
                assert (len(shown["children"]), len(found["result"])) == (_SIZE[1], 100)
                first = await measure("list", browser.subscribe())
                figures.setdefault("list_first_seconds", []).append(first)
    return {name: median(measured) for name, measured in figures.items()}
