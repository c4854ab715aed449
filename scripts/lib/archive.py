"""Packs the files named on standard input the same way each time. Run by scripts/archive."""
# ruff: noqa: INP001 -- a program, not a module

from pathlib import Path
import sys
from zipfile import ZipFile, ZipInfo


def main(folder: Path, target: Path) -> None:
    """Write the archive, in which files are named as seen from the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w") as archive:
        for file in sorted(sys.stdin.read().splitlines()):
            # Dated 1980, as it begins, and stored: one zlib compresses otherwise than the next.
            entry = ZipInfo(Path(file).relative_to(folder).as_posix())
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, Path(file).read_bytes())


main(Path(sys.argv[1]), Path(sys.argv[2]))
