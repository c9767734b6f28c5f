"""What a run ran on: versions, processors and the commit of the code, but neither the machine's name nor its user."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "trl", "transformers", "accelerate", "datasets", "tokenizers", "numpy", "math-verify", "vllm")
CODE = ("repro", "pyproject.toml")
"""A commit is said to be changed where one of these files or folders is."""


@cache
def describe_environment() -> dict[str, Any]:
    """Python, platform, processors, versions of the packages that change results, and the commit (None if unknown)."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "accelerator": _accelerator(),
        "packages": packages,
        "commit": _commit(),
    }


def _processor() -> str | None:
    """Model name of the processor where the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _accelerator() -> str | None:
    """Name of the GPU a job would use; only where torch is loaded and has one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def _commit() -> str | None:
    """The commit of the code, with `-dirty` where that code was changed; None where it is unknown.

    Other files of the repository do not count: reports that lie in it are written anew without a change of the code.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    told: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 5}
    try:
        describe = ["describe", "--always", "--abbrev=12", "--exclude=*"]
        commit = subprocess.run([*git, *describe], check=True, **told).stdout.strip()
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *CODE], check=False, **told).returncode != 0
    except (OSError, subprocess.SubprocessError):
        return None
    return (commit + "-dirty" * changed) or None
