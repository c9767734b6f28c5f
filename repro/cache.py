"""Content-addressed cache of what is dear to build: warm starts, scores, pass rates, embeddings."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

MARKER = ".complete"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Cache:
    """Directories addressed by (kind, key); `key` must be a digest of everything that changes the content.

    An item is built in a hidden directory, gets its marker as the last file and is then renamed to its place, so a
    kill at any moment leaves either the whole item or none. Callers of one item wait for each other on a file lock
    (released by the system when its holder dies), so it is built once however many processes ask.
    """

    def __init__(self, root: Path | str = Path("runs") / "cache") -> None:
        self.root = Path(root)

    def get(self, kind: str, key: str) -> Path | None:
        """The directory of a whole item, or None. Never waits and never builds."""
        place = self._place(kind, key)
        return place if (place / MARKER).is_file() else None

    def directory(self, kind: str, key: str, build: Callable[[Path], None], *, anew: bool = False) -> Path:
        """The directory of the item, made by `build(empty_directory)` if it is not there yet.

        With `anew` it is built in any case, and replaces what is there once it is whole.

        Treat the result as read-only: other processes read the same files. An exception of `build` passes through
        and leaves nothing behind, so the next call builds again. Building another item inside `build` is fine, the
        same item is not. Raises ValueError for a kind or key that is no plain file name.
        """
        found = self.get(kind, key)
        if found is not None and not anew:
            return found
        place = self._place(kind, key)
        work = place.parent / ".building" / key
        locks = place.parent / ".locks"
        for parent in (work.parent, locks):
            parent.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / key):
            found = self.get(kind, key)
            if found is not None and not anew:
                return found
            # We hold the lock, so whatever else lies at these places was left by a builder that was killed.
            old = work.with_name(f".{key}.old")
            for remains in (work, old, *([place] if found is None else [])):
                if remains.exists():
                    shutil.rmtree(remains)
            work.mkdir()
            try:
                build(work)
                (work / MARKER).touch()
                if found is not None:
                    place.rename(old)
                work.rename(place)
                shutil.rmtree(old, ignore_errors=True)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
        return place

    def lock(self, kind: str, key: str) -> FileLock:
        """Held while the item is built: its holder alone touches what an unfinished item has elsewhere."""
        return FileLock(self._place(kind, key).parent / ".locks" / key)

    def _place(self, kind: str, key: str) -> Path:
        for name in (kind, key):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a cached item: letters, digits, '_', '-' and '.' only")
        return self.root / kind / key
