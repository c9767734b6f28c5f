"""`--launcher ray`: jobs run on the machines of a Ray cluster, or of one that is started on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from repro.errors import UserError
from repro.launch.where import DEFAULT_RETRIES, RETRIES, Option, Where, amount, amount_or_zero, at_a_time

if TYPE_CHECKING:
    from repro.launch.protocol import Launcher
    from repro.launch.worker import Target


@dataclass(frozen=True)
class Ray(Where):
    """One Ray task per cell."""

    NAME: ClassVar[str] = "ray"
    HELP: ClassVar[str] = "a Ray cluster"
    NEEDS: ClassVar[tuple[str, str] | None] = ("ray", "ray")
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("--cpus-per-job", "cores of a job (default: one per process)", (("type", amount), ("metavar", "N"))),
        Option(
            "--gpus-per-job",
            "GPUs of a job, e.g. 0.5 (default: one per process)",
            (("type", amount_or_zero), ("metavar", "X")),
        ),
        Option(
            "--ray-address",
            "a running cluster (default: $RAY_ADDRESS, else one is started)",
            (("metavar", "ADDRESS"),),
        ),
        RETRIES,
    )

    cpus_per_job: float = 1.0
    gpus_per_job: float | None = None  # None: one for each process where there are any
    ray_address: str | None = None
    retries: int = DEFAULT_RETRIES

    @classmethod
    def parsed(cls, jobs: int | None, processes: int, accelerate: Path | None, given: Mapping[str, Any]) -> Self:
        """See `Where.parsed`. A job has a core for each process by default; UserError where they would share a GPU."""
        devices = given.get("gpus_per_job")
        if devices is not None and 0 < devices < processes > 1:
            raise UserError(f"--gpus-per-job: got {devices:g} with --processes {processes}, expected one for each")
        return super().parsed(jobs, processes, accelerate, {"cpus_per_job": float(processes), **given})

    def words(self) -> str:
        """The end of a sentence on the cells to train."""
        return f"on Ray{at_a_time(self.jobs)}"

    def _launcher(
        self,
        runs_dir: Path,
        target: Target | None,
        fail_fast: bool,
        store_uri: str | None,
        note: Callable[[str], None],
    ) -> Launcher:
        from repro.launch.launchers.ray.cluster import RayLauncher

        return RayLauncher(
            target, runs_dir, self.jobs,
            address=self.ray_address or os.environ.get("RAY_ADDRESS"), processes=self.processes,
            cpus=self.cpus_per_job, gpus=self.gpus_per_job,
            retries=self.retries, fail_fast=fail_fast, store_uri=store_uri, note=note,
        )  # fmt: skip

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """At its end this process leaves the cluster; one that was started for the command ends."""
        try:
            yield
        finally:
            if "ray" in sys.modules:
                from repro.launch.launchers.ray.cluster import disconnect

                disconnect()


LAUNCHER = Ray
