"""Datasets of questions with known answers: procedural, local files, the hub, or one known by name."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.spec.datasets import DatasetSpec
from repro.tasks.fields import digest, problems_of, same_question
from repro.tasks.files import check_extension, file_digest, find_path, read_rows, split_files
from repro.tasks.problem import AnswerFormat, Problem, TaskData
from repro.tasks.verify import MathVerifier

NAMED = {"gsm8k": ("openai/gsm8k", "main")}
"""Name in a spec -> hub id and configuration."""
TEST_SHARE = 0.1
"""Share of train that becomes the test split where a dataset has none."""
ARITHMETIC_VERSION = SHUFFLE_VERSION = VARIABLES_VERSION = 1
"""Raise it when the same fields give other questions: it enters the identity of runs."""
TEXT_FORMAT = AnswerFormat(answer_prefix="\n#### ", question_suffix="\n")


@dataclass(frozen=True)
class Hub:
    """A hub dataset: downloaded (or read from the library's own cache) when it is loaded."""

    id: str
    config: str | None
    revision: str | None


@dataclass(frozen=True)
class Sources:
    """Where the rows come from. `test` is None where the test split is cut from train."""

    train: tuple[Path, ...] | Hub
    test: tuple[Path, ...] | Hub | None


def load_dataset(spec: DatasetSpec) -> TaskData:
    """The problems of a spec, the same on every machine, splits disjoint by question, ids unique over all of them.

    A question of the test split that is also in train is dropped from train, and a repeated question is kept once,
    each with a warning that counts them. Validation is the share of train whose questions have the smallest digests,
    so it does not depend on the order of the file. Raises UserError naming file, item and field.
    """
    if spec.arithmetic is not None:
        from repro.tasks.arithmetic import make_arithmetic

        return replace(_limited(make_arithmetic(spec.arithmetic), spec), name=spec.label)
    if spec.shuffle is not None:
        from repro.tasks.shuffle import make_shuffle

        return replace(_limited(make_shuffle(spec.shuffle), spec), name=spec.label)
    if spec.variables is not None:
        from repro.tasks.variables import make_variables

        return replace(_limited(make_variables(spec.variables), spec), name=spec.label)
    sources = find_sources(spec)
    train = _once(_problems(sources.train, spec, spec.train_split), f"{spec.label}: train")
    if sources.test is None:
        train, test = _cut(train, max(1, round(TEST_SHARE * len(train))), "test")
    else:
        held = _test_spec(spec)
        test = _once(_problems(sources.test, held, held.test_split or "test"), f"{held.label}: test")
        held_out = {same_question(p.question) for p in test}
        shared = [p for p in train if same_question(p.question) in held_out]
        if shared:
            _warn(
                f"{spec.label}: {len(shared)} train questions are also test questions; dropped from train; "
                f"the first is {_named(shared[0])}"
            )
            train = [p for p in train if same_question(p.question) not in held_out]
        if {p.id for p in train} & {p.id for p in test}:  # files that each count from 0
            test = [replace(p, id=f"test/{p.id}") for p in test]
    wanted = round(spec.validation_fraction * len(train))
    train, validation = _cut(train, max(1, wanted) if spec.validation_fraction else 0, "validation")
    if not train:
        raise UserError(
            f"dataset {spec.label}: no training question is left beside {len(test)} test and {len(validation)} "
            "validation questions; expected more rows, or a smaller dataset.validation_fraction"
        )
    data = TaskData(spec.label, tuple(train), tuple(validation), tuple(test), MathVerifier(), TEXT_FORMAT)
    return _limited(data, spec)


def load_questions(spec: DatasetSpec) -> tuple[tuple[Problem, ...], AnswerFormat]:
    """Every question of the split `train_split`, once and in the dataset's order, and how its answers are written.

    Nothing is held back for validation or testing and no other split is looked at; `limits.train` applies. A repeated
    question is kept once, with a warning. Raises UserError naming file, item and field.
    """
    split = spec.train_split
    if spec.procedural is not None:
        data = load_dataset(spec)
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        if split not in splits:
            raise UserError(f"dataset {spec.label}: no split {split!r}; splits found: {', '.join(splits)}")
        return splits[split][: spec.limits.train], data.answer_format
    source = find_sources(spec.model_copy(update={"test_split": None, "test_path": None, "test_named": None})).train
    return tuple(_once(_problems(source, spec, split), f"{spec.label}: {split}")[: spec.limits.train]), TEXT_FORMAT


def dataset_digest(spec: DatasetSpec) -> str:
    """Digest (hex) of all that decides which problems `load_dataset` gives; labels and paths do not enter.

    Local files count by content, procedural tasks by their fields, hub datasets by id, configuration and revision:
    nothing is downloaded. Raises UserError where a local file is missing.
    """
    content: dict[str, Any] = {"limits": spec.limits.model_dump()}
    if spec.arithmetic is not None:
        content |= {"arithmetic": spec.arithmetic.model_dump(), "version": ARITHMETIC_VERSION}
    elif spec.shuffle is not None:
        content |= {"shuffle": spec.shuffle.model_dump(), "version": SHUFFLE_VERSION}
    elif spec.variables is not None:
        content |= {"variables": spec.variables.model_dump(), "version": VARIABLES_VERSION}
    else:
        sources = find_sources(spec)
        content |= {key: getattr(spec, key) for key in ("question", "answer", "solution", "id", "validation_fraction")}
        content["train"] = _source_digest(sources.train, spec.train_split)
        content["test"] = _source_digest(sources.test, _test_spec(spec).test_split)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_sources(spec: DatasetSpec) -> Sources:
    """The files or the hub dataset of a spec that is not procedural. Raises UserError where a file is missing."""
    field = "REPRO_DATA" if spec.path is None else "dataset.path"
    path = named_folder(spec) if spec.path is None else find_path(spec.path, field)
    train: tuple[Path, ...] | Hub
    test: tuple[Path, ...] | Hub | None
    if path is None:
        hub_id, config = NAMED[spec.named] if spec.named else (str(spec.hub), None)
        train = Hub(hub_id, spec.config or config, spec.revision)
        test = None if spec.test_split is None else train
    elif path.is_dir():
        folder = data_folder(path, spec)
        train = _split(folder, spec.train_split, field, "")
        if spec.test_split is None or spec.test_path is not None or spec.test_named is not None:
            test = None
        else:
            cut = "\n  to cut the test questions from train instead: dataset.test_split: null"
            test = _split(folder, spec.test_split, field, cut)
    else:
        train, test = (check_extension(path, field),), None
    if spec.test_named is not None:
        test = find_sources(_test_spec(spec)).test
    elif spec.test_path is not None:
        test = (check_extension(find_path(spec.test_path, "dataset.test_path"), "dataset.test_path"),)
    return Sources(train, test)


def _test_spec(spec: DatasetSpec) -> DatasetSpec:
    """The dataset whose fields and split the test questions have: this one, or the named one it tests on."""
    return spec if spec.test_named is None else DatasetSpec(named=spec.test_named)


def named_folder(spec: DatasetSpec) -> Path | None:
    """The local copy of a named dataset that the environment variable REPRO_DATA points to, if there is one."""
    root = os.environ.get("REPRO_DATA")
    if not root or spec.named is None:
        return None
    base = Path(root).expanduser()
    if not base.is_dir():
        raise UserError(f"REPRO_DATA: {base} is not a directory; expected one that holds {spec.named}/train.jsonl")
    folders = (data_folder(base / spec.named, spec), data_folder(base, spec))
    return next((folder for folder in folders if split_files(folder, spec.train_split, "REPRO_DATA")), None)


def data_folder(path: Path, spec: DatasetSpec) -> Path:
    """The directory itself or the one inside it (hub snapshots have one) that holds the train split, else itself."""
    config = spec.config or (NAMED[spec.named][1] if spec.named else None)
    folders = [path, *(path / name for name in (spec.named, config, "data") if name)]
    return next((folder for folder in folders if split_files(folder, spec.train_split)), path)


def _split(folder: Path, split: str, field: str, hint: str) -> tuple[Path, ...]:
    files = split_files(folder, split, field)
    if not files:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:20]) or "nothing"
        raise UserError(
            f"{field}: {folder} has no file for the split {split!r}; expected {split}.jsonl, .json or .parquet; "
            f"found: {found}{hint}"
        )
    return files


