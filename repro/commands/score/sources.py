"""From the words of the command line to the policy and the questions of a spec: embedded, local or on the hub."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from repro.cache import Cache
from repro.errors import UserError
from repro.fields import HUB_ID
from repro.models.catalogue import MODEL_NAMES
from repro.models.model_spec import ModelSpec
from repro.models.model_spec import shorthand as known_model
from repro.models.prompted import at_hand
from repro.study.fit import fit_to_policy
from repro.tasks import registry
from repro.tasks.catalogue import NAMES
from repro.tasks.dataset_spec import DatasetSpec, shorthand
from repro.tasks.datasets import load_dataset, load_questions
from repro.tasks.problem import AnswerFormat, Problem
from repro.user_paths import absence, user_path
from repro.words import did_you_mean, listed, nearest

if TYPE_CHECKING:
    from repro.spec.schema import Spec

Item = TypeVar("Item", ModelSpec, DatasetSpec)
HUB = "hub:"
SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv", ".txt", ".gz", ".zip", ".gguf")


def model_spec(options: argparse.Namespace) -> ModelSpec:
    """The policy of `--model`. Raises UserError where it is a path that does not exist."""
    text = options.model
    fields: dict[str, Any] = {"dtype": options.dtype or "float32", "system_prompt": options.system_prompt}
    if options.examples is not None:
        fields["examples"] = {"file": options.examples}
    if (known := known_model(text)) is not None:
        source: dict[str, Any] = known
        if "named" in known:
            fields["revision"] = options.revision
    elif (path := _local(text, "--model", "a directory saved by transformers, or a .gguf file")) is not None:
        source = {"path": str(path)}
    else:
        return ModelSpec.model_validate({"hub": text.removeprefix(HUB), "revision": options.revision, **fields})
    if options.revision is not None and "revision" not in fields:
        raise UserError(f"--revision: got {options.revision!r} with --model {text}, which is not on the hub")
    return ModelSpec.model_validate({**source, **fields})


def dataset_spec(options: argparse.Namespace) -> DatasetSpec:
    """The questions of `--dataset`, nothing held back. Raises UserError where it is a path that does not exist."""
    text = options.dataset
    fields = {name: value for name in ("question", "answer", "solution", "id") if (value := getattr(options, name))}
    on_hub = {"config": options.config, "revision": options.data_revision}
    task = task_of(text)
    known = task is not None or text in NAMES
    path = None if known else _local(text, "--dataset", "a .jsonl, .json, .parquet or .csv file, or a folder of them")
    hub = not known and path is None
    whole = task is not None or (path is not None and path.is_file())
    unused = [
        *(["--question", "--answer", "--solution", "--id"] if task is not None and fields else []),
        *(["--config"] if options.config and whole else []),
        *(["--data-revision"] if options.data_revision and not hub and text not in NAMES else []),
        *(["--split"] if options.split and path is not None and path.is_file() else []),
    ]
    if unused:
        raise UserError(f"--dataset {text}: got {unused[0]}, which it has no use for; leave it out")
    if task is not None:
        return task.model_copy(update={"train_split": options.split or "train"})
    if text in NAMES:
        source: dict[str, Any] = {"named": text}
    else:
        source = {"hub": text.removeprefix(HUB)} if hub else {"path": str(path)}
    split = {} if text in NAMES and options.split is None else {"train_split": options.split or "train"}
    whole_split: dict[str, Any] = {"test_split": None, "validation_fraction": 0.0, "filters": {}, "without": []}
    made = {**source, **on_hub, **fields, **split, **whole_split}
    return DatasetSpec.model_validate(made)


def task_of(text: str) -> DatasetSpec | None:
    """The made-up questions that `--dataset` names, None where it is no task. Raises UserError for a faulty class."""
    found = shorthand(text)
    if found is None or "named" in found or text.startswith(HUB):
        return None
    try:
        return DatasetSpec.model_validate(found)
    except ValidationError as error:
        reasons = "; ".join(str(item["ctx"].get("error", item["msg"])) for item in error.errors())
        raise UserError(f"--dataset: {reasons}") from None


@dataclass(frozen=True)
class Sources:
    """Where policy and questions come from; `study` is the spec that named them, if one did."""

    model: ModelSpec
    dataset: DatasetSpec
    study: Spec | None = None

    def questions(self, cache: Cache) -> tuple[tuple[Problem, ...], AnswerFormat]:
        """The training questions of the study, as its jobs see them; without one, every question of the split."""
        if self.study is None:
            return load_questions(self.dataset)
        data = replace(load_dataset(self.dataset), validation=(), test=(), extra={})
        train = self.study.train
        if self.dataset.too_long == "drop" or train.max_prompt_tokens is not None or self.model.examples:
            asked = at_hand(self.model, cache, fetch=True)
            if asked is not None:
                data, _ = fit_to_policy(asked, self.dataset, train, self.study.evaluate, data, {})
        return data.train, data.answer_format


def resolve(options: argparse.Namespace) -> Sources:
    """The sources of checked options; nothing is loaded yet. Raises UserError for what is not there."""
    if options.spec is None:
        model, dataset = model_spec(options), dataset_spec(options)
        if model.tiny is not None and dataset.procedural is None:
            raise UserError(
                f"--model tiny: the embedded policy is taught the questions of a task ({', '.join(registry.names())}), "
                f"not those of {options.dataset}; expected --model DIR or a hub id, or --spec with a study that has "
                "its warm start on these data"
            )
        return Sources(model, dataset)
    from repro.study.load import load_spec

    study = load_spec(options.spec).spec
    model = _labelled(study.model, options.model, "--model", options.spec)
    return Sources(model, _labelled(study.dataset, options.dataset, "--dataset", options.spec), study)


def _labelled(items: Sequence[Item], label: str | None, option: str, spec: Path) -> Item:
    """The item of that label, or the only one."""
    labels = [item.label for item in items]
    if label is None and len(items) == 1:
        return items[0]
    if label in labels:
        return items[labels.index(label)]
    got = f"got no {option}" if label is None else f"got {option} {label}"
    hint = "" if label is None else did_you_mean(label, labels)
    raise UserError(f"{spec}: {got}, expected the label of one of its own: {listed(labels)}{hint}")


def _local(text: str, option: str, what: str) -> Path | None:
    """The existing file or directory that `text` names; None where it can only be a hub id. Raises UserError."""
    if not text.strip():
        raise UserError(f"{option}: got {text!r}, expected {what}, or a name")
    if text.startswith(HUB):
        _check_id(text.removeprefix(HUB), option)
        return None
    path = user_path(text)
    if path.exists():
        return path
    parent_exists = path.parent.is_dir() and path.parent != Path()
    if path_like(text) or parent_exists:
        names = sorted(p.name for p in path.parent.iterdir() if p.exists()) if path.parent.is_dir() else []
        near = nearest(path.name, names)
        hint = f"\n  nearest: {path.parent / near}" if near else ""
        where = "" if path.is_absolute() else f" (looked from {Path.cwd()})"
        also = f"\n  a hub id of that name: {option} {HUB}{text}" if HUB_ID.fullmatch(text) else ""
        raise UserError(f"{option}: {text} {absence(path)}{where}; expected {what}{hint}{also}")
    _check_id(text, option)
    return None


def path_like(text: str) -> bool:
    """Whether a word can only be a path: by its first character, its depth or its ending."""
    deep = text.count("/") > 1 or "\\" in text
    return deep or text.startswith(("/", ".", "~")) or text.endswith(("/", *SUFFIXES))


def _check_id(text: str, option: str) -> None:
    if not HUB_ID.fullmatch(text):
        raise UserError(f"{option}: got {text!r}, expected an existing path or a hub id such as organisation/name")


@contextmanager
def loading(text: str | None, option: str, from_hub: bool) -> Iterator[None]:
    """Where a word was taken for a hub id and does not load, say so: it may have been meant as a path."""
    try:
        yield
    except UserError as error:
        if not from_hub or text is None or text.startswith(HUB):
            raise
        here = [p.name for p in Path().iterdir() if not p.name.startswith(".")]
        known = ["tiny", *MODEL_NAMES] if option == "--model" else [*registry.names(), *NAMES]
        near = nearest(text, [*known, *here])
        hint = f"; nearest name: {near}" if near else ""
        raise UserError(
            f"{option} {text}: no such file or directory in {Path.cwd()}, so it was taken for a hub id{hint}\n{error}"
        ) from error
