"""What the start policy can do before any GRPO: measured once per policy and dataset, shared by all cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.models.policy import Policy
from repro.spec.schema import Cell
from repro.tasks.datasets import dataset_digest
from repro.tasks.problem import Problem, TaskData
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.randomness import BASE, derive_seed
from repro.training.resources import VERSION, PolicyResources

MAIN_SETS = ("test", "validation")
"""Sets with avg@k, entropy and greedy accuracy; further sets get one sample per problem."""

POOL_QUESTIONS = 1024
"""Most training questions whose pass rate is measured for the picture of the pool."""


def main_set(sets: Iterable[str]) -> str:
    """The set that greedy accuracy, entropy and lengths are reported on: test where it is evaluated."""
    return next(name for name in MAIN_SETS if name in sets)


def describe_base(
    cell: Cell,
    data: TaskData,
    policy: Policy,
    resources: PolicyResources,
    sets: dict[str, tuple[Problem, ...]],
    cache: Cache,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Accuracy of the start policy, JSON-able.

    `evaluations`: one record per set, as `Evaluation.as_dict`; `accuracy`: {set: avg@k}; `greedy`, `entropy` (nats),
    `mean_tokens` on the main set; `temperatures`: {temperature: accuracy} on the main set at lower temperatures
    (how much of a gain is sharpening); `pool`: pass rates of the training questions with the samples behind them;
    `warm_start`: the record of how the policy was made. Seeds do not enter: all runs start from one policy.
    """
    evaluate, train = cell.evaluate, cell.train
    what = {
        "version": VERSION,
        "policy": policy.identity,
        "dataset": dataset_digest(cell.dataset),
        "evaluate": evaluate.model_dump(mode="json", exclude={"every", "pool_samples", "predictor_questions"}),
        "max_completion_tokens": train.max_completion_tokens,
    }
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]

    def build(folder: Path) -> None:
        say("measuring the start policy")
        ledger = Ledger()
        sampler = Sampler(
            policy.model, policy.tokenizer, data, cell.model.system_prompt, train.max_completion_tokens, ledger
        )
        results = []
        for position, (name, problems) in enumerate(sets.items()):
            main = name in MAIN_SETS
            samples = evaluate.samples if main else 1
            seed = derive_seed(BASE, position)
            results.append(
                sampler.evaluate(name, problems, samples, evaluate.temperature, evaluate.top_p, seed, greedy=main)
            )
        main_result = next(result for result in results if result.set == main_set(sets))
        temperatures = {}
        for position, temperature in enumerate(evaluate.base_temperatures):
            _, rewards = sampler.completions(
                sets[main_result.set],
                evaluate.samples,
                temperature,
                evaluate.top_p,
                derive_seed(BASE, 100 + position),
                "evaluate",
            )
            temperatures[f"{temperature:g}"] = float(np.mean(rewards))
        record = {
            "evaluations": [result.as_dict() for result in results],
            "accuracy": {result.set: result.accuracy for result in results},
            "greedy": main_result.greedy_accuracy,
            "entropy": main_result.entropy,
            "mean_tokens": main_result.mean_tokens,
            "temperatures": temperatures,
            "questions": len(sets[main_result.set]),
            "samples": evaluate.samples,
            "cost": ledger.as_dict()["evaluate"],
        }
        (folder / "base.json").write_text(json.dumps(record))

    folder = cache.directory("base", key, build)
    record = json.loads((folder / "base.json").read_text())
    say("pass rates of the start policy")
    rates = resources.base_pass_rates(evaluate.pool_samples, POOL_QUESTIONS)
    record["pool"] = {"samples": evaluate.pool_samples, "questions": len(resources.ids), "pass_rates": rates}
    record["warm_start"] = policy.base
    return record
