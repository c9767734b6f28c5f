"""The process of a job that a supervisor starts: `python -m repro.launch.remote_job`, its order on standard input.

The order is one line of JSON; after it the pipe stays open and silent for as long as the supervisor lives.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from repro.launch import worker


def main() -> NoReturn:
    """Read the order, run it as the pool's jobs run, and end the process."""
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # SLURM sends these to every process of a job
        signal.signal(number, signal.SIG_IGN)
    pipe = os.dup(0)  # standard input itself becomes /dev/null
    with os.fdopen(os.dup(pipe), "rb", buffering=0) as lines:
        order: dict[str, Any] = json.loads(lines.readline())
    worker.main(
        _target(order["target"], order["arguments"]),
        order["cell"],
        order["identity"],
        Path(order["run_dir"]),
        Path(order["runs_dir"]),
        {"cores": order["cores"], "gpus": [], "lock_seconds": order["lock_seconds"]},
        launcher_ends=lambda: os.read(pipe, 1),
    )


def _target(name: str, arguments: dict[str, Any]) -> worker.Target:
    """A target that imports the suite only when it is called, after the environment has been set."""

    def run(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
        from repro.spec.schema import Cell

        module, _, attribute = name.partition(":")
        target: Any = getattr(importlib.import_module(module), attribute)
        target(Cell.model_validate_json(cell), identity, run_dir, runs_dir, **arguments)

    return run


if __name__ == "__main__":
    main()
