"""A person at a Home Assistant, who talks to it over REST and WebSocket."""

from typing import Any, Self

import aiohttp
from yarl import URL

USER = "demo"
PASSWORD = "demo"


class Person:
    """The user of the demo. Signed in once `sign_in` or `onboard` is done."""

    def __init__(self, url: URL) -> None:
        """Take the address of Home Assistant, whether it answers yet or not."""
        self._client_id = f"{url}/"
        self._session = aiohttp.ClientSession(url)

    async def __aenter__(self) -> Self:
        """Come."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go."""
        await self._session.close()

    async def onboard(self) -> None:
        """Become the owner of a Home Assistant that has no user yet."""
        user = await self.post(
            "/api/onboarding/users",
            client_id=self._client_id,
            name="Demo",
            username=USER,
            password=PASSWORD,
            language="en",
        )
        await self._take_token(user["auth_code"])

    async def sign_in(self) -> None:
        """Sign in with the password."""
        flow = await self.post(
            "/auth/login_flow",
            client_id=self._client_id,
            handler=["homeassistant", None],
            redirect_uri=self._client_id,
        )
        done = await self.post(
            f"/auth/login_flow/{flow['flow_id']}",
            client_id=self._client_id,
            username=USER,
            password=PASSWORD,
        )
        await self._take_token(done["result"])

    async def get(self, path: str) -> Any:
        """Ask over REST."""
        async with self._session.get(path) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, **body: Any) -> Any:
        """Tell something over REST."""
        async with self._session.post(path, json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def delete(self, path: str) -> None:
        """Delete something over REST."""
        async with self._session.delete(path) as response:
            response.raise_for_status()

    async def command(self, kind: str, **arguments: Any) -> Any:
        """Send one WebSocket command and return its result."""
        async with self._session.ws_connect("/api/websocket") as socket:
            await socket.receive_json()
            token = self._session.headers["Authorization"].removeprefix("Bearer ")
            await socket.send_json({"type": "auth", "access_token": token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": kind, **arguments})
            answer = await socket.receive_json()
        if not answer["success"]:
            raise RuntimeError(f"{kind}: {answer['error']}")
        return answer["result"]

    async def _take_token(self, code: str) -> None:
        answer = {"client_id": self._client_id, "grant_type": "authorization_code", "code": code}
        async with self._session.post("/auth/token", data=answer) as response:
            response.raise_for_status()
            token = (await response.json())["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
