"""Which files of a folder are read, once, and when a file that is still being written is whole."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

READ = (".json", ".ndjson", ".jsonl", ".xml")
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


@dataclass(frozen=True)
class Stamp:
    """A file as it stood: another size or time is another file."""

    path: Path
    size: int
    changed_ns: int


@dataclass
class Folder:
    """A file or folder to read from; each file is given out once, in the order of names.

    Watching, a file is whole when two looks in a row see the same size and time.
    """

    root: Path
    _given: set[Stamp] = field(default_factory=set)
    _seen: set[Stamp] = field(default_factory=set)

    def files(self) -> list[Path]:
        """Every file not given out before, as it is now."""
        return self._give(set(self._stamps()))

    def settled(self) -> list[Path]:
        """Every file not given out before that has not changed since the look before."""
        now = set(self._stamps())
        found = self._give(now & self._seen)
        self._seen = now
        return found

    def _give(self, stamps: set[Stamp]) -> list[Path]:
        new = stamps - self._given
        self._given |= new
        return sorted(s.path for s in new)

    def _stamps(self) -> Iterator[Stamp]:
        paths = [self.root] if self.root.is_file() else sorted(self.root.rglob("*"))
        for path in paths:
            if path != self.root and not _is_read(path.relative_to(self.root)):
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:  # gone between two looks
                continue
            if path.is_file():
                yield Stamp(path, stat.st_size, stat.st_mtime_ns)


def _is_read(path: Path) -> bool:
    if any(part.startswith(".") for part in path.parts) or path.suffix in UNFINISHED:
        return False
    return Path(path.name.removesuffix(".gz")).suffix.lower() in READ


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where its name ends in .gz."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
