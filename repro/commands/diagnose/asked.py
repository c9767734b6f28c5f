"""What a diagnosis is of: a policy, its questions, and the training that is meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from repro.cache import Cache
from repro.canonical import digest
from repro.commands.score.sources import Sources
from repro.diagnose.design import Design, design_of
from repro.diagnose.sampling import sampling_seed
from repro.models.model_spec import ModelSpec
from repro.models.policy import policy_digest, precise_identity
from repro.models.prompted import at_hand
from repro.models.rollout_spec import RolloutSpec
from repro.spec.schema import EvaluateSpec, TrainSpec
from repro.study.fit import fit_to_policy
from repro.study.inputs import Watched, dataset_files, model_paths
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import TaskData
from repro.tasks.registry import question_content
from repro.tasks.reward_spec import RewardTerm, accuracy_terms, reward_key
from repro.tasks.verify import MathVerifier

OF_TRAINING = ("group_size", "questions_per_step", "steps", "temperature", "top_p", "max_completion_tokens")


@dataclass(frozen=True)
class Pair:
    """`data` has the training questions alone, as a study would ask them. `inputs` are the files behind all of it."""

    model: ModelSpec
    dataset: DatasetSpec
    data: TaskData
    design: Design
    reward: tuple[RewardTerm, ...]
    inputs: Watched

    @property
    def policy(self) -> str:
        """Digest of the policy and how it is asked."""
        return policy_digest(self.model, self.dataset)

    @property
    def engine(self) -> RolloutSpec:
        """What makes the completions."""
        return self.design.train.rollout.for_other_policies()

    @property
    def name(self) -> str:
        """Names the folder of the report."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{self.model.label}-{self.dataset.label}").strip(".-")

    def fields(self, seed: int) -> dict[str, Any]:
        """What decides the completions of a question and their rewards, for the cache."""
        train, written = self.design.train, self.data.answer_format
        made = self.dataset.procedural
        return {
            "policy": precise_identity(self.policy, train.precision),
            "format": [written.answer_prefix, written.question_suffix],
            "task": None if made is None else digest(question_content(made)),
            "temperature": train.temperature,
            "top_p": train.top_p,
            "max_completion_tokens": train.max_completion_tokens,
            "seed": sampling_seed(seed),
            **self.engine.cache_fields(),
            **reward_key(self.reward),
        }


def pair_of(sources: Sources, options: argparse.Namespace) -> Pair:
    """The policy and questions of the command line or of its study. UserError for questions that do not suit."""
    cache = Cache(options.runs / "cache")
    model, dataset, study = sources.model, sources.dataset, sources.study
    inputs = Watched(lambda: _files(model, dataset))
    problems, written = sources.questions(cache)
    verifier = dataset.procedural.load().verifier if dataset.procedural is not None else MathVerifier()
    data = TaskData(dataset.label, problems, (), (), verifier, written)
    if study is None:
        given = {name: value for name in OF_TRAINING if (value := getattr(options, name)) is not None}
        design = Design(train=_train(given))
        asked = at_hand(model, cache, fetch=True)
        if asked is not None:
            data, _ = fit_to_policy(asked, dataset, design.train, EvaluateSpec(), data, {})
    else:
        design = design_of(study)
    chosen = {name: value for name in ("target", "prompt") if (value := getattr(options, name)) is not None}
    reward = tuple(accuracy_terms() if study is None else study.reward)
    return Pair(model, dataset, data, replace(design, **chosen), reward, inputs)


def _train(given: dict[str, Any]) -> TrainSpec:
    """The suite's training with some fields given; as many updates a step as its rows divide by, at most its own."""
    usual = TrainSpec()
    rows = given.get("questions_per_step", usual.questions_per_step) * given.get("group_size", usual.group_size)
    minibatches = next(count for count in range(usual.minibatches, 0, -1) if rows % count == 0)
    return TrainSpec.model_validate({**given, "minibatches": minibatches})


def _files(model: ModelSpec, dataset: DatasetSpec) -> Iterator[tuple[str, Path]]:
    yield from model_paths(model, "model")
    if model.tiny is not None or model.warm_start is not None:  # its warm start imitates the dataset
        yield from dataset_files(dataset)
