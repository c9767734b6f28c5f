"""Orders: what a job on another machine is told, and the note of it in the run's folder."""

from __future__ import annotations

import os
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import repro
from repro import arithmetic
from repro.files import dump_json, write_atomically
from repro.launch.protocol import Task
from repro.launch.worker import Target
from repro.tracking.address import resolve_store, sqlite_path
from repro.tracking.store import DELIVERED_BY_LAUNCHER

LOCK_SECONDS = 20.0  # that a job waits for its run: an attempt on a lost node may take a moment to die
RUN_JOB = "repro.training.job:run_job"


class Orders:
    """Makes the orders of one launcher.

    Args:
        target: called in the job's process with (cell, identity, run_dir, runs_dir), a function by name or a `partial`
            of one with JSON-able keywords; None for the real job.
        cores: that each process of a job may keep busy.
        store_uri: where jobs deliver themselves if it is a server; to a file only the launcher delivers.
    """

    def __init__(self, target: Target | None, runs_dir: Path, cores: int, store_uri: str | None) -> None:
        function: Any = target.func if isinstance(target, partial) else target
        self.arguments: dict[str, Any] = target.keywords if isinstance(target, partial) else {}
        self.target = RUN_JOB if target is None else f"{function.__module__}:{function.__qualname__}"
        self.runs_dir, self.cores = runs_dir, cores
        self.environment = _environment(store_uri)
        """Environment variables that a job needs; launchers may add to them."""

    def of(self, task: Task) -> dict[str, Any]:
        """Everything that a supervisor needs to run a task, as plain JSON; `ticket` names this order."""
        return {
            "ticket": uuid.uuid4().hex,
            "target": self.target,
            "arguments": self.arguments,
            "cell": task.cell.model_dump_json(),
            "identity": task.identity,
            "run_dir": str(task.run_dir),
            "runs_dir": str(self.runs_dir),
            "cwd": str(Path.cwd()),
            "environment": self.environment,
            "cores": self.cores,
            "lock_seconds": LOCK_SECONDS,
        }


def write_down(task: Task, ticket: str, launcher: str, name: str | None) -> None:
    """Note in `order.json` of the run which order is out. `name`: what the cluster calls it, None before it has it."""
    task.run_dir.mkdir(parents=True, exist_ok=True)
    about = {"ticket": ticket, "launcher": launcher, "name": name}
    write_atomically(task.run_dir / "order.json", dump_json(about))


def _environment(store_uri: str | None) -> dict[str, str]:
    """Environment variables that a job on another machine needs."""
    root = str(Path(repro.__file__).parents[1])
    path = [str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    variables = {**arithmetic.FIXED, "GLIBC_TUNABLES": "", "PYTHONPATH": os.pathsep.join([root, *path])}
    if sqlite_path(resolve_store(store_uri)):  # several machines must not write to one file
        variables[DELIVERED_BY_LAUNCHER] = "1"
    return variables
