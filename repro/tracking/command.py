"""The command that a run was started by, as its record and its tags tell it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from repro.masking import mask

_VARIABLE = "REPRO_COMMAND"  # jobs inherit it, those on other machines too


def remember_command(words: Sequence[str]) -> None:
    """Let the jobs that this process starts know its command: what follows `python -m repro`."""
    os.environ[_VARIABLE] = _plain(shlex.join(["python", "-m", "repro", *words]))


def command_line() -> str | None:
    """The command as it was typed, None where the process was started in another way."""
    return os.environ.get(_VARIABLE)


def _plain(text: str) -> str:
    """Without secrets, and without the folders above the project or the name of the user."""
    home, here = os.environ.get("HOME", ""), str(Path.cwd())
    for place, shown in ((f"{here}/", ""), (f"{home}/", "~/")):
        if place != "/":
            text = text.replace(place, shown)
    return mask(text)[:5000]
