"""Runs cells on a Ray cluster, one task per cell: Ray finds the machine, a supervisor on it starts the job."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.launch import devices, supervisor
from repro.launch.protocol import Task
from repro.launch.remote import RemoteLauncher, Result
from repro.launch.worker import Target

OBJECT_STORE = 100 * 2**20  # bytes; orders and exit codes are all that goes through it
OF_A_JOB = ("HF_", "HUGGINGFACE_", "MLFLOW_", "REPRO_", "TRANSFORMERS_")
"""Variables (by their beginning) that a job needs as the command has them, whatever its node was started with."""


class RayLauncher(RemoteLauncher):
    """See `RemoteLauncher`. Connects to the cluster; where no address is given it starts one on this machine.

    Args:
        target: see `RemoteLauncher`.
        address: of a running cluster; None: start one on this machine.
        processes: of a job.
        cpus: of a job.
        gpus: of a job; None: one for each process where the cluster has any.
        note: gets a line for the user on what was found.

    Raises:
        UserError: no cluster answers, none could be started, or a job needs more than any of its nodes has.
    """

    name = "ray"

    def __init__(
        self,
        target: Target | None,
        runs_dir: Path,
        jobs: int | None,
        *,
        address: str | None,
        processes: int,
        cpus: float,
        gpus: float | None,
        retries: int,
        fail_fast: bool = False,
        store_uri: str | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        nodes = connect(address)
        any_gpus = any(node.get("GPU", 0) for node in nodes)
        self.cpus = cpus
        self.gpus = gpus if gpus is not None else float(any_gpus) * processes
        room = sum(self._fit(node) for node in nodes)
        has = {name: sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU")}
        note(
            f"Ray: {len(nodes)} node{'s' * (len(nodes) > 1)} with {has['CPU']:g} CPUs and {has['GPU']:g} GPUs, "
            f"room for {room} jobs of {self.cpus:g} and {self.gpus:g}"
        )
        if room == 0 and address is None:
            raise UserError(
                f"--cpus-per-job, --gpus-per-job: got {self.cpus:g} and {self.gpus:g}, "
                f"but this machine has {devices.cores()} CPUs and {len(devices.gpus())} GPUs"
            )
        if room == 0:
            note("No node has so much now: the jobs wait for one that does (Ctrl-C ends it).")
        super().__init__(
            target, runs_dir, jobs,
            cores=max(1, math.floor(self.cpus / processes)), retries=retries,
            fail_fast=fail_fast, store_uri=store_uri,
        )  # fmt: skip
        self.jobs = min(self.jobs, max(1, room))
        if not self.gpus:  # Ray leaves the variable alone where it gives no GPU
            self.orders.environment["CUDA_VISIBLE_DEVICES"] = ""
        self.orders.environment |= {name: value for name, value in os.environ.items() if name.startswith(OF_A_JOB)}

    def _fit(self, node: dict[str, float]) -> int:
        """How many jobs a node has room for."""
        least = node.get("CPU", 0) / self.cpus
        return math.floor((min(least, node.get("GPU", 0) / self.gpus) if self.gpus else least) + 1e-9)

    def _submit(self, orders: Sequence[dict[str, Any]]) -> list[tuple[Any, str]]:
        import ray

        # By value: the node's Ray worker may not be able to import the suite, which the job finds by its PYTHONPATH.
        ray.cloudpickle.register_pickle_by_value(supervisor)
        try:
            # No retries of Ray's own: it would neither count them for us nor spare a cell that fills the memory.
            supervise = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(supervisor.supervise)
            handles = [supervise.options(name=f"repro {order['identity']}").remote(order) for order in orders]
        finally:
            ray.cloudpickle.unregister_pickle_by_value(supervisor)
        return [(handle, handle.hex()) for handle in handles]

    def _wait(self, handles: Sequence[Any]) -> None:
        import ray

        if handles:
            ray.wait(list(handles), num_returns=1, timeout=self.tick)
        else:
            super()._wait(handles)

    def _result(self, handle: Any, task: Task) -> Result | None:
        result = self._reported(handle, task)
        if result is not None and result.lost and self._stopping:
            _end_here(task)
        return result

    def _reported(self, handle: Any, task: Task) -> Result | None:
        import ray
        from ray import exceptions

        if not ray.wait([handle], timeout=0)[0]:
            return None
        try:
            return Result(code=ray.get(handle))
        except exceptions.TaskCancelledError:
            if not self._stopping:
                return Result(broken="somebody cancelled its Ray task")
            # Ray ends the supervisor when we leave, and would leave behind what the job has started.
            if self._signals.count < 2 and time.monotonic() < self._kill_at and _supervised(task):
                return None
            return Result(lost="cancelled")
        except exceptions.OutOfMemoryError as error:
            return Result(broken=f"{error}\nRay ended the job because the memory of its node ran out")
        except exceptions.RayTaskError as error:
            return Result(broken=f"{error}\nits supervisor failed: {error.cause}")
        except exceptions.NodeDiedError:
            return Result(lost="lost with its node")
        except exceptions.RayError as error:  # WorkerCrashedError, LocalRayletDiedError, ObjectLostError, ...
            return Result(lost=f"lost ({type(error).__name__})")

    def _cancel(self, handle: Any, kill: bool) -> None:
        import ray

        ray.cancel(handle, force=kill)


def _supervised(task: Task) -> bool:
    """Whether the supervisor of the last order is still at work."""
    order, about = (supervisor.read(task.run_dir / name) for name in ("order.json", "launch.json"))
    return about.get("ticket") == order.get("ticket") and about.get("state") == "started"


def _end_here(task: Task) -> None:
    """Kill a job on this machine whose supervisor Ray has killed: Ray does not kill what a supervisor started."""
    about = supervisor.read(task.run_dir / "launch.json")
    if _supervised(task) and about.get("host") == socket.gethostname() and about.get("pid"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(about["pid"], signal.SIGKILL)


def connect(address: str | None) -> list[dict[str, float]]:
    """Connect this process to a cluster, or start one here (None), unless it is connected. Resources of each live node.

    Raises:
        UserError: there is none at the address, or none could be started.
    """
    _probe(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        # Ray has no public switch for what its nodes print on this terminal, e.g. the last lines of a lost one's log.
        ray._private.worker._worker_logs_enabled = False
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        here: dict[str, Any] = {
            "num_cpus": devices.cores(),
            "num_gpus": len(devices.gpus()),
            "include_dashboard": False,
        }
        try:
            if address is None:
                ray.init("local", object_store_memory=OBJECT_STORE, **here, **quiet)
            else:
                ray.init(address, **quiet)
        except Exception as error:
            ray.shutdown()
            reason = str(error).splitlines()[0]
            if address is not None:
                raise UserError(f"--ray-address: got {address!r}, where no Ray answers: {reason}") from error
            raise UserError(
                f"Ray did not start on this machine, which may be too busy: {reason}\n"
                f"  try again, or start it yourself (ray start --head) and give --ray-address auto"
            ) from error
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _probe(address: str | None) -> None:
    """UserError where nothing listens at `host:port` or `ray://host:port`: Ray itself needs minutes to find out."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--ray-address: got {address!r}, where no Ray answers: {reason}") from error


def disconnect() -> None:
    """Leave the cluster; one that `connect` started ends."""
    import ray

    ray.shutdown()