def _problems(source: tuple[Path, ...] | Hub, spec: DatasetSpec, split: str) -> list[Problem]:
    if isinstance(source, Hub):
        rows = _hub_rows(source, spec, split)
        return problems_of(((f"row {i}", row) for i, row in enumerate(rows, 1)), spec, f"{source.id}, split {split}")
    return [p for path in source for p in problems_of(read_rows(path), spec, str(path))]


def _hub_rows(hub: Hub, spec: DatasetSpec, split: str) -> Any:
    import datasets

    try:
        splits = datasets.load_dataset(hub.id, hub.config, revision=hub.revision)
    except Exception as error:  # the library's own and its clients' errors share no base
        raise UserError(_unreachable(hub, spec, error)) from error
    if split not in splits:
        raise UserError(f"dataset {hub.id}: no split {split!r}; splits found: {', '.join(map(str, splits))}")
    return splits[split]


def _unreachable(hub: Hub, spec: DatasetSpec, error: Exception) -> str:
    first = str(error).splitlines()[0] if str(error) else ""
    message = f"dataset {hub.id}: cannot be loaded from the hub ({type(error).__name__}: {first})"
    if spec.named is None:
        return (
            f"{message}\n  expected: a connection and an existing id, or a local copy: dataset: {{path: FILE_OR_DIR}}"
        )
    root = os.environ.get("REPRO_DATA")
    found = f"REPRO_DATA is {root}, which holds no {spec.named}/train.jsonl" if root else "REPRO_DATA is not set"
    return (
        f"{message}\n  expected: a connection, or a local copy as train and test files (.jsonl, .json or .parquet)\n"
        f"  to use a local copy: export REPRO_DATA=DIR, where DIR/{spec.named}/train.jsonl or DIR/train.jsonl exists\n"
        f"  or in the spec: dataset: {{named: {spec.named}, path: DIR}}\n  now: {found}"
    )


