"""The folder of a report on disk: what is in it is known by a manifest, and the whole of it is replaced in one move."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from repro.analysis.page.exchange import exchange
from repro.errors import UserError
from repro.files import dump_json, force_to_disk, read_json

MANIFEST = "manifest.json"
"""Lists every other file of a report with the SHA-256 of its bytes."""

WRITER = "python -m repro report"

log = logging.getLogger(__name__)


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """An empty folder to write a report into; when the block ends well, it takes the place of `out` in one move.

    It lies beside `out`. A kill, a full disk or an error leaves `out` as it was; what a kill leaves beside it is
    removed the next time. Of the report that was there only the files go that its manifest lists. Files that somebody
    added stay at their place; a listed file that somebody edited stays as `<name>.edited`.

    Raises:
        UserError: as `check`; the disk is full or the folder cannot be written.
    """
    place = check(out)
    with _told(out):
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(place.parent):
            for leftover in place.parent.iterdir():
                if leftover.name.startswith(_beginning(place)) and leftover.is_dir() and not leftover.is_symlink():
                    _settle_if_abandoned(leftover, place)
            work = Path(tempfile.mkdtemp(prefix=_beginning(place), dir=place.parent))
            held = os.open(work, os.O_RDONLY)
            _lock(held)  # until this process ends, however that happens
        try:
            new = work / "report"
            new.mkdir()
            yield new
            _complete(new)
            _move_in(new, check(out), out)
        finally:
            try:
                _settle(work, place)
            except OSError as error:
                log.warning("%s could not be removed (%s); the next report does that", work, error)
            os.close(held)


def check(out: Path) -> Path:
    """The folder that `out` names, links followed. Nothing is changed.

    Raises:
        UserError: `out` is no folder, is the working folder, or holds something and no manifest of a report.
    """
    with _told(out):
        place = Path(os.path.realpath(out))
        if not place.name or place == Path.cwd():
            raise UserError(
                f"--out: {str(out)!r} is {place}, expected a folder of the report's own, such as reports/NAME"
            )
        with suppress(FileNotFoundError, NotADirectoryError):  # a name that is too long is told before the work
            os.lstat(place)
        if not os.path.lexists(place):
            for above in place.parents:
                if os.path.lexists(above):
                    if not above.is_dir():
                        raise UserError(f"--out: {out} cannot be made: {above} is a file, expected a folder")
                    break
            return place
        if not place.is_dir():
            raise UserError(f"--out: {out} is a file, expected a folder for the report; take another name or move it")
        first = _something(place)
        if first is not None and manifest(place) is None:
            raise UserError(
                f"--out: {out} holds {first.relative_to(place)}, and no {MANIFEST} of an earlier report says what may "
                "be replaced; take a folder that holds nothing else, or move what is there. Nothing was changed"
            )
    return place


def manifest(folder: Path) -> Mapping[str, str] | None:
    """File (relative, `/` between parts) -> SHA-256, as the report in `folder` lists them; None where none does."""
    found = read_json(folder / MANIFEST)
    files = found.get("files") if isinstance(found, dict) and found.get("written_by") == WRITER else None
    whole = isinstance(files, dict) and all(isinstance(one, str) for one in files.values())
    return files if whole else None


def write_manifest(folder: Path) -> None:
    """List everything that is in the folder now."""
    files = {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder) if path.name != MANIFEST}
    (folder / MANIFEST).write_bytes(dump_json({"written_by": WRITER, "files": files}))


def _complete(new: Path) -> None:
    """The manifest last, when everything it lists is on the disk."""
    for path in _files(new):
        force_to_disk(path)
    write_manifest(new)
    force_to_disk(new / MANIFEST)
    for folder in [new, *(path for path in new.rglob("*") if path.is_dir())]:
        force_to_disk(folder)


def _move_in(new: Path, place: Path, out: Path) -> None:
    """Put the new report at its place; the earlier one is then beside it, where `_settle` finds it."""
    known = manifest(place) or {}
    for path in _files(place):
        name = path.relative_to(place).as_posix()
        if name not in known and name != MANIFEST:
            taken = next((part for part in [new / name, *(new / name).parents] if part.is_file()), None)
            if taken is not None or (new / name).is_dir():
                raise UserError(f"--out: {out} holds {name}, where the report has a file of its own; move it first")
    try:
        if manifest(place) is None:
            new.rename(place)  # missing or empty: the system refuses where something has appeared there
        else:
            shutil.copymode(place, new)
            exchange(new, place, new.parent / "previous")
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        raise UserError(
            f"--out: {out} cannot be replaced in one move ({error.strerror}: it is a mount, or a layer of an image); "
            f"take a folder inside it, such as {out / 'report'}"
        ) from error
    force_to_disk(place.parent)


def _settle_if_abandoned(work: Path, place: Path) -> None:
    """Finish what a killed writer left behind. A living writer holds a lock on its folder."""
    descriptor = os.open(work, os.O_RDONLY)
    try:
        if _lock(descriptor, wait=False):
            _settle(work, place)
    finally:
        os.close(descriptor)


def _settle(work: Path, place: Path) -> None:
    """Remove a working folder at whatever moment its writer ended; what is not ours in it goes back to its place."""
    new, previous = work / "report", work / "previous"
    if previous.is_dir() and not os.path.lexists(place):
        previous.rename(place)
    for folder in (new, previous):
        if folder.is_dir():
            if manifest(folder) is None:  # a report that was not written whole: all of it is ours
                shutil.rmtree(folder)
            else:
                _clear(folder, place)
    work.rmdir()


def _clear(folder: Path, place: Path) -> None:
    """Remove a report; files that its manifest does not list as they are now go to `place`."""
    known = manifest(folder) or {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST:
            continue
        if name in known and not path.is_symlink() and path.is_file() and _sha256(path) == known[name]:
            path.unlink()
            continue
        kept = _free(place / (f"{name}.edited" if name in known else name))
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
        if name in known:
            log.warning("%s was edited after the report was written; the edited file is now %s", name, kept)
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        inner.rmdir()
    (folder / MANIFEST).unlink()
    folder.rmdir()


def _free(path: Path) -> Path:
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _files(folder: Path) -> list[Path]:
    """Every file inside, and every link, which is not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        found += [Path(parent) / name for name in [*names, *links]]
    return sorted(found)


def _something(folder: Path) -> Path | None:
    """One file of the folder, else one folder inside; None where it is empty."""
    return next(iter(_files(folder)), None) or next(iter(sorted(folder.iterdir())), None)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beginning(place: Path) -> str:
    """How the names of working folders for a place begin; those of other places begin otherwise."""
    return f".{place.name[:100]}.{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:6]}.report-"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time looks at what lies in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait: bool = True) -> bool:
    """Lock an open folder; False where another process holds it, or the file system has no locks of folders."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    return False


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Turn what the system says of a place that cannot be written into a UserError that names it and the cure."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        place = f" ({error.filename})" if error.filename else ""
        cure = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "name a folder that you can write"
        raise UserError(
            f"--out: cannot write the report {out}: {reason}{place}; {cure}. What was there is unchanged"
        ) from error
