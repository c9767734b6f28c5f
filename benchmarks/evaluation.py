"""What an evaluation costs beside training, and how precise it is with random numbers that arms and steps share.

    python benchmarks/evaluation.py --seeds 12

Two arms of the quickstart (all questions, a random tenth) train for a few steps from the embedded policy. Their
policies are then evaluated on the test questions with several seeds, the same seeds for each policy. The standard
deviation over seeds is the noise of sampling alone: questions and policies are fixed. One thread; seconds are those of
the processor.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import logging
import os
import platform
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from grpo_steps import arm, grpo_steps

from repro.cache import Cache
from repro.models.policy import load_policy
from repro.models.sampling import mean_entropy, sample
from repro.tasks.datasets import load_dataset
from repro.tasks.grading import Grader
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger

ARMS: dict[str, dict[str, Any]] = {"full": {}, "random": {"selection": {"method": "random", "fraction": 0.1}}}


def main() -> None:
    """Train, evaluate and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12, help="evaluations of each policy")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[10, 20], help="steps after which policies are evaluated"
    )
    parser.add_argument("--samples", type=int, default=4, help="k of avg@k")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the weights of the policies")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    cell = arm({"steps": max(given.steps)})
    data = load_dataset(cell.dataset)
    policy = load_policy(cell.model, cell.dataset, data, Cache(Path(tempfile.mkdtemp())))
    models: dict[tuple[str, int], Any] = {}
    training = []
    for name, fields in ARMS.items():

        def keep(step: int, model: Any, ledger: Any, name: str = name) -> bool:
            if step in given.steps:
                models[name, step] = copy.deepcopy(policy.model).eval()  # a copy of `model` would call its forward
                models[name, step].load_state_dict(model.state_dict())
            return False

        steps = grpo_steps(arm({"steps": max(given.steps)}, **fields), policy, data, keep)
        training.append(sum(steps.ledgers[-1][phase]["cpu_seconds"] for phase in ("rollout", "train")))
    ledger, grader = Ledger(), Grader()
    prompts = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 96, ledger).prompts(data.test)
    asked = [problem for problem in data.test for _ in range(given.samples)]
    accuracy = {key: np.zeros(given.seeds) for key in models}
    entropy = {key: np.zeros((2, given.seeds)) for key in models}  # by a pass over one sample, from all log-probs
    for (key, model), seed in itertools.product(models.items(), range(given.seeds)):
        options = {"samples": given.samples, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 96, "seed": seed}
        with ledger.phase("evaluate"):
            out = sample(model, policy.tokenizer, prompts, **options)
            accuracy[key][seed] = np.mean(grader.grade(data.verifier, out.texts, asked).rewards)
        with ledger.phase("score"):
            entropy[key][0, seed] = mean_entropy(model, policy.tokenizer, prompts, out.texts[:: given.samples])
        entropy[key][1, seed] = -np.mean(np.concatenate(out.logps or []))
    made = len(models) * given.seeds
    sampled, passed = (ledger.cost(phase).cpu_seconds / made for phase in ("evaluate", "score"))
    step = sum(training) / len(ARMS) / max(given.steps)
    print(
        f"{platform.machine()}, one thread, torch {torch.__version__}; {made} evaluations of {len(asked)} completions"
    )
    print(
        f"CPU s: a step {step:.2f}, an evaluation {sampled:.2f} (sampling, grading) and {passed:.2f} (pass for entropy)"
    )
    print("noise of sampling, standard deviation over seeds in points of accuracy: numbers of their own | shared")
    first, last = given.steps[0], given.steps[-1]
    gaps = [accuracy["full", step] - accuracy["random", step] for step in given.steps]  # (seeds,) each
    moves = [accuracy[name, last] - accuracy[name, first] for name in ARMS]
    alone = _rms([values.std(ddof=1) for values in accuracy.values()])
    count = len(given.steps)
    gap = _rms([values.std(ddof=1) for values in gaps])
    print(f"  one evaluation: {100 * alone:.2f}")
    print(f"  two arms at one step: {100 * np.sqrt(2) * alone:.2f} | {100 * gap:.2f}")
    print(f"  two steps of one arm: {100 * np.sqrt(2) * alone:.2f} | {100 * _rms([m.std(ddof=1) for m in moves]):.2f}")
    over = 100 * gap / np.sqrt(count), 100 * np.mean(gaps, axis=0).std(ddof=1)
    print(f"  two arms, mean over {count} steps, numbers shared by arms and steps' own: {over[0]:.2f} | {over[1]:.2f}")
    noise = [np.mean([values[i].std(ddof=1) for values in entropy.values()]) for i in (0, 1)]
    means = [np.mean([values[i].mean() for values in entropy.values()]) for i in (0, 1)]
    print(f"entropy, nats (sd): pass over one sample {means[0]:.4f} ({noise[0]:.4f}), ", end="")
    print(f"log-probs of all samples {means[1]:.4f} ({noise[1]:.4f})")
    if given.save is not None:
        torch.save({key: model.state_dict() for key, model in models.items()}, given.save)


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


if __name__ == "__main__":
    main()
