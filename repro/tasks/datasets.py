"""Datasets of questions with known answers: procedural, local files, the hub, or one known by name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from repro.canonical import digest
from repro.errors import UserError, setting
from repro.tasks.dataset_spec import TEST_SHARE, DatasetSpec, Limits
from repro.tasks.overlap import Overlap, find_overlaps
from repro.tasks.problem import AnswerFormat, Problem, TaskData, question_digest, same_question
from repro.tasks.registry import question_content
from repro.tasks.rows import Read, filtered, problems_of
from repro.tasks.sources import (
    Source,
    evaluation_set,
    find_source,
    find_sources,
    find_test,
    held_out_spec,
    rows_of,
    source_digest,
)
from repro.tasks.verify import MathVerifier

TEXT_FORMAT = AnswerFormat(answer_prefix="\n#### ", question_suffix="\n")


def load_dataset(spec: DatasetSpec) -> TaskData:
    """The problems of a spec, the same on every machine, splits disjoint by question, ids unique over all of them.

    A question of the test split or of the sets named in `without` that is also in train is dropped from train, and a
    repeated question is kept once, each with a warning that counts them; what `decontaminate` does about training
    questions that are nearly the same, see `_apart`. Validation is the share of train whose questions have the
    smallest digests, so it does not depend on the order of the file. Raises UserError naming file, item and field.
    """
    if spec.procedural is not None:
        return replace(_limited(spec.procedural.load(), spec), name=spec.label)
    sources = find_sources(spec)
    read = _training(sources.train, spec)
    dropped, train = list(read.dropped), _once(read.problems, f"{spec.label}: train")
    if sources.test is None:
        train, test = _cut(train, max(1, round(TEST_SHARE * len(train))), "test")
    else:
        held = held_out_spec(spec)
        read = _problems(sources.test, held, held.test_split or "test")
        dropped += read.dropped
        test = _once(read.problems, f"{held.label}: test")
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
    train, overlaps = _apart(train, test, spec)
    wanted = round(spec.validation_fraction * len(train))
    train, validation = _cut(train, max(1, wanted) if spec.validation_fraction else 0, "validation")
    if not train:
        raise UserError(
            f"dataset {spec.label}: no training question is left beside {len(test)} test and {len(validation)} "
            "validation questions; expected more rows, or a smaller dataset.validation_fraction"
        )
    data = TaskData(spec.label, tuple(train), tuple(validation), tuple(test), MathVerifier(), TEXT_FORMAT)
    data = replace(data, overlaps=overlaps, dropped=tuple(dropped))
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
    problems = _once(_training(find_source(spec, split), spec).problems, f"{spec.label}: {split}")
    return drawn(problems, spec.limits), TEXT_FORMAT


def load_test(spec: DatasetSpec) -> tuple[Problem, ...]:
    """The problems of `read_test`."""
    return tuple(read_test(spec).problems)


def read_test(spec: DatasetSpec) -> Read:
    """The test questions of a dataset alone, once and in their order, and the rows that were left out; no other split
    is looked at.

    Raises UserError naming file, item and field, and where there is no test split.
    """
    held = held_out_spec(spec)
    source = find_test(spec)
    if source is None:
        raise UserError(f"dataset {spec.label}: it has no test split; expected one to evaluate on")
    read = _problems(source, held, held.test_split or "test")
    return Read(_once(read.problems, f"{held.label}: test")[: spec.limits.test], read.dropped)


def dataset_digest(spec: DatasetSpec) -> str:
    """Digest (hex) of all that decides which problems `load_dataset` gives; labels and paths do not enter.

    Local files count by content, built-in tasks by their fields, other tasks by their source too, hub datasets by id,
    configuration and revision: nothing is downloaded. Raises UserError where a local file is missing.
    """
    content: dict[str, Any] = {"limits": spec.limits.model_dump(exclude={"sample"})}
    if spec.limits.sample is not None:
        content["sample"] = spec.limits.sample
    if spec.procedural is not None:
        content |= question_content(spec.procedural)
    else:
        sources = find_sources(spec)
        content |= {key: getattr(spec, key) for key in ("question", "answer", "solution", "id", "validation_fraction")}
        content["train"] = source_digest(sources.train, spec.train_split)
        content["test"] = source_digest(sources.test, held_out_spec(spec).test_split)
        if spec.filters:
            content["filters"] = spec.model_dump(mode="json")["filters"]
        if spec.without:
            content["without"] = {name: held_out_digest(evaluation_set(name, spec.stand_in)) for name in spec.without}
        if spec.decontaminate == "drop":
            content["decontaminate"] = "drop"
        if spec.unreadable == "drop":
            content["unreadable"] = "drop"
    return digest(content, 64)


def held_out_digest(spec: DatasetSpec) -> str:
    """Digest (hex) of all that decides which problems `load_test` gives; nothing is downloaded."""
    held = held_out_spec(spec)
    content = {key: getattr(held, key) for key in ("question", "answer", "solution", "id")}
    content |= {"limit": spec.limits.test, "test": source_digest(find_test(spec), held.test_split)}
    if held.unreadable == "drop":
        content["unreadable"] = "drop"
    return digest(content, 64)


def _problems(source: Source, spec: DatasetSpec, split: str, role: str = "test") -> Read:
    """The problems of a split, of the training split those that the spec's filters keep."""
    found = Read([], [])
    for name, rows in rows_of(source, spec, split):
        kept = (
            filtered(rows, spec.filters, name, spec.unreadable == "drop") if spec.filters and role == "train" else rows
        )
        read = problems_of(kept, spec, name, role)
        found.problems.extend(read.problems)
        found.dropped.extend(read.dropped)
    return found