def _once(problems: Sequence[Problem], label: str) -> list[Problem]:
    """Every question once, the first of equals. Raises UserError where two questions share an id."""
    kept: dict[str, Problem] = {}
    repeats = []
    for problem in problems:
        if kept.setdefault(same_question(problem.question), problem) is not problem:
            repeats.append(problem)
    if repeats:
        changed = sum(kept[same_question(p.question)].answer != p.answer for p in repeats)
        differing = f", {changed} of them with another answer than the first time" if changed else ""
        _warn(
            f"{label}: {len(repeats)} repeated questions{differing}; each is kept once, the first time; "
            f"the first repeat is {_named(repeats[0])}"
        )
    by_id: dict[str, Problem] = {}
    for problem in kept.values():
        other = by_id.setdefault(problem.id, problem)
        if other is not problem:
            raise UserError(
                f"{label}: the id {problem.id!r} (dataset.id) belongs to two questions: {other.question[:40]!r} and "
                f"{problem.question[:40]!r}; expected unique ids (leave dataset.id out to use a digest)"
            )
    return list(kept.values())


def _named(problem: Problem) -> str:
    """A problem as a message names it: its id, and the question's beginning because the id may be a digest."""
    return f"{problem.id!r} ({same_question(problem.question)[:60]!r})"


def _cut(problems: list[Problem], n: int, purpose: str) -> tuple[list[Problem], list[Problem]]:
    """The rest and the n problems whose questions have the smallest digests, both in their order."""
    chosen = {p.id for p in sorted(problems, key=lambda p: digest(p.question, purpose))[:n]}
    return [p for p in problems if p.id not in chosen], [p for p in problems if p.id in chosen]


def _limited(data: TaskData, spec: DatasetSpec) -> TaskData:
    limits = spec.limits
    return replace(
        data,
        train=data.train[: limits.train],
        validation=data.validation[: limits.validation],
        test=data.test[: limits.test],
    )


def _source_digest(source: tuple[Path, ...] | Hub | None, split: str | None) -> Any:
    if isinstance(source, Hub):
        return ["hub", source.id, source.config, source.revision, split]
    return None if source is None else [file_digest(path) for path in source]


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
