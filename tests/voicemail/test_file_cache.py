"""The cache has a limited size, and evicts the least recently used files."""

from concurrent.futures import ThreadPoolExecutor
import errno
import os
from pathlib import Path

import pytest

from custom_components.pbx_voicemail.voicemail.file_cache import FileCache


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "kept" / "here", max_bytes=100)


def _age(folder: Path) -> None:
    """Make all files older by a second."""
    for file in (folder / "kept" / "here").iterdir():
        status = file.stat()
        os.utime(file, ns=(status.st_atime_ns - 10**9, status.st_mtime_ns - 10**9))


def test_empty_cache(cache: FileCache) -> None:
    assert cache.names() == set()
    assert cache.find("a") is None
    cache.delete(["a"])
    cache.delete_all()


def test_found_without_suffix(cache: FileCache, tmp_path: Path) -> None:
    path = cache.store("a", ".wav", b"audio")
    assert cache.find("a") == path
    assert path.read_bytes() == b"audio"
    assert cache.names() == {"a"}
    assert (tmp_path / "kept" / "here").stat().st_mode & 0o077 == 0


def test_least_recently_used_file_is_evicted(cache: FileCache, tmp_path: Path) -> None:
    for name in "abc":
        cache.store(name, ".wav", bytes(30))
        _age(tmp_path)
    changed = (tmp_path / "kept/here/a.wav").stat().st_mtime_ns
    cache.find("a")
    assert (tmp_path / "kept/here/a.wav").stat().st_mtime_ns == changed
    cache.store("d", ".wav", bytes(30))
    assert cache.names() == {"a", "c", "d"}


def test_file_over_the_limit(cache: FileCache) -> None:
    cache.store("a", ".wav", bytes(30))
    assert cache.store("b", ".wav", bytes(300)).exists()
    assert cache.names() == {"b"}
    cache.store("c", ".wav", bytes(30))
    assert cache.names() == {"c"}


def test_incomplete_file_is_not_found(cache: FileCache, tmp_path: Path) -> None:
    """A file that a crash has left behind is not found, and evicted like others."""
    cache.store("a", ".wav", b"audio")
    (tmp_path / "kept/here/b.part").write_bytes(bytes(90))
    assert cache.names() == {"a"}
    assert cache.find("b") is None
    _age(tmp_path)
    cache.store("c", ".wav", bytes(20))
    cache.find("a")
    cache.store("d", ".wav", bytes(70))
    assert not (tmp_path / "kept/here/b.part").exists()


def test_delete(cache: FileCache, tmp_path: Path) -> None:
    for name in "abc":
        cache.store(name, ".wav", b"audio")
    cache.delete({"a", "b", "never there"})
    assert cache.names() == {"c"}
    cache.delete_all()
    assert not (tmp_path / "kept/here").exists()


def test_threads(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", 50)

    def use(number: int) -> None:
        name = str(number % 7)
        cache.store(name, ".wav", bytes(10))
        cache.find(str((number + 1) % 7))
        cache.delete([str((number + 2) % 7)])
        cache.names()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(400)))
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) <= 50


def test_files_in_use_are_not_evicted(tmp_path: Path) -> None:
    in_use = {"a"}
    cache = FileCache(tmp_path / "kept" / "here", 100, in_use)
    for name in "abc":
        cache.store(name, ".wav", bytes(60))
        _age(tmp_path)
    assert cache.names() == {"a", "c"}
    assert cache.is_over_limit
    in_use.clear()
    cache.evict()
    assert cache.names() == {"c"}
    assert not cache.is_over_limit


def test_readable_by_the_owner_only(cache: FileCache, tmp_path: Path) -> None:
    """Even if an earlier version has created a folder that others can read."""
    folder = tmp_path / "kept/here"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "a.part").touch(mode=0o644)
    path = cache.store("a", ".wav", b"audio")
    assert folder.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


def test_read_only_file_system(cache: FileCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be read where nothing can be written. Simulated, since root can write anywhere."""
    path = cache.store("a", ".wav", b"audio")

    def refuse(*args: object, **others: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.find("a") == path


def test_disk_full(cache: FileCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No incomplete file is left behind."""

    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match="No space left"):
        cache.store("a", ".wav", b"audio")
    assert list((tmp_path / "kept/here").iterdir()) == []


def test_files_that_cannot_be_deleted(
    cache: FileCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.store("a", ".wav", b"audio")

    def refuse(*args: object, **others: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr(os, "rmdir", refuse)
    cache.delete_all()
    assert "cannot be deleted (PermissionError)" in caplog.text


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    cache = FileCache(tmp_path / "here", 100)
    cache.delete_all()
    cache.evict()
    with pytest.raises(OSError, match="directory"):
        cache.names()
    with pytest.raises(OSError, match="exists"):
        cache.store("a", ".wav", b"audio")
