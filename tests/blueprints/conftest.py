"""Fixtures: a Home Assistant with the PBX, the blueprints, and a phone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import shutil

from homeassistant.auth.models import User
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .harness import FOLDER, Harness
from .phones import PushService


@pytest.fixture
async def push_service(
    hass: HomeAssistant, socket_enabled: None, hass_client_no_auth: ClientSessionGenerator
) -> AsyncIterator[PushService]:
    """Run the service that sends notifications to phones."""
    service = PushService(hass, hass_client_no_auth)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def harness(
    hass: HomeAssistant,
    connected: MockConfigEntry,
    push_service: PushService,
    hass_admin_user: User,
    tmp_path: Path,
) -> Harness:
    """Set up the blueprints and a phone that does not belong to a person."""
    hass.config.config_dir = str(tmp_path)
    target = tmp_path / "blueprints" / "automation" / "pbx_voicemail"
    await asyncio.to_thread(shutil.copytree, FOLDER, target)
    return Harness(hass, await push_service.register(hass_admin_user))
