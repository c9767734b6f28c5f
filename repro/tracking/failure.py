"""Why an attempt of a run failed, read from its error.txt, and whether the same command would fail the same way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro.files import file_content, read_object

MISTAKES = ("repro.errors.UserError: ", "repro.files.DamagedError: ")
"""How the exception begins that tells a mistake of the user's: it is there until somebody mends it."""
OBSTACLES = ("repro.errors.TryAgainError: ",)
"""The same of what is in the way of a command that is right, such as a full disk: its message says what helps."""


KILLED = "killed by signal "
"""How the reason of a job ends that the system or a crash ended: its number and name follow."""
_LONGEST_KIND = 40


def reason_of(error_text: str) -> str:
    """The line of an error.txt that says what happened: the exception of the last traceback, else the last line."""
    line = _exception(error_text)
    for start in (*MISTAKES, *OBSTACLES):  # there the message is enough
        line = line.removeprefix(start)
    return line


def reason_in(run_dir: Path) -> str:
    """The reason of a run's last failure; empty where it has none."""
    try:
        return reason_of(file_content(run_dir / "error.txt").decode(errors="replace"))
    except OSError:
        return ""


def kind_of(error_text: str, health: Mapping[str, Any]) -> str:
    """What kind of failure, in a few words: `NaN`, `out of memory`, `mistake`, `killed by signal 11 (SIGSEGV)`,
    else the exception's name.

    Args:
        health: the content of the run's health.json, {} without one.
    """
    line = _exception(error_text)
    if (health.get("stopped") or {}).get("kind") == "nan":
        return "NaN"
    if "out of memory" in line.lower() or "OutOfMemoryError" in line:
        return "out of memory"
    if line.startswith(MISTAKES):
        return "mistake"
    if KILLED in line:
        return KILLED + line.rpartition(KILLED)[2]
    name, colon, _ = line.partition(":")
    return name.rpartition(".")[2] if colon and " " not in name else line[:_LONGEST_KIND]


def is_mistake(error_text: str) -> bool:
    """Whether an error.txt tells a mistake that the same command meets again."""
    return _exception(error_text).startswith(MISTAKES)


def ended_in_nan(run_dir: Path) -> bool:
    """Whether the numbers of a run became NaN or infinite: it is not trained again while its folder is there."""
    return (read_object(run_dir / "health.json").get("stopped") or {}).get("kind") == "nan"


def blamed_field(run_dir: Path) -> str | None:
    """The field of the spec that most likely made the numbers of a failed run NaN or infinite.

    None where the run did not end for that, or nothing says which field it was.
    """
    if not ended_in_nan(run_dir):
        return None
    warnings = read_object(run_dir / "health.json").get("warnings", [])
    likely = [warning["likely"] for warning in warnings if warning.get("kind") == "nan"]
    return str(likely[0]).split()[0] if likely else None


def _exception(error_text: str) -> str:
    lines = [line for line in error_text.splitlines() if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        # A message may have more lines.
        return next((line for line in lines[starts[-1] + 1 :] if not line.startswith(" ")), lines[-1])
    return lines[-1] if lines else ""
