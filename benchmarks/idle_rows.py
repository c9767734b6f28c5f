"""How much of a GRPO step the rows without advantage cost: the same steps with and without them, alternating.

    python benchmarks/idle_rows.py --rounds 5

Both runs start from the same policy with the same seed, so they generate nearly the same rollouts; the order within a
pair alternates. One thread. Prints seconds of the updates and of the whole step as ratios with their range.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import statistics
import tempfile
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from grpo_steps import Steps, arm, grpo_steps

from repro.cache import Cache
from repro.models.policy import load_policy
from repro.tasks.datasets import load_dataset
from repro.tracking.series import ZERO_VARIANCE


def main() -> None:
    """Run the pairs and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs")
    parser.add_argument("--steps", type=int, default=4, help="GRPO steps of each run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    cell = arm({"steps": options.steps})
    data = load_dataset(cell.dataset)
    policy = load_policy(cell.model, cell.dataset, data, Cache(Path(tempfile.mkdtemp())))

    def run(skip: bool) -> tuple[float, float, Steps]:
        steps = grpo_steps(arm({"steps": options.steps, "skip_zero_advantage": skip}), policy, data)
        updates = steps.ledgers[-1]["train"]["cpu_seconds"]
        return updates, updates + steps.ledgers[-1]["rollout"]["cpu_seconds"], steps

    run(True)  # warm-up
    ratios: dict[str, list[float]] = {"updates": [], "step": []}
    for number in range(options.rounds):
        order = (True, False) if number % 2 == 0 else (False, True)
        timed = {skip: run(skip) for skip in order}
        ratios["updates"].append(timed[False][0] / timed[True][0])
        ratios["step"].append(timed[False][1] / timed[True][1])
    idle = statistics.mean(record.metrics[ZERO_VARIANCE] for record in timed[True][2].records)
    machine = f"{platform.machine()}, one thread, torch {torch.__version__}"
    print(f"{machine}; {options.rounds} pairs of {options.steps} steps")
    print(f"groups without advantage: {idle:.0%}")
    for name, values in ratios.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name}: all rows / informative rows = {middle:.2f} (range {low:.2f} to {high:.2f}), CPU seconds")


if __name__ == "__main__":
    main()
