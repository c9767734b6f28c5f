"""Jobs that a test can tell what to do: they keep a journal as the real one does, and fail in every way."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from repro.errors import UserError
from repro.files import read_jsonl
from repro.tracking.journal import Journal

STEPS = 8
PRELOAD = ("tests.launch.jobs", "tests.sweep.jobs", "repro.launch.run")  # light, so that a fork costs milliseconds


def gone(pid: int) -> bool:
    """Has the process ended? When its parent takes note of that is not ours to say."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def job(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
    """`STEPS` steps, resumed where the last attempt ended; the cell's arm says what happens at step 4."""
    journal = Journal(run_dir)
    journal.start(cell, identity)
    done = len(read_jsonl(run_dir / "metrics.jsonl"))
    journal.truncate(done - 1)
    sys.stdout.write(f"working on {identity} from step {done}\n")
    for step in range(done, STEPS):
        journal.progress("training", step, STEPS)
        if step == 4 and not (runs_dir / "healed").exists():
            misbehave(cell.arm, run_dir, runs_dir)
        journal.log(step, {"eval/accuracy": step / 10, "time": time.time(), "pid": os.getpid()})
        time.sleep(0.02)
    journal.progress("finished", STEPS, STEPS)
    journal.finish({"accuracy": 0.7})


def misbehave(how: str, run_dir: Path, runs_dir: Path) -> None:
    if how == "raises":
        raise UserError("dataset.path: no such file")
    if how == "nan":
        warning = {"kind": "nan", "likely": "train.learning_rate 100 (too high)", "over": None, "text": "NaN"}
        Journal(run_dir).write_json("health.json", {"warnings": [warning], "stopped": {"kind": "nan", "step": 4}})
        raise UserError("training ended at step 4")
    if how == "breaks":
        raise RuntimeError("out of luck")
    if how == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "oom":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exits":
        os._exit(3)
    if how == "hangs":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        (runs_dir / f"child-{child.pid}").touch()
        time.sleep(1000)
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (runs_dir / "deaf").touch()
        time.sleep(1000)
    if how == "follows":
        while not (runs_dir / "deaf").exists():
            time.sleep(0.02)
        raise RuntimeError("after the deaf one")
    if how == "disk full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if how == "no room":  # from here on not even the reason can be written
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    if how == "kills its server":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)
    if how == "waits":
        (runs_dir / f"waiting-{os.getpid()}").touch()
        while not (runs_dir / "go").exists():
            time.sleep(0.02)
    if how == "meets":  # goes on once another is under way at the same time
        (runs_dir / f"meeting-{os.getpid()}").touch()
        until = time.monotonic() + 60
        while len(list(runs_dir.glob("meeting-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
    if how == "slow":
        time.sleep(1.0)


def lazy(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
    """Returns without having finished."""
    Journal(run_dir).start(cell, identity)


def mends(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
    """Finds damage and goes on."""
    journal = Journal(run_dir)
    journal.start(cell, identity)
    journal.repaired("checkpoint-4 was damaged")
    journal.finish({})


def report_environment(cell: Any, identity: str, run_dir: Path, runs_dir: Path) -> None:
    """Writes down what it finds in its process."""
    server = os.getppid()
    Journal(run_dir).write_json(
        "found.json",
        {
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "parent": server,
            "omp": os.environ.get("OMP_NUM_THREADS"),
            "cores": os.environ.get("REPRO_CORES"),
            "variables": sorted(os.environ),
            "torch_threads": sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None,
            "preloaded": [name for name in ("torch", "trl", "mlflow", "repro.training.job") if name in sys.modules],
            "server_threads": len(list(Path(f"/proc/{server}/task").iterdir())),
            "group_leader": os.getpgid(0) == os.getpid(),
            "stdin": str(Path("/proc/self/fd/0").readlink()),
        },
    )
    os.write(1, b"printed past Python\n")
    Journal(run_dir).finish({})
