"""Builds a study's difficulty predictor: other policies' pass rates over a question pool, embeddings, trained towers.

Every part is cached by content: pass rates in chunks of questions, so that a kill costs one chunk, then the embeddings,
then the towers. All runs of a study that ask for the same predictor share it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.difficulty.fit import fit_predictor
from repro.difficulty.labels import Labels
from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.models.flops import FlopCounter
from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy, load_embedder, load_policy, policy_digest
from repro.models.rollout_spec import RolloutSpec
from repro.models.vllm_engine import VLLMEngine, start_engine
from repro.scoring.embeddings import embed_questions
from repro.scoring.scorer import Opened
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.problem import Problem, TaskData
from repro.tasks.reward_spec import RewardTerm, reward_key
from repro.training.evaluation import Sampler
from repro.training.ledger import Cost, Ledger
from repro.training.randomness import LABEL, derive_seed
from repro.training.ranks import Ranks

VERSION = 2
"""Enters every cache key here: raise it when the same fields would give other labels or towers."""

LABEL_POOL_SEED = 7_919
"""Added to the seed of a made-up task: its labels are of other questions than those a run draws from."""

CHUNK = 512
"""Questions whose pass rates are cached together."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A predictor, the folder it lies in, the identity of its embedder, and what it cost whoever built it."""

    predictor: DifficultyPredictor
    folder: Path
    cost: Cost


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
    labels = Labels(
        ids=tuple(problem.id for problem in pool.problems),
        questions=tuple(problem.question for problem in pool.problems),
        policies=tuple(model.label for model in spec.policies),
        pass_rates=np.stack(rates),  # (P, N)
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
            with _naming(f"predictor.policies.{spec.policies.index(model)}"):
                policy = load_policy(model, dataset, pool.data, cache, _percent(say))
            loaded.append((policy, start_engine(rollout, model, pool.data, policy)))
        return loaded[0]

    def chunk(start: int) -> Path:
        problems = pool.problems[start : start + CHUNK]

        def build(folder: Path) -> None:
            say(f"labels of {model.label}: question {start} of {len(pool.problems)}")
            policy, engine = load()
            ledger = Ledger()
            sampler = Sampler(
                policy.model,
                policy.tokenizer,
                pool.data,
                model.system_prompt,
                spec.max_completion_tokens,
                ledger,
                engine=engine,
                reward=reward,
            )
            seed = derive_seed(LABEL, start)
            _, rewards = sampler.completions(problems, spec.samples, spec.temperature, spec.top_p, seed, "probe")
            np.save(folder / "pass_rates.npy", np.array([np.mean(row) for row in rewards]), allow_pickle=False)
            (folder / "card.json").write_text(json.dumps({"cost": asdict(ledger.cost("probe"))}))

        key = _key(
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


@contextmanager
def _naming(field: str) -> Iterator[None]:
    """What is wrong with a model is told with the field of the predictor that names it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{field}.{str(error).removeprefix('model.')}") from error


def _percent(say: Say) -> Callable[[str, float], None]:
    return lambda message, done: say(f"{message} ({done:.0%})")


def build_predictor(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    cache: Cache,
    say: Say,
    labels: Labels | None = None,
    rollout: RolloutSpec | None = None,
    reward: Sequence[RewardTerm] | None = None,
) -> Built:
    """The predictor of a spec: loaded from its path, from the cache, or built. `labels` replace those of its policies.

    `rollout`: the engine behind the labels; `reward`: what they are means of (default: accuracy). UserError for a path
    that is no predictor, or a policy that does not load.
    """
    if spec.path is not None:
        return Built(DifficultyPredictor.load(Path(spec.path)), Path(spec.path), Cost())
    embedder = policy_digest(spec.embedding_model, dataset)
    given = None if labels is None else _labels_digest(labels)

    def build(folder: Path) -> None:
        made, cost = (labels, Cost()) if labels is not None else make_labels(spec, dataset, cache, say, rollout, reward)
        say("training the difficulty predictor")
        ledger = Ledger()
        with ledger.phase("score"):
            vectors, _ = embed(spec.embedding_model, made.questions, dataset, cache, say)
            predictor = fit_predictor(
                vectors,
                made.pass_rates,
                spec.towers,
                spec.fit,
                embedder=embedder,
                provenance={"policies": list(made.policies), "questions": len(made.ids), "dataset": dataset.label},
            )
        cost.add(ledger.cost("score"))
        predictor.save(folder / "predictor")
        (folder / "cost.json").write_text(json.dumps(asdict(cost)))

    key = _key(
        dataset=label_pool(spec, dataset).digest,
        policies=[policy_digest(model, dataset) for model in spec.policies],
        embedder=embedder,
        labels=given,
        **spec.model_dump(mode="json", exclude={"path", "policies", "embedder"}),
        **({} if given or rollout is None else rollout.for_other_policies().cache_fields()),
        **({} if given else reward_key(reward or ())),
    )
    folder = cache.directory("predictor", key, build)
    predictor = DifficultyPredictor.load(folder / "predictor")
    return Built(predictor, folder / "predictor", Cost(**json.loads((folder / "cost.json").read_text())))


def embed(
    model: ModelSpec, questions: Sequence[str], dataset: DatasetSpec, cache: Cache, say: Say
) -> tuple[np.ndarray, Cost]:
    """(N, width) frozen mean-pooled states of the embedding model over the questions' bare text, and the cost."""
    embedder = open_embedder(model, dataset, cache, say)
    ledger = Ledger()
    with ledger.phase("score"):
        vectors, cost = embed_questions(embedder.model, embedder.tokenizer, questions)
    flops = FlopCounter.of(embedder.model).forward(cost.lengths)
    ledger.add("score", scored_tokens=cost.computed_tokens, flops=flops)
    return vectors, ledger.cost("score")


def open_embedder(model: ModelSpec, dataset: DatasetSpec, cache: Cache, say: Say) -> Opened:
    """The embedding model, loaded. UserError as `load_embedder`, naming `predictor.embedder`."""
    with _naming("predictor.embedder"):
        return Opened(*load_embedder(model, dataset, load_dataset(dataset), cache, _percent(say)))


def find_embedder(spec: PredictorSpec, predictor: DifficultyPredictor, dataset: DatasetSpec) -> ModelSpec:
    """The model whose states the predictor reads. UserError where the spec names none or another one."""
    if spec.embedder is None and not spec.policies:
        raise UserError(
            "predictor.embedder: got none beside predictor.path, expected the model that embedded the questions "
            f"when {spec.path} was trained"
        )
    model = spec.embedding_model
    digest = policy_digest(model, dataset)
    if digest != predictor.embedder:
        raise UserError(
            f"predictor.embedder: {model.label!r} is not the model whose embeddings {spec.path} was trained on "
            f"(digests {digest} and {predictor.embedder})"
        )
    return model


def check_apart(spec: PredictorSpec, model: ModelSpec, dataset: DatasetSpec) -> None:
    """UserError where the policy that is trained is one of those that gave the labels: nothing would be held out."""
    digest = policy_digest(model, dataset)
    for position, policy in enumerate(spec.policies):
        if policy_digest(policy, dataset) == digest:
            raise UserError(
                f"predictor.policies.{position}: {policy.label!r} is the policy that is trained ({model.label!r}); "
                f"expected other policies, for instance another size, seed or warm_start.updates"
            )


def _labels_digest(labels: Labels) -> str:
    return digest([labels.ids, labels.policies, labels.pass_rates.tolist()], 64)


def _key(**what: Any) -> str:
    return digest({"version": VERSION, **what})
