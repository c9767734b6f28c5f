"""The labels of a difficulty predictor: pass rates of other policies over a pool of questions.

They are cached in chunks of questions, so that a kill costs one chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.difficulty.labels import Labels
from repro.difficulty.predictor_spec import PredictorSpec
from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy, load_policy, policy_digest
from repro.models.prompt_room import room_of
from repro.models.prompted import Prompted
from repro.models.rollout_spec import RolloutSpec
from repro.models.vllm_engine import VLLMEngine
from repro.models.vllm_start import start_engine
from repro.study.fit import which_are_asked
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.problem import Problem, TaskData
from repro.tasks.reward_spec import RewardTerm, reward_key
from repro.training.evaluation import Sampler
from repro.training.ledger import Cost, Ledger
from repro.training.predictor_key import predictor_key
from repro.training.predictor_models import Say, naming, percent
from repro.training.randomness import LABEL, derive_seed
from repro.training.ranks import Ranks

LABEL_POOL_SEED = 7_919
"""Added to the seed of a made-up task: its labels are of other questions than those a run draws from."""

CHUNK = 512
"""Questions whose pass rates are cached together."""


@dataclass(frozen=True)
class LabelPool:
    """The questions whose pass rates are labels; `data` gives their verifier and prompt format."""

    data: TaskData
    problems: tuple[Problem, ...]
    digest: str


def label_pool(spec: PredictorSpec, dataset: DatasetSpec) -> LabelPool:
    """Questions for labels: of a made-up task with another seed and never those of the run's own pool; of other data
    the first training questions, as in the paper."""
    made = dataset.procedural
    if made is None:
        data = load_dataset(dataset)
        problems = data.train[: spec.questions]
    else:
        others = made.model_copy(update={"seed": made.seed + LABEL_POOL_SEED, "pool": spec.questions})
        data = others.load()
        own = {problem.question for problem in load_dataset(dataset).train}
        problems = tuple(problem for problem in data.train if problem.question not in own)
    content = [dataset_digest(dataset), [problem.id for problem in problems]]
    return LabelPool(data, problems, digest(content, 64))


def make_labels(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    cache: Cache,
    say: Say,
    rollout: RolloutSpec | None = None,
    reward: Sequence[RewardTerm] | None = None,
) -> tuple[Labels, Cost]:
    """Pass rates of every policy of the spec over the label pool, and what they cost. UserError as `load_policy`.

    `rollout`: the engine that makes the completions (default: each policy's own generate); `reward`: what the labels
    are means of (default: accuracy).
    """
    pool = label_pool(spec, dataset)
    total, rates = Cost(), []
    engine = (rollout or RolloutSpec()).for_other_policies()
    for model in spec.policies:
        parts = []
        for folder in _chunks(spec, dataset, pool, model, cache, say, engine, reward):
            card = json.loads((folder / "card.json").read_text())
            total.add(Cost(**card["cost"]))
            parts.append(np.load(folder / "pass_rates.npy", allow_pickle=False))
        rates.append(np.concatenate(parts))
    known = np.stack(rates)  # (P, N)
    asked = ~np.isnan(known).any(axis=0)  # (N,) of all policies
    if not asked.all():
        say(f"labels: {int((~asked).sum())} of {len(asked)} questions are too long or examples, and left out")
    problems = [problem for problem, every in zip(pool.problems, asked, strict=True) if every]
    labels = Labels(
        ids=tuple(problem.id for problem in problems),
        questions=tuple(problem.question for problem in problems),
        policies=tuple(model.label for model in spec.policies),
        pass_rates=known[:, asked],
        samples=np.full(len(spec.policies), spec.samples),
    )
    return labels, total


def share_labels(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    cache: Cache,
    say: Say,
    rollout: RolloutSpec,
    ranks: Ranks,
    reward: Sequence[RewardTerm] | None = None,
) -> None:
    """Let each rank roll out its part of the chunks, so that `make_labels` finds all of them cached. Collective."""
    if ranks.count == 1 or spec.path is not None:
        return
    pool, engine = label_pool(spec, dataset), rollout.for_other_policies()
    for position, model in enumerate(spec.policies):
        first = (ranks.index + position) % ranks.count
        for _ in _chunks(spec, dataset, pool, model, cache, say, engine, reward, first, ranks.count):
            pass
    ranks.wait()


def _chunks(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    pool: LabelPool,
    model: ModelSpec,
    cache: Cache,
    say: Say,
    rollout: RolloutSpec,
    reward: Sequence[RewardTerm] | None,
    first: int = 0,
    every: int = 1,
) -> Iterator[Path]:
    """The cached pass rates of one policy, chunk by chunk (`every` so many from `first` on); it is loaded where one
    is missing."""
    loaded: list[tuple[Policy, VLLMEngine | None]] = []

    def load() -> tuple[Policy, VLLMEngine | None]:
        if not loaded:
            with naming(f"predictor.policies.{spec.policies.index(model)}"):
                policy = load_policy(model, dataset, pool.data, cache, percent(say))
            loaded.append((policy, start_engine(rollout, model, pool.data, policy)))
        return loaded[0]

    def chunk(start: int) -> Path:
        problems = pool.problems[start : start + CHUNK]

        def build(folder: Path) -> None:
            say(f"labels of {model.label}: question {start} of {len(pool.problems)}")
            policy, engine = load()
            longest, field = spec.max_completion_tokens, "predictor.max_completion_tokens"
            room = room_of(policy.model.config, model.label, longest, field=field)
            suffix = pool.data.answer_format.question_suffix
            label = f"label ({model.label})"
            fits = which_are_asked(Prompted.of(policy), dataset, problems, suffix, room, label)
            ledger = Ledger()
            sampler = Sampler(
                policy.model,
                policy.tokenizer,
                pool.data,
                policy.style,
                spec.max_completion_tokens,
                ledger,
                engine=engine,
                reward=reward,
            )
            seed = derive_seed(LABEL, start)
            asked = [problem for problem, fitting in zip(problems, fits, strict=True) if fitting]
            _, rewards = sampler.completions(asked, spec.samples, spec.temperature, spec.top_p, seed, "probe")
            rates = np.full(len(problems), np.nan)  # NaN: not asked
            rates[fits] = [np.mean(row) for row in rewards]
            np.save(folder / "pass_rates.npy", rates, allow_pickle=False)
            (folder / "card.json").write_text(json.dumps({"cost": asdict(ledger.cost("probe"))}))

        key = predictor_key(
            policy=policy_digest(model, dataset),
            pool=pool.digest,
            start=start,
            count=len(problems),
            **spec.model_dump(mode="json", include={"samples", "temperature", "top_p", "max_completion_tokens"}),
            **rollout.cache_fields(),
            **reward_key(reward or ()),
        )
        return cache.directory("labels", key, build)

    try:
        for start in range(first * CHUNK, len(pool.problems), every * CHUNK):
            yield chunk(start)
    finally:
        for _, engine in loaded:
            if engine is not None:
                engine.close()
