"""Builds a study's difficulty predictor: labels from other policies, embeddings, trained towers.

Every part is cached by content: the labels, then the embeddings, then the towers. All runs of a study that ask for the
same predictor share it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from repro.cache import Cache
from repro.canonical import digest
from repro.difficulty.fit import fit_predictor
from repro.difficulty.labels import Labels
from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import PredictorSpec
from repro.difficulty.shipped import COST_FILE, shipped_predictor
from repro.models.policy import policy_digest
from repro.models.rollout_spec import RolloutSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.reward_spec import RewardTerm, reward_key
from repro.training.ledger import Cost, Ledger
from repro.training.predictor_key import predictor_key
from repro.training.predictor_labels import label_pool, make_labels
from repro.training.predictor_models import Say, embed
from repro.user_paths import user_path


@dataclass(frozen=True)
class Built:
    """A predictor, the folder it lies in, the identity of its embedder, and what it cost whoever built it."""

    predictor: DifficultyPredictor
    folder: Path
    cost: Cost


def build_predictor(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    cache: Cache,
    say: Say,
    labels: Labels | None = None,
    rollout: RolloutSpec | None = None,
    reward: Sequence[RewardTerm] | None = None,
) -> Built:
    """The predictor of a spec: loaded from its path, the package or the cache, or built.

    `labels` replace those of its policies; `rollout`: the engine behind the labels; `reward`: what they are means of
    (default: accuracy). UserError for a path that is no predictor, or a policy that does not load.
    """
    if spec.path is not None:
        folder = user_path(spec.path)
        return Built(DifficultyPredictor.load(folder), folder, Cost())
    embedder = policy_digest(spec.embedding_model, dataset)

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
        (folder / COST_FILE).write_text(json.dumps(asdict(cost)))

    key = built_key(spec, dataset, labels, rollout, reward)
    folder = shipped_predictor(key) or cache.directory("predictor", key, build)
    predictor = DifficultyPredictor.load(folder / "predictor")
    return Built(predictor, folder / "predictor", Cost(**json.loads((folder / COST_FILE).read_text())))


def built_key(
    spec: PredictorSpec,
    dataset: DatasetSpec,
    labels: Labels | None = None,
    rollout: RolloutSpec | None = None,
    reward: Sequence[RewardTerm] | None = None,
) -> str:
    """Names what `build_predictor` builds from policies or `labels`: the same key, the same predictor."""
    given = None if labels is None else _labels_digest(labels)
    return predictor_key(
        dataset=label_pool(spec, dataset).digest,
        policies=[policy_digest(model, dataset) for model in spec.policies],
        embedder=policy_digest(spec.embedding_model, dataset),
        labels=given,
        **spec.model_dump(mode="json", exclude={"path", "policies", "embedder"}),
        **({} if given or rollout is None else rollout.for_other_policies().cache_fields()),
        **({} if given else reward_key(reward or ())),
    )


def _labels_digest(labels: Labels) -> str:
    return digest([labels.ids, labels.policies, labels.pass_rates.tolist()], 64)
