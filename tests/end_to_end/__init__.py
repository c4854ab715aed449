"""End-to-end tests: Home Assistant and the PBX in processes of their own."""

import asyncio
import socket

from tests.demo.api_client import ApiClient

MESSAGES = "/api/states/sensor.reception_101_messages"


def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def expect_messages(client: ApiClient, state: str, seconds: float = 31) -> None:
    """Request an update, and wait for a state of the extension 101."""
    await client.post(
        "/api/services/homeassistant/update_entity", entity_id="sensor.reception_101_messages"
    )
    async with asyncio.timeout(seconds):
        while (await client.get(MESSAGES))["state"] != state:
            await asyncio.sleep(0.1)


async def wait_for_automation(client: ApiClient, before: str | None = None) -> str:
    """Wait until the only automation listens, and return since when it does.

    Home Assistant responds to a save earlier than that. `before` is since when it had listened.
    """
    async with asyncio.timeout(20):
        while True:
            for state in await client.get("/api/states"):
                is_listening = (
                    state["entity_id"].startswith("automation.") and state["state"] == "on"
                )
                # A run changes attributes, a save also the time of the state itself.
                if is_listening and (since := str(state["last_changed"])) != before:
                    return since
            await asyncio.sleep(0.1)
