"""`--launcher slurm`: jobs are a SLURM array, or, to try that out, processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from repro.errors import UserError
from repro.launch.where import DEFAULT_RETRIES, RETRIES, Option, Where, at_a_time
from repro.words import did_you_mean

if TYPE_CHECKING:
    from repro.launch.protocol import Launcher
    from repro.launch.worker import Target

KEYS = {
    "executor": "slurm, or local to try it out on this machine",
    "time": "minutes a job may take before it is requeued and goes on from its checkpoint (needed)",
    "partition": "where the jobs queue",
    "account": "who pays",
    "qos": "quality of service",
    "gpus": "GPUs of a job (default 0)",
    "cpus": "cores of a job (default 1)",
    "mem": "memory of a job, e.g. 32GB",
    "gres": "generic resources",
    "constraint": "features a node must have",
    "nodelist": "nodes to use",
    "exclude": "nodes not to use",
    "reservation": "a reservation to use",
    "comment": "a comment on the jobs",
    "signal_delay": "seconds before the end of its time at which a job is asked to stop (default 90)",
    "timeouts": "how often a job may run out of time and be requeued (default 10)",
}
"""The keys of `--slurm KEY=VALUE`; the values go to sbatch, under the same names where they have no default here."""

WHOLE = ("time", "gpus", "cpus", "signal_delay", "timeouts")


@dataclass(frozen=True)
class Slurm(Where):
    """All cells that are due as one SLURM array, through submitit."""

    NAME: ClassVar[str] = "slurm"
    HELP: ClassVar[str] = "SLURM"
    NEEDS: ClassVar[tuple[str, str] | None] = ("submitit", "slurm")
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        RETRIES,
        Option(
            "--slurm",
            f"what sbatch is given, e.g. --slurm time=240 --slurm gpus=1 (keys: {', '.join(KEYS)})",
            (("action", "append"), ("metavar", "KEY=VALUE")),
        ),
        Option(
            "--detach",
            "submit and return; the same command follows up",
            (("action", "store_true"), ("default", None)),
            detached=True,
        ),
    )

    slurm: dict[str, str | int] = field(default_factory=dict)  # see `slurm_parameters`
    retries: int = DEFAULT_RETRIES

    @classmethod
    def parsed(cls, jobs: int | None, processes: int, accelerate: Path | None, given: Mapping[str, Any]) -> Self:
        """See `Where.parsed`. A job of several processes has a core for each by default.

        Raises:
            UserError: a mistake in `--slurm`, `--detach` on this machine, or fewer GPUs than processes.
        """
        parameters = slurm_parameters(given.get("slurm", []))
        if given.get("detach") and parameters["executor"] == "local":
            raise UserError(
                "--detach: got --slurm executor=local, expected slurm: this machine's jobs need the command"
            )
        if processes > 1:
            parameters.setdefault("cpus", processes)
            if 0 < int(parameters.get("gpus", 0)) < processes:
                raise UserError(
                    f"--slurm gpus: got {parameters['gpus']} with --processes {processes}, expected as many"
                )
        return super().parsed(jobs, processes, accelerate, {**given, "slurm": parameters})

    @property
    def on_this_machine(self) -> bool:
        """Whether no cluster runs the jobs but this machine."""
        return self.slurm.get("executor") == "local"

    @property
    def jobs_at_a_time(self) -> int | None:
        """As many as were asked for; None: the cluster decides."""
        return self.local_jobs if self.on_this_machine else self.jobs

    def words(self) -> str:
        """The end of a sentence on the cells to train."""
        return f"{self.local_jobs} at a time" if self.on_this_machine else f"on SLURM{at_a_time(self.jobs)}"

    def _launcher(
        self,
        runs_dir: Path,
        target: Target | None,
        fail_fast: bool,
        store_uri: str | None,
        note: Callable[[str], None],
    ) -> Launcher:
        from repro.launch.launchers.slurm.cluster import SlurmLauncher

        return SlurmLauncher(
            target, runs_dir, self.jobs_at_a_time, self.slurm,
            processes=self.processes, retries=self.retries, detach=self.detach,
            fail_fast=fail_fast, store_uri=store_uri, note=note,
        )  # fmt: skip


def slurm_parameters(words: Sequence[str]) -> dict[str, str | int]:
    """`KEY=VALUE` words as a dict with `executor` always in it.

    Raises:
        UserError: an unknown key, a value that is no whole number where one is needed, or no `time` for a cluster.
    """
    found: dict[str, str | int] = {"executor": "slurm"}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise UserError(f"--slurm: got {word!r}, expected KEY=VALUE, e.g. --slurm time=240")
        if key not in KEYS:
            hint = did_you_mean(key, KEYS)
            if key == "array_parallelism":
                hint = ", did you mean the option --jobs?"
            raise UserError(f"--slurm: got key {key!r}, expected one of {', '.join(KEYS)}{hint}")
        if key in WHOLE:
            if not (value.isascii() and value.isdecimal() and len(value) < 10) or (
                key in ("time", "cpus") and int(value) == 0
            ):
                unit = {"time": "whole minutes", "signal_delay": "whole seconds"}.get(key, "a whole number")
                raise UserError(f"--slurm {key}: got {value!r}, expected {unit}")
            found[key] = int(value)
        else:
            found[key] = value
    if found["executor"] not in ("slurm", "local"):
        raise UserError(f"--slurm executor: got {found['executor']!r}, expected slurm or local")
    if found["executor"] == "slurm" and "time" not in found:
        raise UserError("--slurm time: missing, expected minutes per job, e.g. --slurm time=240")
    return found


LAUNCHER = Slurm
