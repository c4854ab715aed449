#!/usr/bin/env python3
"""Creates a reproducible archive of the files listed on standard input. Run by scripts/archive."""

from pathlib import Path
import sys
from zipfile import ZipFile, ZipInfo


def main(folder: Path, target: Path) -> None:
    """Write the archive, with file names relative to the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w") as archive:
        for file in sorted(sys.stdin.read().splitlines()):
            # The default date is in 1980, and the files are not compressed, because the output of zlib
            # depends on its version.
            entry = ZipInfo(Path(file).relative_to(folder).as_posix())
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, Path(file).read_bytes())


main(Path(sys.argv[1]), Path(sys.argv[2]))
