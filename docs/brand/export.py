"""Exports the brand images for Home Assistant and HACS from the SVG files in this folder.

Run by scripts/brand, with the path of the browser that renders them.
"""  # noqa: INP001 (a script, not a module)

from io import BytesIO
from pathlib import Path
import sys

from PIL import Image
from playwright.sync_api import Page, sync_playwright

SOURCES = Path(__file__).parent
BRAND = SOURCES.parents[1] / "custom_components" / "pbx_voicemail" / "brand"

# Green and white are visible on dark and light backgrounds, so only the text has a dark variant.
PICTURES = {"icon": "icon", "dark_icon": "icon", "logo": "logo", "dark_logo": "dark_logo"}
HEIGHTS = {"": 256, "@2x": 512}


def draw(page: Page, source: Path, height: int) -> Image.Image:
    """Render an SVG file with a transparent background."""
    style = f"svg {{ display: block; height: {height}px; width: auto }}"
    page.set_content(f"<style>{style}</style>{source.read_text()}")
    return Image.open(BytesIO(page.locator("svg").screenshot(omit_background=True)))


def main(chromium: str) -> None:
    """Write all images."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 2048, "height": 1024})
        for picture, source in PICTURES.items():
            for suffix, height in HEIGHTS.items():
                image = draw(page, SOURCES / f"{source}.svg", height)
                image.save(BRAND / f"{picture}{suffix}.png", optimize=True)


main(sys.argv[1])
