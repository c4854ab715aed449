"""A folder of limited size for files that can be downloaded again."""

from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
import logging
import os
from pathlib import Path
import shutil
from threading import Lock
from time import time_ns

_LOGGER = logging.getLogger(__name__)

_PARTIAL_SUFFIX = ".part"


class FileCache:
    """A folder that evicts the least recently used files.

    The folder is its only state, so the cache survives restarts. Every method accesses the
    disk, may raise OSError, and can be called from any thread.
    """

    def __init__(self, folder: Path, max_bytes: int, in_use: Container[str] = ()) -> None:
        """Use a folder, which need not exist yet.

        Files whose names are in `in_use` are not evicted, even if the cache exceeds its limit.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._in_use = in_use
        self.is_over_limit = False
        """Whether the cache exceeds its limit because files are in use."""
        # Without it, one thread could evict a file that another has just found.
        self._lock = Lock()

    def names(self) -> set[str]:
        """Return the names of all files, without suffixes."""
        with self._lock:
            return {path.stem for path in self._files()}

    def find(self, name: str) -> Path | None:
        """Return the file with a name and any suffix, and mark it as recently used."""
        with self._lock:
            path = next((path for path in self._files() if path.stem == name), None)
            if path:
                # On a read-only file system the file can still be read.
                with suppress(OSError):
                    # Keeps the modification time: browsers compare it to validate their cache.
                    os.utime(path, ns=(time_ns(), path.stat().st_mtime_ns))
            return path

    def store(self, name: str, suffix: str, content: bytes) -> Path:
        """Write a file that only its owner can read, and evict others if there are too many."""
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            path = self._folder / f"{name}{suffix}"
            # Nobody can find an incomplete file, not even after a crash.
            partial = path.with_suffix(_PARTIAL_SUFFIX)
            partial.touch(mode=0o600)
            partial.chmod(0o600)
            try:
                partial.write_bytes(content)
                partial.replace(path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            self._evict(path)
            return path

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Rename files, old name to new, and keep their suffixes."""
        with self._lock:
            for path in self._files():
                if new := renamed.get(path.stem):
                    path.replace(path.with_stem(new))

    def evict(self) -> None:
        """Evict files over the limit that were in use before. Never raises."""
        with self._lock, suppress(OSError):
            self._evict()

    def delete(self, names: Iterable[str]) -> None:
        """Delete files by their names."""
        unwanted = set(names)
        with self._lock:
            for path in self._files():
                if path.stem in unwanted:
                    path.unlink(missing_ok=True)

    def delete_all(self) -> None:
        """Delete the folder, or as much of it as possible. Never raises."""
        with self._lock:
            if self._folder.is_dir():
                shutil.rmtree(self._folder, onexc=_log_failure)

    def _files(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return [path for path in self._folder.iterdir() if path.suffix != _PARTIAL_SUFFIX]

    def _evict(self, newest: Path | None = None) -> None:
        files = sorted(
            ((path.stat(), path) for path in self._folder.iterdir()),
            key=lambda file: (file[1] == newest, file[0].st_atime_ns),
            reverse=True,
        )
        self.is_over_limit = False
        left = self._max_bytes
        for status, path in files:
            left -= status.st_size
            if left >= 0 or path == newest:
                continue
            if path.stem in self._in_use:
                self.is_over_limit = True
            else:
                path.unlink(missing_ok=True)


def _log_failure(function: object, path: str, err: BaseException) -> None:
    _LOGGER.warning("%s cannot be deleted (%s)", path, type(err).__name__)
