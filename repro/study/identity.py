"""Run identity: a versioned hash of every field that changes a run's result, and of nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from repro.canonical import canonical, digest
from repro.difficulty.predictor_spec import PredictorSpec
from repro.errors import UserError
from repro.files import read_json
from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.spec.schema import Cell
from repro.study.once import Once
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.reward_spec import RewardTerm, reward_digests, reward_fields, rewards_accuracy
from repro.user_paths import absence, user_path

VERSION = "v3"
"""Raise it when the meaning of a field or of the training changes, so that old runs are not taken for new ones."""


class Digests:
    """Content digests of models and datasets, each computed once. Raises UserError when a local file is missing."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._once = Once()

    def of(self, cell: Cell) -> dict[str, Any]:
        """As `input_digests`; cells with common sections share what is read."""
        read = (cell.model, cell.dataset, cell.reward, cell.evaluate, cell.selection, cell.predictor)
        found: dict[str, Any] = self._once.of("inputs", lambda: input_digests(cell, self), *read)
        return found

    def dataset(self, dataset: DatasetSpec) -> str:
        """Digest of a dataset's content: files by content, tasks by fields and source, hub ones by revision."""
        found: str = self._once.of("dataset", lambda: self._dataset(dataset), dataset)
        return found

    def _dataset(self, dataset: DatasetSpec) -> str:
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
        found: str = self._once.of("policy", lambda: self._policy(model, dataset), model, dataset)
        return found

    def _policy(self, model: ModelSpec, dataset: DatasetSpec) -> str:
        key = model.model_dump_json() + dataset.model_dump_json()
        if key not in self._known:
            from repro.models.policy import policy_digest

            self._known[key] = policy_digest(model, dataset)
        return self._known[key]

    def predictor(self, path: str, embedder: ModelSpec | None, dataset: DatasetSpec) -> str:
        """Digest of a trained predictor as its card says, which loading checks.

        UserError where none is there, or where it was fitted on the embeddings of another model.
        """
        card = predictor_card(path)
        if embedder is not None and card.get("embedder") not in (None, self.policy(embedder, dataset)):
            raise UserError(
                f"predictor.embedder: {embedder.label!r} is not the model whose embeddings {path} was fitted on; "
                "expected that one, its revision, dtype and system_prompt too"
            )
        return str(card["digest"])


def identity(cell: Cell, digests: Digests | None = None) -> str:
    """`v3-` and 16 hexadecimal digits. Equal for cells that differ in labels, paths or unused fields only.

    Raises UserError when a local model or dataset cannot be found.
    """
    return identity_of({**result_fields(cell), **input_digests(cell, digests)})


def input_digests(cell: Cell, digests: Digests | None = None) -> dict[str, Any]:
    """The digests in an identity: of policy and dataset, and of what else a cell reads. UserError as `identity`."""
    digests = digests or Digests()
    found: dict[str, Any] = {
        "policy_digest": digests.policy(cell.model, cell.dataset),
        "dataset_digest": digests.dataset(cell.dataset),
    }
    if digests_of_rewards := digests.rewards(cell.reward):
        found["reward_digests"] = digests_of_rewards
    if cell.evaluate.benchmarks:
        found["benchmark_digests"] = [digests.benchmark(one) for one in cell.evaluate.benchmarks]
    if cell.selection.wants_predictor and cell.predictor is not None:
        if cell.predictor.path is not None:
            path, embedder = cell.predictor.path, cell.predictor.embedder
            found["predictor_digest"] = digests.predictor(path, embedder, cell.dataset)
        local = _local_models(cell.predictor, cell.dataset, digests)
        if local:
            found["predictor_models"] = local
    return found


def canonical_fields(cell: Cell, seeds: Sequence[int], once: Once, digests: Digests | None = None) -> list[str]:
    """For each seed, the canonical text of the fields that change the result of a cell with that seed.

    Args:
        once: what cells with common sections share.
        digests: adds the digests of an identity, so that `identity_of_text` gives it. UserError as `identity`.
    """

    def named(fields: dict[str, Any]) -> list[tuple[str, str]]:
        return [(name, once.of("text", partial(canonical, value), value)) for name, value in fields.items()]

    texts: list[tuple[str, str]] = once.of("texts", lambda: named(result_fields(cell, once)), cell)
    if digests is not None:
        texts = [*texts, *named(digests.of(cell))]
    pieces = [(name, f'"{name}":{text}') for name, text in sorted(texts) if name != "seed"]
    before = [piece for name, piece in pieces if name < "seed"]
    after = [piece for name, piece in pieces if name > "seed"]
    return ["{" + ",".join([*before, f'"seed":{seed}', *after]) + "}" for seed in seeds]


def _local_models(predictor: PredictorSpec, dataset: DatasetSpec, digests: Digests) -> dict[str, str]:
    """Digests of the predictor's models with local files, whose paths are no part of an identity."""
    named = {f"policies.{index}": policy for index, policy in enumerate(predictor.policies)}
    if predictor.embedder is not None:
        named["embedder"] = predictor.embedder
    found: dict[str, str] = {}
    for field, model in named.items():
        if resolved(model).path is not None or model.chat_template is not None or model.examples:
            try:
                found[field] = digests.policy(model, dataset)
            except UserError as error:
                raise UserError(f"predictor.{field}.{str(error).removeprefix('model.')}") from error
    return found


