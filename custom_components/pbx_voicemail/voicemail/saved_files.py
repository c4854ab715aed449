"""Copies recordings to files that users and automations choose."""

import filecmp
from pathlib import Path
from secrets import token_hex
import shutil

from homeassistant.core import HomeAssistant


def is_in_media_dir(hass: HomeAssistant, path: Path) -> bool:
    """Return whether a file is, or would be, in one of the media folders. Accesses the disk."""
    folder = path.parent.resolve()
    return any(
        folder.is_relative_to(Path(root).resolve()) for root in hass.config.media_dirs.values()
    )


def copy_to_new_file(source: Path, target: Path) -> None:
    """Copy a file, unless the target has the same content already.

    Raises FileExistsError if the target has other content, and OSError if it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _copy(source, target)
    except FileExistsError:
        if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
            raise


def copy_or_replace(source: Path, target: Path) -> None:
    """Copy a file, and replace the target if it exists. Raises OSError if that fails.

    The target is replaced atomically: nobody reads a mixture of old and new content.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{token_hex(4)}.part")
    _copy(source, partial)
    try:
        partial.replace(target)
    except OSError:
        partial.unlink()
        raise


def _copy(source: Path, target: Path) -> None:
    """Copy to a target that must not exist, not even as a symbolic link."""
    with source.open("rb") as audio, target.open("xb") as copy:
        try:
            shutil.copyfileobj(audio, copy)
        except OSError:
            target.unlink()
            raise
