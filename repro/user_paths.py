"""Reads the paths that users write: `~` is somebody's home."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from repro.errors import UserError


def user_path(text: Path | str) -> Path:
    """The path with the home that a leading `~` or `~name` stands for. UserError where nobody of that name has one."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        name = str(text).partition("/")[0]
        raise UserError(f"{text}: {name} is nobody's home on this machine, expected ~ or the whole path") from error


def absence(path: Path) -> str:
    """Why nothing is at a path: `does not exist`, or what is wrong with the link that is there."""
    if not os.path.islink(path):  # noqa: PTH114  (Path.is_symlink raises for a name that is too long)
        return "does not exist"
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link that leads in a circle"
    return "is a link that leads nowhere"


def waits(path: Path) -> bool:
    """Would opening a path wait for a writer, as a named pipe does? One that a shell has opened (`<(...)`) has one.

    Raises OSError for a name that the file system does not take.
    """
    return path.is_fifo() and Path("/dev") not in path.parents


def no_file(path: Path) -> str:
    """Why a path is no file to read: why nothing is there, or what is."""
    if not path.exists():
        return absence(path) if path.is_symlink() else "no such file"
    if path.is_dir():
        return "is a folder"
    return "is a named pipe" if path.is_fifo() else "is no file"
