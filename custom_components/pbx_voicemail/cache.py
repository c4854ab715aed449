"""Files that can be had again, in a folder of a bounded size."""

from collections.abc import Iterable
import os
from pathlib import Path
import shutil
from threading import Lock
from time import time_ns

_UNFINISHED = ".part"


class Cache:
    """A folder that throws out what was not used for longest.

    The folder itself is all there is to it, so it outlives restarts. Every method touches
    the disk, may raise OSError, and may be called from any thread, one at a time.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Take the folder, which need not be there yet, and how much may be in it."""
        self._folder = folder
        self._max_bytes = max_bytes
        # What one thread has just seen in the folder, another must not take away.
        self._lock = Lock()

    def names(self) -> set[str]:
        """Return the names of all files, without their suffixes."""
        with self._lock:
            return {path.stem for path in self._files()}

    def find(self, name: str) -> Path | None:
        """Return a file by its name, whatever its suffix; this is a use of it."""
        with self._lock:
            path = next((path for path in self._files() if path.stem == name), None)
            if path:
                # Not the time of its last change: browsers tell by it whether it is the same.
                os.utime(path, ns=(time_ns(), path.stat().st_mtime_ns))
            return path

    def store(self, name: str, suffix: str, content: bytes) -> Path:
        """Keep content; others go to make room for it."""
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{name}{suffix}"
            # Nobody finds half a file, not even after a crash.
            unfinished = path.with_suffix(_UNFINISHED)
            unfinished.write_bytes(content)
            unfinished.replace(path)
            self._make_room(path)
            return path

    def drop(self, names: Iterable[str]) -> None:
        """Delete files by their names."""
        unwanted = set(names)
        with self._lock:
            for path in self._files():
                if path.stem in unwanted:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete all."""
        with self._lock:
            if self._folder.exists():
                shutil.rmtree(self._folder)

    def _files(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return [path for path in self._folder.iterdir() if path.suffix != _UNFINISHED]

    def _make_room(self, newest: Path) -> None:
        files = sorted(
            ((path.stat(), path) for path in self._folder.iterdir() if path != newest),
            key=lambda file: file[0].st_atime_ns,
            reverse=True,
        )
        left = self._max_bytes - newest.stat().st_size
        for status, path in files:
            left -= status.st_size
            if left < 0:
                path.unlink(missing_ok=True)
