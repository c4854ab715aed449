"""Copies of recordings that people and automations keep, in folders of their own."""

import filecmp
from pathlib import Path
from secrets import token_hex
import shutil

from homeassistant.core import HomeAssistant


def is_in_media(hass: HomeAssistant, path: Path) -> bool:
    """Tell whether a file is, or would be, below one of the media folders. Touches the disk."""
    folder = path.parent.resolve()
    return any(
        folder.is_relative_to(Path(root).resolve()) for root in hass.config.media_dirs.values()
    )


def create(source: Path, target: Path) -> None:
    """Copy to a file that is not there yet, or is the same already.

    Raises FileExistsError if there is another one, and OSError if it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _copy(source, target)
    except FileExistsError:
        if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
            raise


def replace(source: Path, target: Path) -> None:
    """Copy to a file, over one that may be there. Raises OSError if it cannot be written.

    Whoever reads it meanwhile gets all of the one or all of the other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{token_hex(4)}.part")
    _copy(source, unfinished)
    try:
        unfinished.replace(target)
    except OSError:
        unfinished.unlink()
        raise


def _copy(source: Path, target: Path) -> None:
    """Copy to a file that must not be there, also not as a link to another."""
    with source.open("rb") as audio, target.open("xb") as copy:
        try:
            shutil.copyfileobj(audio, copy)
        except OSError:
            target.unlink()
            raise
