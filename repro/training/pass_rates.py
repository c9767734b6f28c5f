"""Pass rates of many questions under one policy, in parts that a kill leaves whole where the policy is large."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.models.prefix import large
from repro.spec.schema import TrainSpec
from repro.tasks.problem import Problem
from repro.training.evaluation import Sampler
from repro.training.ledger import Cost, Ledger
from repro.training.randomness import PASS_RATE, derive_seed

PART = 64
"""Questions whose pass rates are cached together under a policy that is `large`."""


def measure(
    problems: Sequence[Problem],
    samples: int,
    train: TrainSpec,
    sampler: Callable[[Ledger], Sampler],
    cache: Cache,
    what: Mapping[str, Any],
    say: Callable[[str], None],
) -> tuple[np.ndarray, Cost]:
    """(n,) mean rewards of `samples` completions of each question, and what they cost, whoever made them.

    A completion depends on the seed, its prompt and its number among the prompt's samples, so parts change nothing but
    the rounding of batches of another shape. What a small policy answers in a moment is not cut.

    Args:
        sampler: one of the policy, with the ledger that it is given.
        what: names in the cache what is measured.
    """
    if len(problems) <= PART or not large(sampler(Ledger()).model):
        return _part(problems, 0, len(problems), samples, train, sampler)
    rates, total = [], Cost()
    for start in range(0, len(problems), PART):

        def build(folder: Path, start: int = start) -> None:
            say(f"pass rates of the start policy: question {start} of {len(problems)}")
            own, cost = _part(problems, start, start + PART, samples, train, sampler)
            np.save(folder / "values.npy", own, allow_pickle=False)
            (folder / "card.json").write_text(json.dumps({"cost": asdict(cost)}))

        folder = cache.directory("pass_rate_parts", digest({**what, "part": [start, PART]}), build)
        rates.append(np.load(folder / "values.npy", allow_pickle=False))
        total.add(Cost(**json.loads((folder / "card.json").read_text())["cost"]))
    return np.concatenate(rates), total


def _part(
    problems: Sequence[Problem],
    start: int,
    stop: int,
    samples: int,
    train: TrainSpec,
    sampler: Callable[[Ledger], Sampler],
) -> tuple[np.ndarray, Cost]:
    """Of the questions from `start` to before `stop`; a prompt's samples go on where an earlier part has them too."""
    measured = Ledger()
    one = sampler(measured)
    seed = derive_seed(PASS_RATE, samples)
    asked, earlier = problems[start:stop], problems[:start]
    _, rewards = one.completions(asked, samples, train.temperature, train.top_p, seed, "probe", earlier=earlier)
    return np.array([np.mean(group) for group in rewards]), measured.over(one.ranks).cost("probe")
