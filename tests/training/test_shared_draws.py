"""Which random numbers are shared: those of evaluations by arms and steps, those of rollouts by nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from repro.fields import LEAST_RATE
from repro.models.model_spec import ModelSpec, TinyModel
from repro.selection.methods.random import RandomSubset
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import EvaluateSpec
from repro.training import job
from repro.training.job import run_job

from .conftest import TRAIN
from .test_job import cell, shared, store  # noqa: F401 - fixtures
from .test_reuse import Fixed, completions


def test_arms_and_steps_evaluate_one_policy_with_the_same_completions(
    tmp_path: Path,
    shared: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two whole jobs at a rate that moves no weight; what is sampled differs between the questions of a set only."""
    evaluate, found = job.evaluate_policy, []

    def watched(what: Any, sampler: Any, *rest: Any) -> Any:
        sample, first = sampler.completions, []

        def completions(problems: Any, samples: int, temperature: float, *more: Any, **options: Any) -> Any:
            out, rewards = sample(problems, samples, temperature, *more, **options)
            first.append(out.token_ids)
            return out, rewards

        monkeypatch.setattr(sampler, "completions", completions)
        result = evaluate(what, sampler, *rest)
        found.append(first[0])  # the main set, sampled
        return result

    monkeypatch.setattr(job, "evaluate_policy", watched)
    still = cell().train.model_copy(update={"learning_rate": LEAST_RATE, "steps": 2})
    for name, selection in (("one", Uniform()), ("other", RandomSubset(method="random", fraction=0.2))):
        often = EvaluateSpec(every=1, samples=2, sets=("test",), pool_samples=1, base_temperatures=())
        arm = cell(arm=name, train=still, evaluate=often, selection=selection, model=ModelSpec(tiny=TinyModel()))
        run_job(arm, name, tmp_path / "runs" / name, shared)
    assert len(found) == 4 and len({tuple(row) for row in found[0]}) > 16, "completions of a question differ"
    assert found[1] == found[2] == found[3] == found[0]


def test_rollouts_share_no_random_numbers_with_other_steps_seeds_or_evaluations(make_trainer: Any) -> None:
    """One policy, asked the same questions: the untrained one, whose longer completions never coincide by chance."""
    chosen = [5, 9, 11, 3]

    def rollouts(step: int, seed: int) -> set[tuple[int, ...]]:
        trainer = make_trainer(selector=Fixed(chosen, []), folder=f"{step}-{seed}", seed=seed)
        trainer.model.train()
        trainer.state.global_step = (step - 1) * TRAIN.minibatches
        made = completions(trainer._generate_and_score_completions([{"prompt": ""}] * 16))
        return {tuple(tokens) for tokens in made if len(tokens) > 5}

    first = rollouts(1, 0)
    assert rollouts(1, 0) == first and len(first) > 5
    for other in (rollouts(2, 0), rollouts(1, 1)):
        assert len(other) > 5 and not other & first
