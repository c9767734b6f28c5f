"""Content-addressed cache of what is dear to build: warm starts, scores, pass rates, embeddings."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from repro.checksums import checksums, damage, is_sealed, listed, sealed
from repro.files import dump_json, force_to_disk, force_tree_to_disk, read_json, write_atomically

MARKER = ".complete"
"""The last file of an item: {"files": checksums of the others, "item": its kind and name}. Items of earlier versions
have an empty one, or none of these words."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

log = logging.getLogger(__name__)


def no_check() -> None:
    """Find nothing wrong."""


class Cache:
    """Directories addressed by (kind, key); `key` must be a digest of everything that changes the content.

    An item is built in a hidden directory, gets its marker as the last file and is then renamed to its place, so a
    kill or a power cut at any moment leaves either the whole item or none: `build` need not wait for the disk itself.
    Callers of one item wait for each other on a file lock (released by the system when its holder dies), so it is
    built once however many processes ask.

    The marker holds the checksums of the other files. They are compared before an item is handed out; a process reads
    a file once for this, and again only when its size or time is another. An item that is damaged is built again, and
    a warning says so. An item of an earlier version, whose marker is empty, is taken as it is.
    """

    def __init__(
        self, root: Path | str = Path("runs") / "cache", *, suffix: str = "", check: Callable[[], None] = no_check
    ) -> None:
        """`suffix`: sets the items of this cache apart from others under the same keys. `check`: called when an item
        has been built and before it is kept; what it raises keeps the item out."""
        self.root, self.suffix, self.check = Path(root), suffix, check

    def get(self, kind: str, key: str) -> Path | None:
        """The directory of a whole item, or None. Never waits and never builds."""
        place = self._place(kind, key)
        return place if _problems(place) == [] else None

    def directory(self, kind: str, key: str, build: Callable[[Path], None], *, anew: bool = False) -> Path:
        """The directory of the item, made by `build(empty_directory)` if it is not there yet or damaged.

        With `anew` it is built in any case, and replaces what is there once it is whole.

        Treat the result as read-only: other processes read the same files. An exception of `build` passes through
        and leaves nothing behind, so the next call builds again. Building another item inside `build` is fine, the
        same item is not. Raises ValueError for a kind or key that is no plain file name.
        """
        place = self._place(kind, key)
        work = place.parent / ".building" / place.name
        old = work.with_name(f".{place.name}.old")
        locks = place.parent / ".locks"
        lock = FileLock(locks / place.name)
        if not anew and _problems(place) == []:
            if work.exists() or old.exists():
                with contextlib.suppress(OSError), lock.acquire(timeout=0):  # held: it is being made anew
                    _remove(work, old)
            return place
        for parent in (work.parent, locks):
            parent.mkdir(parents=True, exist_ok=True)
        with lock:
            _remove(work, old)
            problems = _problems(place)
            if problems == [] and not anew:
                return place
            if problems:
                log.warning("%s is damaged (%s) and is made again", place, listed(problems))
            if problems != [] and place.exists():
                shutil.rmtree(place)
            work.mkdir()
            try:
                build(work)
                self.check()
                force_tree_to_disk(work)
                write_atomically(work / MARKER, dump_json(sealed({"files": checksums(work), "item": _name(place)})))
                if place.exists():
                    place.rename(old)
                work.rename(place)
                force_to_disk(place.parent)
                shutil.rmtree(old, ignore_errors=True)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
        return place

    def lock(self, kind: str, key: str) -> FileLock:
        """Held while the item is built: its holder alone touches what an unfinished item has elsewhere."""
        place = self._place(kind, key)
        return FileLock(place.parent / ".locks" / place.name)

    def _place(self, kind: str, key: str) -> Path:
        for name in (kind, key):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a cached item: letters, digits, '_', '-' and '.' only")
        return self.root / kind / f"{key}{self.suffix}"


def _remove(*remains: Path) -> None:
    """Remove what a builder that was killed left behind. The caller holds the item's lock."""
    for path in remains:
        if path.exists():
            shutil.rmtree(path)


def _name(place: Path) -> str:
    """What an item is called wherever its cache lies."""
    return f"{place.parent.name}/{place.name}"


def _problems(place: Path) -> list[str] | None:
    """What is damaged in an item, [] where it is whole, None where there is none."""
    try:
        size = (place / MARKER).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not size:  # of an earlier version
        return []
    record = read_json(place / MARKER)
    if not is_sealed(record):
        return [f"{MARKER} is not whole"]
    if record.get("item", _name(place)) != _name(place):
        return [f"it is the item {record['item']} under another name"]
    try:
        return damage(place, record["files"])
    except FileNotFoundError:  # just being replaced
        return None
