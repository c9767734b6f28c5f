"""What submitit calls inside a SLURM job: it supervises one job and can be requeued together with its order.

Imports the standard library only, until a job is requeued.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from repro.launch import supervisor

AFTERWARDS = 600.0  # seconds in which SLURM requeues or kills a job that it has asked to end


class SlurmJob:
    """Supervises one job. Submitit calls `checkpoint` when its time runs out or others want its node."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """The exit code of the job."""
        code = supervisor.supervise(self.order, self._started)
        if code == supervisor.EXIT_STOPPED:
            # SLURM tells every process of a job that it has to go, so the job's may end before we are requeued. To
            # return now would end the order.
            time.sleep(AFTERWARDS)
        return code

    def _started(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def checkpoint(self) -> Any:
        """End the job at its last checkpoint; the same order goes on from there."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            supervisor.stop(self._process)
        supervisor.write_state(Path(self.order["run_dir"]), self.order["ticket"], "requeued")
        return DelayedSubmission(SlurmJob(self.order))
