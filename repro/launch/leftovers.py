"""Removes the checkpoints of a finished run whose job was killed while it removed them itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from repro.launch.protocol import Task
from repro.tracking.damage import DONE


def remove_leftovers(tasks: Iterable[Task]) -> None:
    """Of runs that are finished, what `train.keep` does not keep; quickly, where nothing is left.

    A folder that cannot be written to stays as it is: the run is whole without this.
    """
    for task in tasks:
        checkpoints = task.run_dir / "checkpoints"
        with contextlib.suppress(OSError):
            if (task.run_dir / DONE).exists() and checkpoints.is_dir() and any(checkpoints.iterdir()):
                from repro.training.checkpoint import tidy  # imports torch

                tidy(checkpoints, keep=task.cell.train.keep == "checkpoints")
