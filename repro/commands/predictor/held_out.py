"""One predictor against one held-out policy on held-out questions, beside what it has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.commands.predictor.measured import measured_pass_rates
from repro.difficulty.baselines import Method, surface_labels, surface_references, trained, untrained
from repro.difficulty.estimators import TrainedEstimator
from repro.difficulty.evaluate import evaluate_predictor
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy
from repro.models.prompt_room import room_of
from repro.models.prompted import Prompted
from repro.models.rollout_spec import RolloutSpec
from repro.scoring.embeddings import embed_questions
from repro.spec.schema import Spec
from repro.study.fit import which_are_asked
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.training.predictor_labels import make_labels
from repro.training.predictor_models import Say, check_apart, embed, find_embedder
from repro.training.predictors import Built

SAMPLES = 16
"""Completions behind a measured pass rate."""

SHOWN = {
    "trained": "trained towers",
    "recalibrated": "trained, line left one out",
    "untrained": "untrained embeddings",
    "surface_labels": "length and operators, labels",
    "surface_references": "length and operators, references",
}


def evaluate_pair(
    built: Built,
    spec: Spec,
    model: ModelSpec,
    dataset: DatasetSpec,
    cache: Cache,
    say: Say,
    counts: Sequence[int],
) -> list[dict[str, Any]]:
    """A record of `evaluate_predictor` per number of references, with `policy` and `dataset`.

    The questions are the training pool of a made-up task, from which no label was taken; of other data they are those
    held back for validation and testing. UserError where the policy gave labels itself or the questions are too few.
    """
    predictor = spec.predictor
    assert predictor is not None
    check_apart(predictor, model, dataset)
    data = load_dataset(dataset)
    held = data.train if dataset.procedural else (*data.validation, *data.test)
    policy = load_policy(model, dataset, data, cache)
    room = room_of(policy.model.config, model.label, spec.train.max_completion_tokens)
    suffix = data.answer_format.question_suffix
    asked = which_are_asked(Prompted.of(policy), dataset, held, suffix, room, "held-out")
    held = tuple(problem for problem, every in zip(held, asked, strict=True) if every)
    questions = [problem.question for problem in held]
    pass_rates = measured_pass_rates(policy, model, dataset, data, held, spec, cache, SAMPLES)
    embeddings, _ = embed(find_embedder(predictor, built.predictor, dataset), questions, dataset, cache, say)
    own, _ = embed_questions(policy.model, policy.tokenizer, questions)
    methods = _methods(built, predictor, dataset, spec.train.rollout, cache, say, questions, embeddings, own)
    train, records = spec.train, []
    for count in counts:
        batch = min(train.questions_per_step, len(held) - count)
        if batch < 1 or count >= len(held) - 2:
            raise UserError(f"--references: {count}, expected fewer than the {len(held)} held-out questions")
        found = evaluate_predictor(
            methods,
            pass_rates,
            references=count,
            group_size=train.group_size,
            batch=batch,
            reference_samples=train.group_size,
        )
        place = {"policy": model.label, "dataset": dataset.label, "samples": SAMPLES}
        records.append({**place, **found.record, "predictor": built.predictor.digest})
    return records


def _methods(
    built: Built,
    spec: PredictorSpec,
    dataset: DatasetSpec,
    rollout: RolloutSpec,
    cache: Cache,
    say: Say,
    questions: Sequence[str],
    embeddings: np.ndarray,
    own: np.ndarray,
) -> dict[str, Method]:
    recalibrated = TrainedEstimator(built.predictor, embeddings, "left_out")
    methods: dict[str, Method] = {
        "trained": trained(built.predictor, embeddings),
        "recalibrated": lambda references, truth: recalibrated.estimate(references, truth).failure,
        "untrained": untrained(own),
        "surface_references": surface_references(questions),
    }
    if spec.path is None:  # the labels are at hand
        labels, _ = make_labels(spec, dataset, cache, say, rollout)
        failure = 1.0 - labels.pass_rates.mean(axis=0)  # (N,)
        methods["surface_labels"] = surface_labels(questions, labels.questions, failure)
    return methods


def summary_table(records: Sequence[dict[str, Any]]) -> str:
    """What the records say, as text: a block per policy, dataset and number of references."""
    lines = []
    for record in records:
        lines.append(
            f"{record['policy']} on {record['dataset']}, K = {record['references']}: {record['questions']} held-out "
            f"questions x {record['samples']} samples, 95 % intervals over questions and {record['repeats']} draws"
        )
        lines.append(
            f"  {'method':34}{'Pearson':22}{'Spearman':10}{'MSE':8}{'chosen in [1/G, 1-1/G]':24}first minus it"
        )
        for name, found in record["methods"].items():
            difference = record["differences"].get(name, {}).get("pearson")
            lines.append(
                f"  {SHOWN[name]:34}{_spread(found['pearson']):22}{_number(found['spearman']['value']):10}"
                f"{_number(found['mse']['value'], 4):8}{_spread(found['chosen']):24}"
                f"{'' if difference is None else _spread(difference)}"
            )
        lines.append(
            f"  of {record['batch']} questions chosen at random {_spread(record['chosen_at_random'])}, by an oracle "
            f"{_spread(record['chosen_by_oracle'])}"
        )
    return "\n".join(lines)


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _spread(interval: dict[str, float | None]) -> str:
    return f"{_number(interval['value'])} [{_number(interval['low'])}, {_number(interval['high'])}]"
