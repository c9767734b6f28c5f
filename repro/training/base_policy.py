"""What the start policy can do before any GRPO: measured once per policy and dataset, shared by all cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.errors import UserError
from repro.models.policy import Policy
from repro.spec.schema import MAIN_SETS, Cell
from repro.tasks.datasets import dataset_digest, held_out_digest
from repro.tasks.problem import Problem, TaskData
from repro.training.benchmarks import BenchmarkSet, evaluate_benchmarks
from repro.training.gradients import measure_gradients
from repro.training.ledger import Ledger
from repro.training.randomness import BASE, GRADIENTS, derive_seed
from repro.training.resources import VERSION, PolicyResources

POOL_QUESTIONS = 1024
"""Most training questions whose pass rate is measured for the picture of the pool."""

NOT_MEASURED_HERE = {"every", "pool_samples", "predictor_questions", "gradient_questions", "benchmarks"}
"""Fields of `evaluate` that the accuracy of the start policy does not depend on."""


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
    benchmarks: Sequence[BenchmarkSet] = (),
) -> dict[str, Any]:
    """Accuracy of the start policy, JSON-able; collective over the ranks of `resources`.

    `evaluations`: one record per set and benchmark, as `Evaluation.as_dict`; `accuracy`: {set: avg@k}; `greedy`,
    `entropy` (nats), `mean_tokens` on the main set; `temperatures`: {temperature: accuracy} on the main set at lower
    temperatures (how much of a gain is sharpening); `pool`: mean rewards of the training questions (pass rates where
    accuracy is rewarded) with the samples behind them; `gradients`: where the spec asks for them, see `_gradients`;
    `parameters`: how many, and how many of them are trained; `warm_start`: the record of how the policy was made.
    Seeds do not enter: all runs start from one policy.
    """
    evaluate, train, ranks = cell.evaluate, cell.train, resources.ranks
    what = {
        "version": VERSION,
        "policy": policy.sampling_identity,
        "dataset": dataset_digest(cell.dataset),
        **data.left_out(),
        "evaluate": evaluate.model_dump(mode="json", exclude=NOT_MEASURED_HERE),
        "max_completion_tokens": train.max_completion_tokens,
        **train.rollout.cache_fields(),
    }
    if evaluate.benchmarks:
        what["benchmarks"] = [
            [benchmark.label, benchmark.sampling(evaluate), held_out_digest(benchmark.dataset)]
            for benchmark in evaluate.benchmarks
        ]
    key = digest(what)

    def build(folder: Path) -> None:
        say("measuring the start policy")
        ledger = Ledger()
        sampler = resources.fresh_sampler(ledger)
        results = []
        for position, (name, problems) in enumerate(sets.items()):
            main = name in MAIN_SETS
            samples = evaluate.samples if main else 1
            seed = derive_seed(BASE, position)
            results.append(
                sampler.evaluate(name, problems, samples, evaluate.temperature, evaluate.top_p, seed, greedy=main)
            )
        results += evaluate_benchmarks(
            sampler, benchmarks, sets, results, evaluate.top_p, lambda position: derive_seed(BASE, 1000 + position)
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
                accuracy=True,
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
            "cost": ledger.over(ranks).as_dict()["evaluate"],
        }
        (folder / "base.json").write_text(json.dumps(record))

    folder = cache.directory("base", key, build)
    record = json.loads((folder / "base.json").read_text())
    say("pass rates of the start policy")
    rates = resources.base_pass_rates(evaluate.pool_samples, POOL_QUESTIONS)
    record["pool"] = {"samples": evaluate.pool_samples, "questions": len(resources.ids), "pass_rates": rates}
    if evaluate.gradient_questions:
        say("gradient norms of the start policy")
        record["gradients"] = _gradients(cell, data, policy, resources, rates, cache)
    record["warm_start"] = policy.base
    record["parameters"] = policy.parameters
    return record


def _gradients(
    cell: Cell,
    data: TaskData,
    policy: Policy,
    resources: PolicyResources,
    rates: Mapping[str, float],
    cache: Cache,
) -> dict[str, Any]:
    """Gradient norms of groups of the start policy, for questions drawn uniformly from those with a pass rate.

    {"group_size", "groups", "rows", "cost"}: rows as `measure_gradients`, with the question's `pass_rate` from other
    rollouts than the group's own. One group per question. UserError where fewer questions are known.
    """
    train, count = cell.train, cell.evaluate.gradient_questions
    if count > len(rates):
        raise UserError(
            f"evaluate.gradient_questions: {count}, expected at most {len(rates)}, the questions with a "
            f"pass rate; lower it"
        )
    what = {
        "version": VERSION,
        "policy": policy.sampling_identity,
        "dataset": dataset_digest(cell.dataset),
        **data.left_out(),
        "questions": count,
        "group_size": train.group_size,
        "temperature": train.temperature,
        "top_p": train.top_p,
        "max_completion_tokens": train.max_completion_tokens,
        **train.rollout.cache_fields(),
    }
    if cell.model.lora is not None:
        what["lora"] = cell.model.lora.model_dump(mode="json")  # of what is trained
    key = digest(what)

    def build(folder: Path) -> None:
        known = [problem for problem in data.train if problem.id in rates]
        drawn = np.random.default_rng(derive_seed(GRADIENTS, count)).choice(len(known), count, replace=False)
        ledger = Ledger()
        sampler = resources.fresh_sampler(ledger)
        problems = [known[i] for i in drawn]
        rows = measure_gradients(sampler, problems, train.group_size, train.temperature, train.top_p)
        record = {"group_size": train.group_size, "groups": count, "rows": rows}
        (folder / "gradients.json").write_text(
            json.dumps(record | {"cost": ledger.over(resources.ranks).as_dict()["evaluate"]})
        )

    record: dict[str, Any] = json.loads((cache.directory("gradients", key, build) / "gradients.json").read_text())
    record["rows"] = [{**row, "pass_rate": rates[row["id"]]} for row in record["rows"]]
    return record
