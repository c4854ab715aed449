"""The whole of it, in processes of their own."""

import asyncio
import socket

from tests.demo.person import Person

MESSAGES = "/api/states/sensor.reception_101_messages"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def expect_messages(person: Person, state: str) -> None:
    """Ask for an update, and see the state of the extension 101 come within an interval."""
    await person.post(
        "/api/services/homeassistant/update_entity", entity_id="sensor.reception_101_messages"
    )
    async with asyncio.timeout(31):
        while (await person.get(MESSAGES))["state"] != state:
            await asyncio.sleep(0.1)