def _training(source: Source, spec: DatasetSpec) -> Read:
    return _problems(source, spec, spec.train_split, "train")


def _apart(train: list[Problem], test: list[Problem], spec: DatasetSpec) -> tuple[list[Problem], tuple[Overlap, ...]]:
    """Train without the questions that `without` and `decontaminate` take out, and what it shared with each set.

    Questions of `without` with the same words are dropped. Those of the test set with the same words, and all that are
    nearly the same (see `find_overlaps`), are dropped with `drop` and told with `warn`; `off` looks at `without` alone.
    """
    sets: dict[str, Sequence[Problem]] = {} if spec.decontaminate == "off" else {"test": test}
    for name in spec.without:
        try:
            sets[name] = load_test(evaluation_set(name, spec.stand_in))
        except UserError as error:
            raise UserError(f"dataset.without: {name}\n{error}\n  to go without it: dataset.without: []") from error
    if not sets:
        return train, ()
    overlaps = find_overlaps(train, sets)
    gone: set[str] = set()
    for overlap in overlaps:
        dropped = overlap.exact if overlap.set in spec.without else ()
        if spec.decontaminate == "drop":
            dropped = (*overlap.exact, *overlap.near)
        gone |= {match.train for match in dropped}
        left = len(overlap.exact) + len(overlap.near) - len(dropped)
        if spec.decontaminate != "off" or dropped:
            advice = "; to drop them: dataset.decontaminate: drop" if left and spec.decontaminate == "warn" else ""
            _warn(f"{spec.label}: {overlap.text()}; {len(dropped)} dropped{advice}")
    return [problem for problem in train if problem.id not in gone], tuple(overlaps)


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
                f"{label}: the id {problem.id!r} ({setting('dataset.id')}) belongs to two questions: "
                f"{other.question[:40]!r} and {problem.question[:40]!r}; expected unique ids (leave "
                f"{setting('dataset.id')} out to use a digest)"
            )
    return list(kept.values())


def _named(problem: Problem) -> str:
    """A problem as a message names it: its id, and the question's beginning because the id may be a digest."""
    return f"{problem.id!r} ({same_question(problem.question)[:60]!r})"


def _cut(problems: list[Problem], n: int, purpose: str) -> tuple[list[Problem], list[Problem]]:
    """The rest and the n problems whose questions have the smallest digests, both in their order."""
    chosen = {p.id for p in sorted(problems, key=lambda p: question_digest(p.question, purpose))[:n]}
    return [p for p in problems if p.id not in chosen], [p for p in problems if p.id in chosen]


def _limited(data: TaskData, spec: DatasetSpec) -> TaskData:
    limits = spec.limits
    return replace(
        data,
        train=drawn(data.train, limits),
        validation=data.validation[: limits.validation],
        test=data.test[: limits.test],
    )


def drawn(problems: Sequence[Problem], limits: Limits) -> tuple[Problem, ...]:
    """The training questions within the limit: the first, or with a seed those of a sample, in the dataset's order.

    The sample depends on the seed and on the questions alone, so it stays the same when a file is reordered.
    """
    if limits.train is None or limits.train >= len(problems):
        return tuple(problems)
    if limits.sample is None:
        return tuple(problems[: limits.train])
    chosen = sorted(problems, key=lambda p: question_digest(p.question, f"sample {limits.sample}"))[: limits.train]
    ids = {problem.id for problem in chosen}
    return tuple(problem for problem in problems if problem.id in ids)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
