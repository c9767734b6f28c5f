"""Reads the paths that users write: `~` is somebody's home."""

from __future__ import annotations

from pathlib import Path

from repro.errors import UserError


def user_path(text: Path | str) -> Path:
    """The path with the home that a leading `~` or `~name` stands for. UserError where nobody of that name has one."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        name = str(text).partition("/")[0]
        raise UserError(f"{text}: {name} is nobody's home on this machine, expected ~ or the whole path") from error