def identity_of(fields: dict[str, Any]) -> str:
    """The identity of fields that change the result."""
    return f"{VERSION}-{digest(fields, 16)}"


def identity_of_text(text: str) -> str:
    """The identity of a text of `canonical_fields`."""
    return f"{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def result_fields(cell: Cell, once: Once | None = None) -> dict[str, Any]:
    """Every field that changes the result and is not at its default, section by section.

    A field at its default stays out, so that a new optional field leaves the identities of old runs alone. Local
    paths are left out too: their content enters through a digest. `once`: what cells with common sections share; what
    is returned then belongs to them all.
    """
    made = (once or Once()).of
    train, model, dataset, selection, evaluate = cell.train, cell.model, cell.dataset, cell.selection, cell.evaluate
    size = train.group_size
    sections: dict[str, Any] = {
        "train": made("of train", lambda: _train_fields(cell), train, cell.budget, cell.reward),
        "evaluate": made("of evaluate", lambda: _evaluate_fields(cell), evaluate, selection),
        "selection": made(f"of selection in groups of {size}", lambda: selection.identity_fields(size), selection),
        "model": made("of model", lambda: _model_fields(model, dataset), model, dataset),
        "dataset": made("of dataset", lambda: _dataset_fields(dataset), dataset),
    }
    if cell.replay is not None:
        sections["replay"] = made("of replay", cell.replay.result_fields, cell.replay)
    if cell.budget is not None:
        sections["budget"] = made("of budget", cell.budget.result_fields, cell.budget)
    predictor = cell.predictor if selection.wants_predictor else None
    if predictor is not None:
        sections["predictor"] = made("of predictor", lambda: _predictor_fields(predictor, dataset), predictor, dataset)
    if rewarded := made("of reward", lambda: reward_fields(cell.reward), cell.reward):
        sections["reward"] = rewarded
    return {
        **{name: fields for name, fields in sections.items() if fields or name in ("replay", "budget")},
        "seed": cell.seed,
    }


def _train_fields(cell: Cell) -> dict[str, Any]:
    fields = cell.train.result_fields()
    if cell.budget is not None:
        fields.pop("steps", None)  # a budget stops the run instead
    if rewards_accuracy(cell.reward):
        fields.pop("min_spread", None)  # 0 and 1 are equal or differ by 1
    return fields


def _evaluate_fields(cell: Cell) -> dict[str, Any]:
    fields = cell.evaluate.result_fields()
    if not cell.selection.predicts:
        fields.pop("predictor_questions", None)  # nothing is predicted
    if cell.evaluate.benchmarks:
        fields["benchmarks"] = [one.measured_fields(cell.evaluate) for one in cell.evaluate.benchmarks]
    return fields


def predictor_card(path: str) -> dict[str, Any]:
    """The card of a trained predictor. UserError where none is there."""
    folder = user_path(path)
    card = read_json(folder / "card.json") if folder.is_dir() else None
    if not isinstance(card, dict) or "digest" not in card:
        broken_link = folder.is_symlink() and not folder.exists()
        what = absence(folder) if broken_link else "has no card.json of a difficulty predictor"
        raise UserError(
            f"predictor.path: {path!r} {what}; expected a directory written by "
            "`repro predictor train` or `repro predictor import`"
        )
    return card


def _predictor_fields(predictor: PredictorSpec, dataset: DatasetSpec) -> dict[str, Any]:
    if predictor.path is not None:
        return {"path": True}  # its content enters as a digest
    fields = predictor.result_fields()
    fields["policies"] = [_model_fields(policy, dataset) for policy in predictor.policies]
    return {**fields, "embedder": _model_fields(predictor.embedding_model, dataset)}


def _model_fields(model: ModelSpec, dataset: DatasetSpec) -> dict[str, Any]:
    model = resolved(model)
    fields = model.result_fields()
    if model.path is not None:
        fields["local"] = True
    if model.chat_template is not None:
        fields["chat_template"] = True  # its text enters as a digest
    if model.examples:
        fields["examples"] = True  # so do their texts
    if model.tiny is not None:
        fields["tiny"] = dict(fields["tiny"])
        if model.tiny.tokenizer == "characters":
            fields["tiny"].pop("vocabulary", None)
        start = dict(fields["tiny"].pop("warm_start", {}))
        if dataset.procedural is not None:
            start["teacher"] = model.tiny.warm_start.teacher(dataset.procedural).result_fields()
        start = {name: value for name, value in start.items() if value != {}}
        if start:
            fields["tiny"]["warm_start"] = start
        for name in ("system_prompt", "chat_template", "trust_remote_code"):
            fields.pop(name, None)  # its tokenizer has no chat template, and it has no code of its own
    return fields


def _dataset_fields(dataset: DatasetSpec) -> dict[str, Any]:
    fields = dataset.result_fields()
    if dataset.decontaminate != "drop":
        fields.pop("decontaminate", None)  # a warning changes nothing
    return fields
