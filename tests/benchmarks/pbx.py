"""A simulated PBX with many messages in memory, which replies without delay."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic
from typing import Any, Final

from aiohttp import web
import orjson

from tests.conftest import TOKEN
from tests.simulator import Simulator, Spool

QUERY: Final = "api/v0.0.1/voicemail/query"
FIRST_EXTENSION: Final = 1000
_CALLERS = ("Ann Müller", "张伟", "O'Brien", "José", "Ана", "")
_BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)


class FullPbx(Simulator):
    """A simulated PBX with so many extensions of so many messages, the same for the same seed.

    `POST /leave/{count}` leaves that many messages, one extension after another; the answer to it
    is the reply to a query.
    """

    def __init__(self, spool: Spool, extensions: int, messages: int) -> None:
        """Create the messages. The spool stays empty."""
        super().__init__(spool, token=TOKEN)
        self.reply = b""
        self.polled_at: list[float] = []
        """When it was polled, in seconds."""
        self._random = Random(1)
        self._left = 0
        self._boxes: dict[str, list[dict[str, str]]] = {}
        self._next = self._one_after_another()
        self.intercept = self._answer_at_once
        self.set_extensions(extensions)
        for number in self._boxes:
            for _ in range(messages):
                self._leave(number)
        self._tell_all()

    def set_extensions(self, count: int) -> None:
        """Have so many extensions, of which new ones have no messages."""
        numbers = [str(FIRST_EXTENSION + index) for index in range(count)]
        self.extensions = {number: f"Desk {number}" for number in numbers}
        self._boxes = {number: self._boxes.get(number, []) for number in numbers}
        self._tell_all()

    @property
    def query(self) -> str:
        """The URL that all messages are asked for at."""
        return f"http://{self.address}/{QUERY}?token={TOKEN}"

    @property
    def entry(self) -> dict[str, Any]:
        """The config entry of this PBX, which is not polled by itself while it is measured."""
        return {
            "title": self.model,
            "unique_id": self.serial_number or None,
            "data": {
                "host": "127.0.0.1",
                "port": self.port,
                "family": "s_series",
                "credentials": {"token": TOKEN},
                "remembered": {"api": "v0.0.1"},
                "ssl": False,
                "verify_ssl": True,
                "api": "auto",
            },
            "options": {"scan_interval": 1500},
        }

    @property
    def counts(self) -> dict[str, int]:
        """The number of messages by extension."""
        return {number: len(box) for number, box in self._boxes.items()}

    async def _answer_at_once(self, request: web.Request) -> web.Response | None:
        if request.path.startswith("/leave/"):
            for _ in range(int(request.path.rpartition("/")[2])):
                self._leave(next(self._next))
            self._tell_all()
        elif request.path.endswith(QUERY):
            self.polled_at.append(monotonic())
        else:
            return None
        return web.Response(body=self.reply, content_type="application/json")

    def _one_after_another(self) -> Iterator[str]:
        while True:
            yield from self._boxes

    def _leave(self, extension: str) -> None:
        self._left += 1
        random = self._random
        number, name = f"+4930{random.randrange(10**7):07}", random.choice(_CALLERS)
        box = self._boxes[extension]
        box.append(
            {
                "voicemailfile": f"msg{len(box):04}.wav",
                "messagefrom": f'"{name}" <{number}>' if name else number,
                "voicemaildate": f"{_BEGIN + timedelta(seconds=37 * self._left):%Y-%m-%d %H:%M:%S}",
                "voicemaillength": str(random.randrange(2, 180)),
            }
        )

    def _tell_all(self) -> None:
        reply: dict[str, Any] = {
            "status": "Success",
            "voicemails": [
                {"extid": number, "voicemail": box} for number, box in self._boxes.items() if box
            ],
        }
        self.reply = orjson.dumps(reply)
