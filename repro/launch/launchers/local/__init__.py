"""`--launcher local`: jobs are processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from repro.errors import UserError
from repro.launch.devices import gpus
from repro.launch.where import Where

if TYPE_CHECKING:
    from repro.launch.protocol import Launcher
    from repro.launch.worker import Target

PRELOAD = ("repro.launch.launchers.local.preload",)


@dataclass(frozen=True)
class Local(Where):
    """Processes of this machine, one job per GPU or core."""

    NAME: ClassVar[str] = "local"
    HELP: ClassVar[str] = "processes of this machine"
    here: ClassVar[bool] = True

    preload: tuple[str, ...] = PRELOAD  # modules that the server imports from which jobs are forked

    @classmethod
    def parsed(cls, jobs: int | None, processes: int, accelerate: Path | None, given: Mapping[str, Any]) -> Self:
        """See `Where.parsed`. UserError where a job has more processes than this machine has GPUs."""
        devices = len(gpus())
        if 0 < devices < processes:
            raise UserError(f"--processes: got {processes}, expected at most {devices}, the GPUs of this machine")
        return super().parsed(jobs, processes, accelerate, given)

    @property
    def jobs_at_a_time(self) -> int:
        """As many as were asked for, else as many as this machine has room for."""
        return self.local_jobs

    def words(self) -> str:
        """The end of a sentence on the cells to train."""
        return f"{self.local_jobs} at a time"

    def _launcher(
        self,
        runs_dir: Path,
        target: Target | None,
        fail_fast: bool,
        store_uri: str | None,
        note: Callable[[str], None],
    ) -> Launcher:
        from repro.launch.launchers.local.pool import Pool

        return Pool(
            target or _run_job, runs_dir, self.local_jobs,
            fail_fast=fail_fast, preload=self.preload, processes=self.processes,
        )  # fmt: skip


def _run_job(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
    from repro.training.job import run_job

    run_job(cell, identity, run_dir, runs_dir)


LAUNCHER = Local
