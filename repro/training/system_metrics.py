"""Samples what the machine is busy with, for the pages of MLflow: a reading takes less than a millisecond."""

from __future__ import annotations

import sys
from contextlib import suppress

import psutil

from repro.tracking import series

_MEGABYTE = 1e6  # as MLflow counts


class SystemMetrics:
    """Use of processors, memory and the GPU of this process. Nothing of it is part of a result."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        with suppress(psutil.Error, OSError):
            psutil.cpu_percent()  # each call tells the use since the one before

    def sample(self) -> dict[str, float]:
        """The `system/...` series as they are now; those that the system does not tell are left out."""
        found: dict[str, float] = {}
        with suppress(psutil.Error, OSError):
            memory = psutil.virtual_memory()
            found[series.CPU_USED] = psutil.cpu_percent()
            found[series.MEMORY_USED] = memory.used / _MEGABYTE
            found[series.MEMORY_SHARE] = 100 * memory.used / memory.total
            found[series.JOB_MEMORY] = self._process.memory_info().rss / _MEGABYTE
        return found | _gpu()


def _gpu() -> dict[str, float]:
    """Of the GPU that this process uses; nothing where it uses none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found: dict[str, float] = {}
    with suppress(RuntimeError):
        free, total = torch.cuda.mem_get_info()
        found[series.GPU_MEMORY] = (total - free) / _MEGABYTE
        found[series.GPU_MEMORY_SHARE] = 100 * (total - free) / total
    with suppress(RuntimeError, ImportError):  # needs nvidia-ml-py
        found[series.GPU_USED] = float(torch.cuda.utilization())
    return found
