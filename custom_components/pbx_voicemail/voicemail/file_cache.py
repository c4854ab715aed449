"""A folder of bounded size for files that can be downloaded again."""

from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
import logging
import os
from pathlib import Path
import shutil
from threading import Lock
from time import time_ns

_LOGGER = logging.getLogger(__name__)

_UNFINISHED = ".part"


class FileCache:
    """A folder that evicts the files that were least recently used.

    There is no state but the folder, so it outlives restarts. Every method touches
    the disk, may raise OSError, and may be called from any thread, one at a time.
    """

    def __init__(self, folder: Path, max_bytes: int, in_use: Container[str] = ()) -> None:
        """Take the folder, which need not be there yet, and how much may be in it.

        Files whose names are `in_use` stay even if there is too little room.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._in_use = in_use
        self.is_over = False
        """Whether there is more in it than there may be, since all of that is in use."""
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
                # A file that can be read is good even where nothing can be written.
                with suppress(OSError):
                    # Not the time of its last change: browsers tell by it whether it is the same.
                    os.utime(path, ns=(time_ns(), path.stat().st_mtime_ns))
            return path

    def store(self, name: str, suffix: str, content: bytes) -> Path:
        """Keep content, for the owner of the folder alone; others go to make room for it."""
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            path = self._folder / f"{name}{suffix}"
            # Nobody finds half a file, not even after a crash.
            unfinished = path.with_suffix(_UNFINISHED)
            unfinished.touch(mode=0o600)
            unfinished.chmod(0o600)
            try:
                unfinished.write_bytes(content)
                unfinished.replace(path)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise
            self._make_room(path)
            return path

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Give files other names, old to new."""
        with self._lock:
            for path in self._files():
                if new := renamed.get(path.stem):
                    path.replace(path.with_stem(new))

    def tidy(self) -> None:
        """Let go of what had to stay while it was in use."""
        with self._lock, suppress(OSError):
            self._make_room()

    def drop(self, names: Iterable[str]) -> None:
        """Delete files by their names."""
        unwanted = set(names)
        with self._lock:
            for path in self._files():
                if path.stem in unwanted:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete all that can be deleted. Never raises."""
        with self._lock:
            if self._folder.is_dir():
                shutil.rmtree(self._folder, onexc=_report)

    def _files(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return [path for path in self._folder.iterdir() if path.suffix != _UNFINISHED]

    def _make_room(self, newest: Path | None = None) -> None:
        files = sorted(
            ((path.stat(), path) for path in self._folder.iterdir()),
            key=lambda file: (file[1] == newest, file[0].st_atime_ns),
            reverse=True,
        )
        self.is_over = False
        left = self._max_bytes
        for status, path in files:
            left -= status.st_size
            if left >= 0 or path == newest:
                continue
            if path.stem in self._in_use:
                self.is_over = True
            else:
                path.unlink(missing_ok=True)


def _report(function: object, path: str, err: BaseException) -> None:
    _LOGGER.warning("%s cannot be deleted (%s)", path, type(err).__name__)
