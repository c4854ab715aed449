"""brand/*.png: the sizes that the brands repository asks for, since these replace its own."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Final

from PIL import Image, UnidentifiedImageError

from .repository import integration_of

_NAME: Final = re.compile(r"(dark_)?(?P<kind>icon|logo)(?P<double>@2x)?\.png")


def check(repository: Path) -> Iterator[str]:
    """Complain of images that Home Assistant would not find, or not show sharp and to the edge."""
    folder = integration_of(repository) / "brand"
    if not (folder / "icon.png").is_file():
        yield "brand/icon.png: is missing"
    for file in sorted(folder.glob("*")):
        for complaint in _complaints(file):
            yield f"brand/{file.name}: {complaint}"


def _complaints(file: Path) -> Iterator[str]:
    if (name := _NAME.fullmatch(file.name)) is None:
        yield "nothing asks for a file of this name"
        return
    try:
        with Image.open(file, formats=["PNG"]) as image:
            image.load()
            picture = image.convert("RGBA")
    except UnidentifiedImageError:
        yield "is no PNG"
        return
    width, height = picture.size
    scale = 2 if name["double"] else 1
    if name["kind"] == "icon":
        side = 256 * scale
        if (width, height) != (side, side):
            yield f"is {width} by {height}, not {side} by {side}"
    elif not 128 * scale <= min(width, height) <= 256 * scale:
        yield f"has a shortest side of {min(width, height)}, not {128 * scale} to {256 * scale}"
    yield from _wasted(picture, is_square=name["kind"] == "icon")
    if name["double"]:
        single = file.with_name(file.name.replace("@2x", ""))
        if not single.is_file():
            yield f"there is no {single.name} that it is twice of"
        elif name["kind"] == "logo":
            with Image.open(single) as image:
                if picture.size != (image.width * 2, image.height * 2):
                    yield f"is not twice as large as {single.name}"


def _wasted(picture: Image.Image, *, is_square: bool) -> Iterator[str]:
    """Complain of a background, and of empty edges; what is not square leaves two in a square."""
    alpha = picture.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255 or highest == 0:
        yield "is not transparent where there is nothing, or nothing else"
        return
    left, top, right, bottom = alpha.getbbox() or (0, 0, 0, 0)
    fills = (left == 0 and right == picture.width, top == 0 and bottom == picture.height)
    if not (any(fills) if is_square else all(fills)):
        yield "has empty edges"
