"""What this machine can run jobs on, found without importing torch or touching CUDA."""

from __future__ import annotations

import os
from pathlib import Path


def cores() -> int:
    """Processor cores this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def gpus() -> list[int]:
    """Indices of the CUDA devices a job may be given, [] where there are none or they are hidden."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return list(range(len([name for name in visible.split(",") if name.strip() not in ("", "-1")])))
    return list(range(len(list(Path("/dev").glob("nvidia[0-9]*")))))


def default_jobs(processes: int = 1) -> int:
    """Jobs at a time by default: as many as there are CUDA devices (else cores) for all processes of a job."""
    return max(1, (len(gpus()) or cores()) // processes)


def gpus_of(slot: int, processes: int = 1) -> list[int]:
    """The CUDA devices of the job in a slot, one for each of its processes; slots beyond the last device share."""
    devices = gpus()
    return [devices[i % len(devices)] for i in range(slot * processes, (slot + 1) * processes)] if devices else []
