"""Where jobs run, as the command line says it: the options of `run` and `sweep`, checked before anything is loaded.

Imports the standard library only.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.launch.devices import default_jobs, gpus
from repro.words import did_you_mean

LAUNCHERS = ("local", "ray", "slurm")
RETRIES = 3

SLURM_KEYS = {
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
    "signal_delay": "seconds before the end of its time at which a job is told (default 90)",
    "timeouts": "how often a job may run out of time and be requeued (default 10)",
}
"""What `--slurm KEY=VALUE` knows; the values go to sbatch, the names are its own where they have no default here."""

WHOLE = ("time", "gpus", "cpus", "signal_delay", "timeouts")
OF_LAUNCHER = {
    "cpus_per_job": ("ray",),
    "gpus_per_job": ("ray",),
    "ray_address": ("ray",),
    "retries": ("ray", "slurm"),
    "slurm": ("slurm",),
    "detach": ("slurm",),
}
INSTALL = {"ray": ("ray", "ray"), "slurm": ("submitit", "slurm")}  # launcher -> module, extra


@dataclass(frozen=True)
class Where:
    """Which launcher runs the jobs and what each job gets; nothing of it changes a result."""

    launcher: str = "local"
    jobs: int | None = None  # at a time; None: what the machine or the cluster has room for
    processes: int = 1  # that train one cell together
    accelerate: Path | None = None  # how they share the policy
    cpus_per_job: float = 1.0
    gpus_per_job: float | None = None  # None: one for each process where there are any
    ray_address: str | None = None
    retries: int = RETRIES
    slurm: dict[str, str | int] = field(default_factory=dict)
    detach: bool = False

    @property
    def local_jobs(self) -> int:
        """Jobs at a time where this machine runs them."""
        return self.jobs or default_jobs(self.processes)

    def words(self) -> str:
        """The end of a sentence on the cells to train."""
        at_a_time = f", {self.jobs} at a time" if self.jobs else ""
        if self.launcher == "ray":
            return f"on Ray{at_a_time}"
        if self.launcher == "slurm" and self.slurm.get("executor") != "local":
            return f"on SLURM{at_a_time}"
        return f"{self.local_jobs} at a time"


def add_launch_options(parser: argparse.ArgumentParser, detach: bool) -> None:
    """Add the options that say where jobs run; `detach` where a command need not stay."""
    add = parser.add_argument_group("where jobs run").add_argument
    add("--launcher", choices=LAUNCHERS, default="local", help="processes of this machine, a Ray cluster, or SLURM")
    add(
        "--processes", type=_positive, default=1, metavar="N",
        help="processes that train one cell together, each on a GPU of its own where there are any (default: 1)",
    )  # fmt: skip
    add(
        "--accelerate", type=Path, metavar="FILE",
        help="how they share the policy: a configuration of `accelerate`, e.g. experiments/accelerate/fsdp.yaml",
    )  # fmt: skip
    add("--cpus-per-job", type=_amount, metavar="N", help="ray: cores of a job (default: one per process)")
    add("--gpus-per-job", type=_share, metavar="X", help="ray: GPUs of a job, e.g. 0.5 (default: one per process)")
    add("--ray-address", metavar="ADDRESS", help="ray: a running cluster (default: $RAY_ADDRESS, else one is started)")
    add("--retries", type=_count, metavar="N", help=f"ray, slurm: new attempts of a job lost with its node ({RETRIES})")
    add(
        "--slurm",
        action="append",
        metavar="KEY=VALUE",
        help=f"slurm: what sbatch is told, e.g. --slurm time=240 --slurm gpus=1 (keys: {', '.join(SLURM_KEYS)})",
    )
    if detach:
        add("--detach", action="store_true", default=None, help="slurm: submit and return; the same command follows up")


def where(options: argparse.Namespace) -> Where:
    """What the parsed options say.

    Raises:
        UserError: options of another launcher, an unknown or malformed `--slurm`, or a package that is not installed.
    """
    given = {name: value for name in OF_LAUNCHER if (value := getattr(options, name, None)) is not None}
    for name in given:
        if options.launcher not in OF_LAUNCHER[name]:
            raise UserError(
                f"--{name.replace('_', '-')}: got it with --launcher {options.launcher}, "
                f"expected --launcher {' or '.join(OF_LAUNCHER[name])}"
            )
    if "slurm" in given or options.launcher == "slurm":
        given["slurm"] = slurm_parameters(given.get("slurm", []))
        if given.get("detach") and given["slurm"]["executor"] == "local":
            raise UserError(
                "--detach: got --slurm executor=local, expected slurm: this machine's jobs need the command"
            )
    check_installed(options.launcher)
    check_processes(options, given)
    given.setdefault("cpus_per_job", float(options.processes))
    shared = {"processes": options.processes, "accelerate": options.accelerate}
    return Where(launcher=options.launcher, jobs=options.jobs, **shared, **given)


def check_processes(options: argparse.Namespace, given: dict[str, Any]) -> None:
    """UserError where `--processes` and `--accelerate` do not fit together, to this machine or to what a job gets.

    A SLURM job of several processes has a core for each where `given` does not say how many.
    """
    if options.accelerate is not None and options.processes == 1:
        raise UserError(
            f"--accelerate: got {options.accelerate} with one process, expected it with --processes 2 or more"
        )
    devices = len(gpus())
    if options.launcher == "local" and 0 < devices < options.processes:
        raise UserError(f"--processes: got {options.processes}, expected at most {devices}, the GPUs of this machine")
    if options.gpus_per_job is not None and 0 < options.gpus_per_job < options.processes > 1:
        raise UserError(
            f"--gpus-per-job: got {options.gpus_per_job:g} with --processes {options.processes}, expected one for each"
        )
    if "slurm" in given and options.processes > 1:
        given["slurm"].setdefault("cpus", options.processes)
        if 0 < given["slurm"].get("gpus", 0) < options.processes:
            raise UserError(
                f"--slurm gpus: got {given['slurm']['gpus']} with --processes {options.processes}, expected as many"
            )


def check_installed(launcher: str) -> None:
    """UserError with the line that installs what a launcher needs, where it is missing."""
    module, extra = INSTALL.get(launcher, (None, ""))
    if module is not None and importlib.util.find_spec(module) is None:
        raise UserError(
            f"--launcher {launcher}: {module} is not installed; install it with: pip install 'repro[{extra}]'"
        )


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
        if key not in SLURM_KEYS:
            hint = did_you_mean(key, SLURM_KEYS)
            if key == "array_parallelism":
                hint = ", did you mean the option --jobs?"
            raise UserError(f"--slurm: got key {key!r}, expected one of {', '.join(SLURM_KEYS)}{hint}")
        if key in WHOLE:
            if not value.isdigit() or (key in ("time", "cpus") and int(value) == 0):
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


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6 or (value > 1 and value != int(value)):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number or a share between 0 and 1")
    return value


def _share(text: str) -> float:
    return 0.0 if text == "0" else _amount(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number >= 1")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number >= 0")
    return int(text)
