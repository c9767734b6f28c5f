"""Turns what the operating system, memory or a database refuses into one line for the user: where, what, what helps."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from repro.errors import TryAgainError, UserError

SPACE = "free some space or choose another place, then run the same command again"
RIGHTS = "choose another place, or change its permissions"
READ = "name a file that can be read"
CURES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on the disk", SPACE),
    errno.EDQUOT: ("the disk quota is used up", SPACE),
    errno.EFBIG: ("the file is larger than the system allows", "raise the limit (ulimit -f) or choose another place"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.EACCES: ("permission denied", RIGHTS),
    errno.EPERM: ("the system does not permit it", RIGHTS),
    errno.ENAMETOOLONG: ("the name is longer than the file system takes", "choose a shorter name"),
    errno.ENOTDIR: ("a file is in the place of a folder", "choose another place, or move the file away"),
    errno.EEXIST: ("something is there already", "choose another place, or move it away"),
    errno.EISDIR: ("is a folder, expected a file", "choose another name"),
    errno.ENOTEMPTY: ("the folder is not empty", "choose another place, or move its content away"),
    errno.ENOENT: ("does not exist", "check the path, and that nothing removes it while the command runs"),
    errno.ELOOP: ("its symbolic links lead in a circle", READ),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n) or run fewer jobs (--jobs)"),
    errno.ENFILE: ("the system has too many files open", "end other programs, then run the same command again"),
    errno.ENOMEM: ("the memory ran out", "run fewer jobs (--jobs), or smaller batches"),
    errno.EAGAIN: ("the system starts no more processes", "raise the limit (ulimit -u) or run fewer jobs (--jobs)"),
    errno.EIO: ("the disk or the network drive fails", "check it, then run the same command again"),
    errno.ESTALE: ("the network drive has lost it", "mount it again, then run the same command again"),
    errno.EBUSY: ("something else uses it", "wait, then run the same command again"),
    errno.ETXTBSY: ("something else uses it", "wait, then run the same command again"),
    errno.EXDEV: ("the move leads to another file system", "choose a place on one file system"),
    errno.ENOLCK: ("the file system gives no locks", "choose a local disk"),
    errno.ENXIO: ("is no file that can be read", READ),
    errno.ENODEV: ("is no file that can be read", READ),
    errno.ECONNREFUSED: ("nothing answers there", "start the server or correct its address"),
    errno.ECONNRESET: ("the other side broke off", "check the server, then run the same command again"),
    errno.ETIMEDOUT: ("no answer came in time", "check the server, then run the same command again"),
    errno.EHOSTUNREACH: ("the host cannot be reached", "check the network, then run the same command again"),
    errno.ENETUNREACH: ("the network cannot be reached", "check it, then run the same command again"),
    errno.EADDRINUSE: ("another program uses the address", "end it or choose another port"),
}
"""errno -> (what it means, what helps)."""

NEARLY_FULL = 1_000_000  # bytes

# Libraries that write or reserve by themselves raise errors of their own; the system's number or words are in the text.
NUMBER = re.compile(r"(?:\[Errno |os error |errno )(\d+)")
WORDS = {
    "No space left on device": errno.ENOSPC,
    "PytorchStreamWriter failed writing": errno.ENOSPC,
    "Too many open files": errno.EMFILE,
    "can't allocate memory": errno.ENOMEM,
    "out of memory": errno.ENOMEM,
    "Cannot allocate memory": errno.ENOMEM,
    "can't start new thread": errno.EAGAIN,
    "embedded null": errno.ENOENT,
}
OF_LIBRARIES = (RuntimeError, ValueError)
DATABASE = {
    "database is locked": ("another program writes to it", "wait until it has ended, then run the same command again"),
    "readonly database": ("it cannot be written", RIGHTS),
    "unable to open database file": ("its file cannot be opened", RIGHTS),
    "disk is full": ("no space is left on the disk", SPACE),
    "disk I/O error": ("the disk fails or is full", SPACE),
    "malformed": ("its file is damaged", "restore a copy, or move the file away"),
    "not a database": ("its file is no database", "name another one, or move the file away"),
}
"""Words of a database's error -> (what they mean, what helps)."""


def explain(error: BaseException, places: Sequence[str | Path] = ()) -> str | None:
    """One line on an error of the system: the path, what happened, what helps. None where it is no such error.

    An error without a number that is known here is none: it may be a mistake in this program, whose traceback counts.

    Args:
        places: where the work writes. A full disk does not say which file it refused: then those that are full are
            named, or the only one.
    """
    if isinstance(error, MemoryError):
        return _line("", *CURES[errno.ENOMEM])
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error)
    if isinstance(error, OSError):
        number = error.errno if error.errno in CURES else _number(str(error))
        return None if number is None else _line(_place(error, number) or _full(number, places), *CURES[number])
    if _of_database(error):
        return _database(str(error))
    if isinstance(error, OF_LIBRARIES) or type(error).__name__ == "SafetensorError":
        number = _number(str(error))
        if number is not None:
            detail = " ".join(str(error).split())[:160]
            return f"{_line(_full(number, places), *CURES[number])} ({detail})"
    return None


@contextmanager
def told_to_the_user(*places: str | Path) -> Iterator[None]:
    """Within the block an error of the system becomes a TryAgainError, with the system's own as its cause.

    `places`: see `explain`.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        told = explain(error, places)
        if told is None:
            raise
        raise TryAgainError(told) from error


def _line(place: str, what: str, cure: str) -> str:
    return f"{place}: {what}; {cure}" if place else f"{what}; {cure}"


def _place(error: OSError, number: int) -> str:
    """The path that the error is about; both where something moves or is linked."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if not names and number == errno.ENOENT and not _has_working_directory():
        return "the working directory of this command"
    return " -> ".join(name.replace("\0", "\\0") for name in names)


def _full(number: int, places: Sequence[str | Path]) -> str:
    """Of the places those whose disk is full, else the only one; empty for errors that no disk causes."""
    if number not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return ""
    return ", ".join(str(place) for place in places if _is_full(place)) or (str(places[0]) if len(places) == 1 else "")


def _is_full(place: str | Path) -> bool:
    try:
        found = os.statvfs(place)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < NEARLY_FULL or (found.f_files > 0 and not found.f_favail)


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def _number(text: str) -> int | None:
    """The system's number that a library put into its message, else that of words that stand for it."""
    found = NUMBER.search(text)
    if found is not None and int(found[1]) in CURES:
        return int(found[1])
    return next((number for words, number in WORDS.items() if words in text), None)


def _missing_module(error: ModuleNotFoundError) -> str | None:
    package = (error.name or "").partition(".")[0]
    if not package or package == "repro" or package in sys.stdlib_module_names:
        return None
    return f"the Python package {package!r} is not installed; install it: pip install {package}"


def _of_database(error: BaseException) -> bool:
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(homes & {"sqlite3", "sqlalchemy"}) and any(words in str(error) for words in DATABASE)


def _database(text: str) -> str:
    what, cure = next(said for words, said in DATABASE.items() if words in text)
    return f"the database of the runs: {what}; {cure}"
