"""Runs cells as a SLURM array through submitit, or, to try that out, as processes of this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from repro.errors import UserError
from repro.launch.devices import cores
from repro.launch.launchers.slurm.job import SlurmJob
from repro.launch.protocol import Task
from repro.launch.remote import RemoteLauncher, Result
from repro.launch.worker import Target
from repro.tracking.run_status import run_status

if TYPE_CHECKING:
    import submitit

NAMES = {"gpus": "gpus_per_node", "cpus": "cpus_per_task", "signal_delay": "signal_delay_s"}  # ours -> submitit's
UNKNOWN_TO_SUBMITIT = ("reservation",)
TIMEOUTS = 10  # how often a job may run out of time
WEEK = 7 * 24 * 60  # minutes: jobs of this machine have no other limit
ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "STOPPED")
LOST = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "TIMEOUT", "GONE")  # states after which another attempt may succeed
LOOK = 30.0  # seconds between questions to scontrol about one job


class SlurmLauncher(RemoteLauncher):
    """See `RemoteLauncher`. All cells that are due go out as one array.

    A job whose time runs out, or whose node is wanted by others, is requeued by SLURM and goes on from its checkpoint.
    Orders are remembered in the run directories: a later command follows the jobs of an earlier one.

    Raises:
        UserError: this is no machine of a SLURM cluster, or sbatch refuses the array.
    """

    name = "slurm"

    def __init__(
        self,
        target: Target | None,
        runs_dir: Path,
        jobs: int | None,
        parameters: Mapping[str, str | int],
        *,
        processes: int,
        retries: int,
        detach: bool = False,
        fail_fast: bool = False,
        store_uri: str | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.note = note
        self.here = parameters["executor"] == "local"
        share = int(parameters.get("cpus", max(1, cores() // jobs) if self.here and jobs else 1))
        super().__init__(
            target, runs_dir, jobs,
            cores=max(1, share // processes), retries=retries,
            fail_fast=fail_fast, detach=detach, store_uri=store_uri,
        )  # fmt: skip
        self._states: dict[str, tuple[float, str]] = {}  # job -> when it was asked about, what it was
        self.tick = 0.5 if self.here else 2.0
        self.executor = self._executor(parameters)

    def _executor(self, given: Mapping[str, str | int]) -> submitit.Executor:
        import submitit

        logging.getLogger("submitit").setLevel(logging.ERROR)
        folder, timeouts = self.runs_dir / "slurm", int(given.get("timeouts", TIMEOUTS))
        folder.mkdir(parents=True, exist_ok=True)
        if self.here:
            executor = submitit.LocalExecutor(folder, max_num_timeout=timeouts)
            executor.update_parameters(
                timeout_min=given.get("time", WEEK), gpus_per_node=given.get("gpus", 0),
                signal_delay_s=given.get("signal_delay", 30), stderr_to_stdout=True,
            )  # fmt: skip
            return executor
        try:
            cluster = submitit.SlurmExecutor(folder, max_num_timeout=timeouts)
        except RuntimeError as error:
            raise UserError(
                "--launcher slurm: found no srun, expected to be on a machine of a SLURM cluster; "
                "--slurm executor=local tries it out on this one"
            ) from error
        parameters: dict[str, Any] = {
            NAMES.get(key, key): value
            for key, value in given.items()
            if key not in ("executor", "timeouts", *UNKNOWN_TO_SUBMITIT)
        }
        setup = [f"export {name}={shlex.quote(value)}" for name, value in self.orders.environment.items()]
        extra = {key: given[key] for key in UNKNOWN_TO_SUBMITIT if key in given}
        cluster.update_parameters(
            job_name="repro", array_parallelism=self.limit or 10**4, setup=setup, additional_parameters=extra,
            stderr_to_stdout=True, **parameters,
        )  # fmt: skip
        return cluster

    # ------------------------------------------------------------ the cluster's part

    def _submit(self, orders: Sequence[dict[str, Any]]) -> list[tuple[Any, str]]:
        import submitit

        with self._aside(), _variables(self.orders.environment):
            try:
                with self.executor.batch():
                    jobs = [self.executor.submit(SlurmJob(order)) for order in orders]
            except submitit.core.utils.FailedJobError as error:
                reason = [line for line in str(error).splitlines() if line.startswith("sbatch: ")]
                raise UserError(f"--slurm: {'; '.join(reason) or error}") from error
        if not self.here:
            array = jobs[0].job_id.split("_")[0]
            self.note(f"SLURM: array {array} of {len(jobs)} jobs; squeue -j {array} shows it, scancel {array} ends it")
        return [(job, job.job_id) for job in jobs]

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """Send what commands and processes started here print to a file, so that it does not spoil the live table."""
        terminal = [os.dup(descriptor) for descriptor in (1, 2)]
        log = os.open(self.runs_dir / "slurm" / "submit.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        try:
            yield
        finally:
            os.close(log)
            for descriptor, copy in zip((1, 2), terminal, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)

    def _adopt(self, name: str) -> Any | None:
        import submitit

        if self.here:  # its jobs end with their command; where that was killed the run's lock says who is at work
            return None
        with self._aside():
            job: Any = submitit.SlurmJob(self.runs_dir / "slurm", job_id=name)
            return job if self._state(job) in ALIVE else None

    def _state(self, handle: Any) -> str:
        """A job's state: from SLURM's accounts, or from its controller, which forgets ended jobs soon."""
        if self.here:
            return str(handle.state)
        state = handle.state.split(" ")[0].rstrip("+")  # "CANCELLED by 1000"
        if state != "UNKNOWN":
            return str(state)
        asked, state = self._states.get(handle.job_id, (float("-inf"), "UNKNOWN"))
        if time.monotonic() > asked + LOOK:
            command = ["scontrol", "show", "job", "--oneliner", handle.job_id]
            shown = subprocess.run(command, capture_output=True, text=True)
            found = re.search(r"JobState=(\w+)", shown.stdout)
            state = found[1] if found else "GONE" if "Invalid job id" in shown.stderr else "UNKNOWN"
            self._states[handle.job_id] = time.monotonic(), state
        return state

    def _result(self, handle: Any, task: Task) -> Result | None:
        import submitit

        if (task.run_dir / "done.json").exists():
            return Result(code=0)
        with self._aside():
            ended = handle.done() or (not self.here and self._state(handle) not in (*ALIVE, "UNKNOWN"))
        if self._stopping and run_status(task.run_dir) != "running" and (ended or not self.here):
            return Result(lost="cancelled")
        if not ended:
            return None
        try:
            return Result(code=handle.result())
        except submitit.core.utils.FailedJobError as error:
            if "too many times" in str(error):
                return Result(broken="its time ran out too often: raise --slurm time or --slurm timeouts")
            return Result(broken=f"{error}\nits supervisor failed; see {handle.paths.stdout}")
        except submitit.core.utils.UncompletedJobError:
            state = self._state(handle)
            if state in LOST:
                return Result(lost=f"ended by SLURM ({state})")
            return Result(
                broken=f"SLURM job {handle.job_id} ended as {state} without a result; see {handle.paths.stdout}"
            )

    def _cancel(self, handle: Any, kill: bool) -> None:
        if not self.here:
            with self._aside():
                handle.cancel(check=False)
        elif not handle.done():
            if kill:
                _kill_tree(int(handle.job_id))
            else:
                handle.cancel()


def _kill_tree(pid: int) -> None:
    """Kill a process and everything below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
