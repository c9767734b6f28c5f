"""Run identity: a versioned hash of every field that changes a run's result, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.canonical import digest
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.files import read_json
from repro.models.model_spec import ModelSpec
from repro.selection.selection_spec import Difficulty
from repro.spec.schema import Cell, TrainSpec
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.dataset_spec import PROCEDURAL, DatasetSpec
from repro.tasks.reward_spec import RewardTerm, reward_digests, reward_fields

VERSION = "v1"
"""Raise it when the meaning of a field or of the training changes, so that old runs are not taken for new ones."""


class Digests:
    """Content digests of models and datasets, each computed once. Raises UserError when a local file is missing."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def dataset(self, dataset: DatasetSpec) -> str:
        """Digest of a dataset's content: files by content, procedural ones by their fields, hub ones by revision."""
        key = dataset.model_dump_json()
        if key not in self._known:
            from repro.tasks.datasets import dataset_digest

            self._known[key] = dataset_digest(dataset)
        return self._known[key]

    def benchmark(self, benchmark: Benchmark) -> str:
        """Digest of a benchmark's questions, as of a dataset's content."""
        from repro.tasks.datasets import held_out_digest

        try:
            return held_out_digest(benchmark.dataset)
        except UserError as error:
            raise UserError(f"evaluate.benchmarks: {benchmark.label}: {error}") from error

    def rewards(self, terms: Sequence[RewardTerm]) -> dict[str, str]:
        """Digest of the source of each reward that is no part of this package. UserError where it has no source."""
        found = {}
        for term in terms:
            key = f"reward {term.reward}"
            if key not in self._known and not term.is_accuracy:
                try:
                    self._known[key] = reward_digests([term]).get(term.reward, "")
                except ValueError as error:
                    raise UserError(f"reward: {error}") from error
            if self._known.get(key):
                found[term.reward] = self._known[key]
        return found

    def policy(self, model: ModelSpec, dataset: DatasetSpec) -> str:
        """Digest of the start policy; the embedded one depends on the dataset its warm start imitates."""
        key = model.model_dump_json() + dataset.model_dump_json()
        if key not in self._known:
            from repro.models.policy import policy_digest

            self._known[key] = policy_digest(model, dataset)
        return self._known[key]

    def predictor(self, path: str) -> str:
        """Digest of a trained predictor as its card says, which loading checks. UserError where none is there."""
        card = read_json(Path(path) / "card.json")
        if not isinstance(card, dict) or "digest" not in card:
            raise UserError(
                f"predictor.path: {path!r} has no card.json of a difficulty predictor; expected a directory written by "
                "`repro predictor train`"
            )
        return str(card["digest"])


def identity(cell: Cell, digests: Digests | None = None) -> str:
    """`v1-` and 16 hexadecimal digits. Equal for cells that differ in labels, paths or unused fields only.

    Raises UserError when a local model or dataset cannot be found.
    """
    digests = digests or Digests()
    fields = {
        **result_fields(cell),
        "policy_digest": digests.policy(cell.model, cell.dataset),
        "dataset_digest": digests.dataset(cell.dataset),
    }
    if digests_of_rewards := digests.rewards(cell.reward):
        fields["reward_digests"] = digests_of_rewards
    if cell.evaluate.benchmarks:
        fields["benchmark_digests"] = [digests.benchmark(one) for one in cell.evaluate.benchmarks]
    if "predictor" in fields and cell.predictor is not None and cell.predictor.path is not None:
        fields["predictor_digest"] = digests.predictor(cell.predictor.path)
    if "predictor" in fields and cell.predictor is not None:
        local = _local_models(cell.predictor, cell.dataset, digests)
        if local:
            fields["predictor_models"] = local
    return identity_of(fields)


def _local_models(predictor: PredictorSpec, dataset: DatasetSpec, digests: Digests) -> dict[str, str]:
    """Digests of the predictor's models with local files, whose paths are no part of an identity."""
    named = {f"policies.{index}": policy for index, policy in enumerate(predictor.policies)}
    if predictor.embedder is not None:
        named["embedder"] = predictor.embedder
    found: dict[str, str] = {}
    for field, model in named.items():
        if model.path is not None or model.chat_template is not None:
            try:
                found[field] = digests.policy(model, dataset)
            except UserError as error:
                raise UserError(f"predictor.{field}.{str(error).removeprefix('model.')}") from error
    return found


def identity_of(fields: dict[str, Any]) -> str:
    """The identity of fields that change the result."""
    return f"{VERSION}-{digest(fields, 16)}"


