"""Loads the models that a `predictor` section names, and embeds questions by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from repro.cache import Cache
from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.models.flops import FlopCounter
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_embedder, policy_digest
from repro.scoring.embeddings import embed_questions
from repro.scoring.scorer import Opened
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.training.ledger import Cost, Ledger

Say = Callable[[str], None]


@contextmanager
def naming(field: str) -> Iterator[None]:
    """What is wrong with a model is told with the field of the predictor that names it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{field}.{str(error).removeprefix('model.')}") from error


def percent(say: Say) -> Callable[[str, float], None]:
    return lambda message, done: say(f"{message} ({done:.0%})")


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
    with naming("predictor.embedder"):
        return Opened(*load_embedder(model, dataset, load_dataset(dataset), cache, percent(say)))


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
