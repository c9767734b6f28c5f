"""Size and SHA-256 of files, written down when they are whole, and what has become of the files since."""

from __future__ import annotations

import errno
import hashlib
import stat
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from repro.files import dump_json

Checksums = Mapping[str, Mapping[str, Any]]
"""File, relative to a folder and with slashes -> {"size": bytes, "sha256": hex}."""

CHUNK = 1 << 20  # bytes read at a time
SHOWN = 3  # problems that a message lists
SETTLED = 1.0  # seconds after which a change of a file shows in its time: clocks of file systems are coarse

_same: dict[Path, tuple[Any, ...]] = {}
"""Files that this process found to be what was recorded: their size, time and inode, and the record."""


def checksums(folder: Path, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """What files of a folder are now: those of these names, or all below it."""
    if names is None:
        names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = {}
    for name in sorted(names):
        size = (folder / name).stat().st_size
        found[name] = {"size": size, "sha256": _sha256(folder / name, size)}
    return found


def damage(
    folder: Path, recorded: Any, *, contents: bool | Collection[str] = True, growing: Collection[str] = ()
) -> list[str]:
    """What is wrong with files that `checksums` recorded, one sentence a file; [] where they are what they were.

    A file that this process has read and that nobody has written to since is not read again.

    Args:
        recorded: what `checksums` returned, as it was read from a file.
        contents: whether to read the files, or names of those to read; of the others only the sizes are compared.
        growing: names of files that may have become longer since: only their beginning has to be the same.
    """
    if not _is_record(recorded):
        return ["the record of its files is not whole"]
    found = []
    for name, entry in recorded.items():
        size = _size(folder / name)
        if size is None:
            found.append(f"{name} is missing")
        elif size < entry["size"] or (size > entry["size"] and name not in growing):
            found.append(f"{name} has {size:,} bytes instead of {entry['size']:,}")
        elif (contents is True or (contents and name in contents)) and not _is_same(folder / name, entry):
            found.append(f"{name} has changed since it was written")
    return found


def listed(problems: Collection[str]) -> str:
    """What `damage` found, for one line of a message: the first few and how many more there are."""
    more = len(problems) - SHOWN
    return "; ".join([*list(problems)[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with a checksum of itself, under "seal"."""
    return {**record, "seal": _seal(record)}


def is_sealed(record: Any) -> bool:
    """Is what was read from a JSON file a record as `sealed` made it?"""
    if not isinstance(record, dict) or "seal" not in record:
        return False
    return bool(record["seal"] == _seal({key: value for key, value in record.items() if key != "seal"}))


def _seal(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(dump_json(record)).hexdigest()[:16]


def _is_record(recorded: Any) -> bool:
    return isinstance(recorded, Mapping) and all(
        isinstance(entry, Mapping) and isinstance(entry.get("size"), int) and isinstance(entry.get("sha256"), str)
        for entry in recorded.values()
    )


def _size(path: Path) -> int | None:
    """Bytes of a file, None where there is no file."""
    try:
        about = path.stat()
        return about.st_size if stat.S_ISREG(about.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_same(path: Path, entry: Mapping[str, Any]) -> bool:
    """Reads the file, unless this process has done so and it has been left alone since."""
    about = path.stat()
    state = (about.st_size, about.st_mtime_ns, about.st_ino, entry["size"], entry["sha256"])
    if _same.get(path.absolute()) == state:
        return True
    try:
        if _sha256(path, entry["size"]) != entry["sha256"]:
            return False
    except OSError as error:
        if error.errno != errno.EIO:  # anything but a broken disk is no damage
            raise
        return False
    if time.time() - about.st_mtime > SETTLED:
        _same[path.absolute()] = state
    return True


def _sha256(path: Path, size: int) -> str:
    """Of the first `size` bytes."""
    sha, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (chunk := file.read(min(left, CHUNK))):
            sha.update(chunk)
            left -= len(chunk)
    return sha.hexdigest()
