"""Removes the checkpoints of a finished run whose job was killed while it removed them itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from repro.files import read_object
from repro.launch.protocol import Task
from repro.tracking.damage import DONE


def remove_leftovers(tasks: Iterable[Task]) -> None:
    """Of runs that are finished, what their `train.keep` does not keep; quickly, where nothing is left.

    The `keep` that counts is that of the job that trained a run: a spec that shares the run may say another one. A
    folder that cannot be written to stays as it is, as does a run that does not tell its `keep`.
    """
    for task in tasks:
        checkpoints = task.run_dir / "checkpoints"
        with contextlib.suppress(OSError):
            if (task.run_dir / DONE).exists() and checkpoints.is_dir() and any(checkpoints.iterdir()):
                keep = read_object(task.run_dir / "cell.json").get("cell", {}).get("train", {}).get("keep")
                if keep is not None:
                    from repro.training.checkpoint import tidy  # imports torch

                    tidy(checkpoints, keep=keep == "checkpoints")
