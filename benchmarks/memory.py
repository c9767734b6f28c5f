"""Whether memory and time stay flat over a long run: a thousand steps of a tiny job, its size every hundred.

    python benchmarks/memory.py --steps 1000

The job is a whole one: questions chosen, rollouts, rewards, updates, replay, ledger, journal, evaluations, checkpoints.
Prints resident memory, processor seconds a step and the bytes of the run's files that grow; then the slope of memory
over the second half of the run with its 95 % interval.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from repro.study.expand import expand
from repro.study.load import parse_spec
from repro.training.job import GRPOJob


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Run the job and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="steps of the run")
    parser.add_argument("--every", type=int, default=100, help="steps between two lines")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()
    found = measure(given.steps, given.every)
    print(f"{platform.machine()}, one thread, torch {torch.__version__}; {given.steps} steps")
    print("| step | resident MB | CPU ms a step | journal kB |")
    print("|--:|--:|--:|--:|")
    for step, memory, cpu, written in found:
        print(f"| {step} | {memory:.1f} | {1000 * cpu:.0f} | {written:.0f} |")
    half = np.array([row[:2] for row in found if row[0] > given.steps / 2])
    if len(half) > 2:
        slope, error = _slope(half[:, 0], half[:, 1])
        print(f"slope of memory over the second half: {1000 * slope:.1f} +- {1000 * error:.1f} MB per 1,000 steps")


def measure(steps: int, every: int) -> list[tuple[int, float, float, float]]:
    """(step, resident MB, CPU seconds a step since the line before, kB of the journal) every so many steps."""
    spec: dict[str, Any] = {
        "name": "memory",
        "model": "tiny",
        "dataset": {"arithmetic": {"pool": 64, "test": 8, "validation": 0}},
        "train": {"steps": steps, "questions_per_step": 4, "group_size": 2, "minibatches": 2, "learning_rate": 1e-6},
        "evaluate": {"every": 50, "samples": 1, "sets": ["test"], "pool_samples": 1, "base_temperatures": []},
        "arms": {"dots_rr": {"selection": {"method": "difficulty", "references": 4}, "replay": {"capacity": 8}}},
        "seeds": [0],
    }
    cell = next(iter(expand(parse_spec(spec))))
    found: list[tuple[int, float, float, float]] = []

    with tempfile.TemporaryDirectory() as folder:

        class Job(GRPOJob):
            began = time.process_time()

            def _on_step(self, record: Any) -> None:
                super()._on_step(record)
                if record.step % every == 0:
                    gc.collect()
                    now = time.process_time()
                    written = sum(path.stat().st_size for path in self.run_dir.glob("*.jsonl")) / 1024
                    found.append((record.step, resident(), (now - self.began) / every, written))
                    self.began = time.process_time()

        Job(cell, "memory", Path(folder) / "memory", Path(folder)).run()
    return found


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least squares: slope and half its 95 % interval (Student)."""
    from scipy.stats import linregress, t

    fit = linregress(x, y)
    return float(fit.slope), float(fit.stderr * t.ppf(0.975, len(x) - 2))


if __name__ == "__main__":
    main()
