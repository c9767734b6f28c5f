"""Pass rates of a study's policy on some questions, measured by rollouts and cached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy
from repro.models.vllm_start import running_engine
from repro.spec.schema import Spec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest
from repro.tasks.problem import Problem, TaskData
from repro.tasks.reward_spec import reward_key
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.randomness import LABEL, derive_seed


def measured_pass_rates(
    policy: Policy,
    model: ModelSpec,
    dataset: DatasetSpec,
    data: TaskData,
    problems: Sequence[Problem],
    spec: Spec,
    cache: Cache,
    samples: int,
) -> np.ndarray:
    """(M,) mean rewards of `samples` completions of each problem, as the study samples and rewards them."""
    train, engine = spec.train, spec.train.rollout.for_other_policies()
    what = {
        "policy": policy.sampling_identity,
        "dataset": dataset_digest(dataset),
        "questions": [problem.id for problem in problems],
        **train.model_dump(mode="json", include={"temperature", "top_p", "max_completion_tokens"}),
        "samples": samples,
        **engine.cache_fields(),
        **reward_key(spec.reward),
    }

    def build(folder: Path) -> None:
        seed = derive_seed(LABEL, samples, len(problems))
        with running_engine(engine, model, data, policy) as running:
            sampler = Sampler(
                policy.model,
                policy.tokenizer,
                data,
                policy.style,
                train.max_completion_tokens,
                Ledger(),
                engine=running,
                reward=spec.reward,
            )
            _, rewards = sampler.completions(problems, samples, train.temperature, train.top_p, seed, "evaluate")
        np.save(folder / "pass_rates.npy", np.array([np.mean(row) for row in rewards]), allow_pickle=False)

    folder = cache.directory("held_out", digest(what), build)
    rates: np.ndarray = np.load(folder / "pass_rates.npy", allow_pickle=False)
    return rates
