"""SHA-256 of files, each read once as long as nothing touches it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from repro.errors import UserError

Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, and the times (ns) of the last change of the content and of the entry."""

FRESH = 1_000_000_000
"""Nanoseconds in which a second change may leave the stamp as it is: file systems count time in coarse steps."""

_known: dict[Path, tuple[Stamp, str]] = {}


def stamp(path: Path) -> Stamp:
    """What changes with every write, replacement or rename of a file: nobody can set the last time by hand."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes as they are now, in hexadecimal digits.

    A file is read again only where its stamp differs, or is so fresh that a further change might not show in it.

    Raises:
        UserError: the file is written to all the time.
    """
    path = path.resolve()
    for _ in range(3):
        before = stamp(path)
        known = _known.get(path)
        if known is not None and known[0] == before:
            return known[1]
        now = time.time_ns()
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if stamp(path) == before:
            if max(before[3:]) < now - FRESH:
                _known[path] = before, found
            return found
    raise UserError(f"{path}: changes while it is read; let whatever writes it finish, then try again")
