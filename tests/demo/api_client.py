"""Client for the REST and WebSocket APIs of Home Assistant, signed in as the demo's user."""

from typing import Any, Self

import aiohttp
from yarl import URL

USER = "demo"
PASSWORD = "demo"


class ApiClient:
    """The API of one Home Assistant. Call `sign_in` or `onboard` first."""

    def __init__(self, url: URL) -> None:
        """Use the URL of a Home Assistant, which need not run yet."""
        self._client_id = f"{url}/"
        self._session = aiohttp.ClientSession(url)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the HTTP session."""
        await self._session.close()

    async def onboard(self) -> None:
        """Create the first user, and sign in."""
        user = await self.post(
            "/api/onboarding/users",
            client_id=self._client_id,
            name="Demo",
            username=USER,
            password=PASSWORD,
            language="en",
        )
        await self._fetch_token(user["auth_code"])

    async def sign_in(self) -> None:
        """Sign in as the user that `onboard` created."""
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
        await self._fetch_token(done["result"])

    async def get(self, path: str) -> Any:
        """Return the response to a GET request."""
        async with self._session.get(path) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, **body: Any) -> Any:
        """Return the response to a POST request."""
        async with self._session.post(path, json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def delete(self, path: str) -> None:
        """Send a DELETE request."""
        async with self._session.delete(path) as response:
            response.raise_for_status()

    async def command(self, kind: str, **arguments: Any) -> Any:
        """Return the result of a WebSocket command."""
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

    async def _fetch_token(self, code: str) -> None:
        answer = {"client_id": self._client_id, "grant_type": "authorization_code", "code": code}
        async with self._session.post("/auth/token", data=answer) as response:
            response.raise_for_status()
            token = (await response.json())["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
