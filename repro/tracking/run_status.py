"""The state of a run by what lies in its directory, and the lock of the process that trains into it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from repro.tracking.damage import DONE, owner, run_damage

Status = Literal["todo", "running", "finished", "failed", "killed", "damaged"]
"""`damaged`: it has ended, but files that its marker vouches for are missing, have another size or other metrics; or
its folder holds the record of another run."""


def run_lock(run_dir: Path) -> FileLock:
    """The lock of the process that trains into `run_dir`; the system releases it when the process ends."""
    run_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(run_dir / "run.lock")


def run_status(run_dir: Path) -> Status:
    """The state of a cell by its run directory, which is not changed."""
    if (run_dir / DONE).exists():
        return "damaged" if run_damage(run_dir) else "finished"
    if not (run_dir / "cell.json").exists() and not (run_dir / "error.txt").exists():
        return "todo"
    if owner(run_dir) is not None:
        return "damaged"
    if (run_dir / "run.lock").exists():
        try:
            with FileLock(run_dir / "run.lock", timeout=0):
                pass
        except Timeout:
            return "running"
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise  # else nobody can train in a folder that cannot be written, and looking at it is still possible
    return "failed" if (run_dir / "error.txt").exists() else "killed"
