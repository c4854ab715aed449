"""Home Assistant and HACS show the integration with pictures of its own."""

from homeassistant.components.brands.const import ALLOWED_IMAGES
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from PIL import Image
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import INTEGRATION

FOLDER = INTEGRATION / "brand"
IMAGES = sorted(ALLOWED_IMAGES)  # HACS wants icon.png of them


async def test_shown(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """From the integration's own folder, without a request to the brands site."""
    assert await async_setup_component(hass, "brands", {})
    client = await hass_client()
    for name in IMAGES:
        response = await client.get(f"/api/brands/integration/{DOMAIN}/{name}")
        assert response.status == 200
        expected = await hass.async_add_executor_job((FOLDER / name).read_bytes)
        assert await response.read() == expected


def test_sizes() -> None:
    """As Home Assistant's brands repository asks for them."""
    for name in IMAGES:
        scale = 2 if "@2x" in name else 1
        with Image.open(FOLDER / name) as image:
            assert (image.format, image.mode) == ("PNG", "RGBA")
            if "icon" in name:
                assert image.size == (256 * scale, 256 * scale)
            else:
                assert 128 * scale <= min(image.size) <= 256 * scale
