"""Phones with the Home Assistant app, and the service that sends their notifications."""

from dataclasses import dataclass, field
from http import HTTPStatus
import json
from typing import Any, override

from aiohttp import web
from homeassistant.auth.models import User
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import CLIENT_ID
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from ..loopback import LoopbackServer

EVENT = "mobile_app_notification_action"


@dataclass
class Phone:
    """A phone that is registered in Home Assistant, with all notifications it has received."""

    hass: HomeAssistant
    client: ClientSessionGenerator
    webhook_id: str
    device_id: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """The notifications, oldest first, without the data that Home Assistant adds."""
        added = {"push_token", "registration_info"}
        return [
            {key: value for key, value in json.loads(body).items() if key not in added}
            for body in self.bodies
        ]

    @property
    def texts(self) -> list[str]:
        """The text of each notification, oldest first."""
        return [notification["message"] for notification in self.notifications]

    async def fire(self, action: Any) -> None:
        """Send the event of a pressed button, as the app does through its webhook."""
        client = await self.client()
        event = {"event_type": EVENT, "event_data": {"action": action}}
        response = await client.post(
            f"/api/webhook/{self.webhook_id}", json={"type": "fire_event", "data": event}
        )
        assert response.status == HTTPStatus.OK
        await self.hass.async_block_till_done()

    async def press(self, title: str) -> dict[str, Any]:
        """Press a button of the last notification with buttons, and return the button."""
        last = [note for note in self.notifications if "actions" in note.get("data", {})][-1]
        (button,) = [button for button in last["data"]["actions"] if button["title"] == title]
        await self.fire(button["action"])
        return dict(button)


class PushService(LoopbackServer):
    """Replaces the push service of the app, and stores the notifications."""

    def __init__(self, hass: HomeAssistant, client: ClientSessionGenerator) -> None:
        self._hass = hass
        self._client = client
        self._phones: dict[str, Phone] = {}

    @override
    def _make_app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/push", self._push)
        return app

    async def register(self, user: User, name: str = "My phone") -> Phone:
        """Register another phone, whose app is signed in as a user."""
        # Views can only be registered before the first request.
        for component in "notify", "stt", "mobile_app":
            assert await async_setup_component(self._hass, component, {})
        await self._hass.async_block_till_done()
        token = await self._hass.auth.async_create_refresh_token(user, CLIENT_ID)
        access = self._hass.auth.async_create_access_token(token)
        number = f"{len(self._phones):02}"
        client = await self._client()
        response = await client.post(
            "/api/mobile_app/registrations",
            headers={"Authorization": f"Bearer {access}"},
            json={
                # As long as tokens of Firebase.
                "app_data": {
                    "push_token": number * 11 + ":" + "x" * 140,
                    "push_url": f"http://{self.address}/push",
                },
                "app_id": "io.robbie.HomeAssistant",
                "app_name": "Home Assistant",
                "app_version": "2026.10.1 (2026.1234)",
                "device_id": number * 18,
                "device_name": name,
                "manufacturer": "Apple",
                "model": "iPhone17,1",
                "os_name": "iOS",
                "os_version": "26.1",
                "supports_encryption": False,
            },
        )
        assert response.status == HTTPStatus.CREATED
        webhook_id = (await response.json())["webhook_id"]
        await self._hass.async_block_till_done()
        (entry,) = [
            entry
            for entry in self._hass.config_entries.async_entries("mobile_app")
            if entry.data["webhook_id"] == webhook_id
        ]
        (device,) = dr.async_entries_for_config_entry(dr.async_get(self._hass), entry.entry_id)
        phone = Phone(self._hass, self._client, webhook_id, device.id)
        self._phones[webhook_id] = phone
        return phone

    async def _push(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._phones[json.loads(body)["registration_info"]["webhook_id"]].bodies.append(body)
        return web.json_response({}, status=HTTPStatus.CREATED)
