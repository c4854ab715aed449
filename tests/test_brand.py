"""Home Assistant and HACS show the integration with pictures of its own."""

from homeassistant.components.brands.const import ALLOWED_IMAGES
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from PIL import Image
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.pbx_voicemail.const import DOMAIN

from .conftest import INTEGRATION

FOLDER = INTEGRATION / "brand"
IMAGES = sorted(ALLOWED_IMAGES)  # HACS wants icon.png of them
FINE = "@2x"


def test_every_one_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == IMAGES


async def test_shown(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """From the integration's own folder, without asking the world outside."""
    assert await async_setup_component(hass, "brands", {})
    client = await hass_client()
    for name in IMAGES:
        response = await client.get(f"/api/brands/integration/{DOMAIN}/{name}")
        assert response.status == 200
        expected = await hass.async_add_executor_job((FOLDER / name).read_bytes)
        assert await response.read() == expected


@pytest.mark.parametrize("name", IMAGES)
def test_size(name: str) -> None:
    """As Home Assistant's brands ask for it."""
    scale = 2 if FINE in name else 1
    with Image.open(FOLDER / name) as image:
        assert image.format == "PNG"
        if "icon" in name:
            assert image.size == (256 * scale, 256 * scale)
        else:
            assert 128 * scale <= min(image.size) <= 256 * scale
    assert (FOLDER / name).stat().st_size < 65536


@pytest.mark.parametrize("name", [name for name in IMAGES if FINE in name])
def test_fine_one_is_twice_the_size(name: str) -> None:
    with Image.open(FOLDER / name) as fine, Image.open(FOLDER / name.replace(FINE, "")) as image:
        assert fine.size == (image.width * 2, image.height * 2)


@pytest.mark.parametrize("name", IMAGES)
def test_transparent_and_trimmed(name: str) -> None:
    with Image.open(FOLDER / name) as image:
        assert image.mode == "RGBA"
        alpha = image.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    box = alpha.getbbox()
    assert box is not None
    assert max(box[0], box[1], alpha.width - box[2], alpha.height - box[3]) <= 1