def result_fields(cell: Cell) -> dict[str, Any]:
    """Every field that changes the result, with defaults written out and what is switched off left out.

    Local paths are left out too: their content enters through a digest.
    """
    fields = cell.model_dump(mode="json", include={"train", "evaluate", "selection", "seed"}, exclude_none=True)
    del fields["train"]["rollout"]
    if cell.train.rollout.result_fields():
        fields["train"]["rollout"] = cell.train.rollout.result_fields()
    for name in ("gradient_checkpointing", "micro_batch"):
        fields["train"].pop(name, None)  # memory and time, not the result
    if cell.train.precision == TrainSpec.model_fields["precision"].default:
        del fields["train"]["precision"]
    fields["model"] = _model_fields(cell.model, cell.dataset)
    fields["dataset"] = _dataset_fields(cell.dataset)
    if cell.replay is not None:
        fields["replay"] = cell.replay.result_fields()
    if cell.budget is not None:
        fields["budget"] = cell.budget.model_dump(mode="json", exclude_none=True)
        del fields["train"]["steps"]  # a budget stops the run instead
    fields["evaluate"]["benchmarks"] = [one.measured_fields(cell.evaluate) for one in cell.evaluate.benchmarks]
    if not cell.evaluate.benchmarks:
        del fields["evaluate"]["benchmarks"]
    if not cell.evaluate.gradient_questions:
        del fields["evaluate"]["gradient_questions"]
    if not (cell.evaluate.predictor_questions and isinstance(cell.selection, Difficulty)):
        del fields["evaluate"]["predictor_questions"]  # nothing is predicted, or nobody looks
    if isinstance(cell.selection, Difficulty):
        fields["selection"] = _difficulty_fields(cell.selection, cell.train.group_size)
        if cell.selection.predictor == "trained" and cell.predictor is not None:
            fields["predictor"] = _predictor_fields(cell.predictor, cell.dataset)
    if cell.selection.method == "curriculum":
        del fields["selection"]["target" if cell.selection.by == "pass_rate" else "samples"]
    if not cell.train.min_spread:
        del fields["train"]["min_spread"]
    if rewarded := reward_fields(cell.reward):
        fields["reward"] = rewarded
    return fields


def _difficulty_fields(selection: Difficulty, group_size: int) -> dict[str, Any]:
    fields = selection.model_dump(mode="json") | {"samples": selection.samples or group_size}
    for name in ("measure", "predictor", "recalibration", "reuse_references"):
        if fields[name] == Difficulty.model_fields[name].default:
            del fields[name]
    if selection.predictor == "oracle":
        del fields["references"]  # it measures all
    return fields


def _predictor_fields(predictor: PredictorSpec, dataset: DatasetSpec) -> dict[str, Any]:
    if predictor.path is not None:
        return {"path": True}  # its content enters as a digest
    fields = predictor.model_dump(mode="json", exclude={"path", "policies", "embedder"})
    fields["policies"] = [_model_fields(policy, dataset) for policy in predictor.policies]
    return {**fields, "embedder": _model_fields(predictor.embedding_model, dataset)}


def _model_fields(model: ModelSpec, dataset: DatasetSpec) -> dict[str, Any]:
    fields = model.model_dump(mode="json", exclude_none=True, exclude={"name", "path"})
    if model.path is not None:
        fields["local"] = True
    if model.chat_template is not None:
        fields["chat_template"] = True  # its text enters as a digest
    if not model.stand_in:
        del fields["stand_in"]
    if model.tiny is not None:
        if model.tiny.tokenizer == "characters":
            del fields["tiny"]["vocabulary"]
        if dataset.arithmetic is None:
            del fields["tiny"]["warm_start"]["teacher"]
        if dataset.shuffle is None:
            del fields["tiny"]["warm_start"]["shuffle"]
        if dataset.variables is None:
            del fields["tiny"]["warm_start"]["variables"]
        del fields["trust_remote_code"]
        for name in ("system_prompt", "chat_template"):
            fields.pop(name, None)  # its tokenizer has no chat template
    return fields


def _dataset_fields(dataset: DatasetSpec) -> dict[str, Any]:
    made = next((name for name in PROCEDURAL if getattr(dataset, name) is not None), None)
    if made is not None:
        fields: dict[str, Any] = {made: getattr(dataset, made).model_dump(mode="json")}
    else:
        fields = dataset.model_dump(mode="json", exclude_none=True, exclude={"name", "path", "test_path", "limits"})
        for switched_off in ("filters", "without", "stand_in"):
            if not fields[switched_off]:
                del fields[switched_off]
        if dataset.decontaminate != "drop":
            del fields["decontaminate"]  # a warning changes nothing
    limits = dataset.limits.model_dump(mode="json", exclude_none=True)
    return {**fields, "limits": limits} if limits else fields
