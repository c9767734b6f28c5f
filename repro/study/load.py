"""Loads a spec: parse, override, inherit, validate, check; every mistake of the file in one message."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from repro.errors import UserError
from repro.masking import mask_values
from repro.plugins import importable
from repro.spec.document import Document, FieldPath, Origin, Problem, dotted, read_document
from repro.spec.inherit import normalise, resolve_arms
from repro.spec.messages import render, schema_problems
from repro.spec.overrides import apply_arm_overrides, apply_overrides, parse_override
from repro.spec.presets.apply import apply_presets, write_empty
from repro.spec.schema import Spec, TrainSpec
from repro.words import listed, show


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, its arms written out in full, and where its fields came from."""

    spec: Spec
    path: Path
    lines: Mapping[str, str]
    """Field path -> `file:line` (or the `-S` option that set it)."""
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Settings that have no effect or are hardly meant, one line each."""
    smoke: bool = False
    notes: tuple[str, ...] = ()
    """What a smoke study has in place of the models that the spec names, one line each."""

    def located(self, message: str) -> str:
        """A message about a field, found wrong after loading, with the line of the field before it where there is one.

        `model.path: ...` means the only model with a path; with several, the message stays as it is.
        """
        field = _without_numbers(message.partition(":")[0])
        places = {where for path, where in self.lines.items() if _without_numbers(path) == field}
        return f"{places.pop()}: {message}" if len(places) == 1 else message


STUDY = "name, model, dataset, arms"
"""What every study has, in the words of a message."""


def _other_content(data: Any) -> str:
    """What a file that is no study holds, in a few words."""
    if not data:
        return "nothing"
    return f"a mapping with {listed(data, 40)}" if isinstance(data, dict) else show(data)


def _without_numbers(path: str) -> str:
    return ".".join(part for part in path.split(".") if not part.isdigit())


def load_spec(path: Path | str, overrides: Sequence[str] = (), smoke: bool = False) -> LoadedSpec:
    """Reads and checks a spec.

    `overrides` are `path=value` texts, applied in order. `smoke` shrinks the valid spec so that every stage is
    touched within a minute; its name then ends in `-smoke`. Raises UserError that lists all mistakes found.
    """
    from repro.study.checks import check
    from repro.study.risks import risky_settings
    from repro.study.smoke import shrink, stand_ins
    from repro.study.unused import unused_settings

    path = Path(path)
    importable(path.parent, Path.cwd())
    document = read_document(path)
    if not isinstance(document.data, dict) or not set(document.data) & set(Spec.model_fields):
        raise UserError(f"{path}:1: got {_other_content(document.data)}, expected a mapping with {STUDY}")
    changes = [parse_override(text) for text in overrides]
    normalise(document)
    apply_overrides(document, changes)
    normalise(document)
    resolve_arms(document)
    apply_presets(document)
    apply_arm_overrides(document, changes)
    spec, pruned = _validate(document)
    if spec is not None:
        document.problems += [p for p in check(spec, document.data) if not _doubtful(p, pruned)]
    if document.problems or spec is None:
        raise UserError(render(document, document.problems))
    warnings = [*unused_settings(spec, document), *risky_settings(spec)]
    lines = {dotted(place): origin.where for place, origin in document.origins.items()}
    shown = tuple(render(document, [warning]) for warning in warnings)
    if smoke:
        spec = shrink(spec)
    return LoadedSpec(spec, path, lines, tuple(overrides), shown, smoke, stand_ins(spec))


def parse_spec(data: Mapping[str, Any], name: str = "spec") -> Spec:
    """The same for data that is no file. Raises UserError."""
    document = Document(copy.deepcopy(dict(data)), {(): Origin(name, ())})
    normalise(document)
    resolve_arms(document)
    apply_presets(document)
    from repro.study.checks import check

    spec, pruned = _validate(document)
    if spec is not None:
        document.problems += [p for p in check(spec, document.data) if not _doubtful(p, pruned)]
    if document.problems or spec is None:
        raise UserError(render(document, document.problems))
    return spec


def resolved_yaml(spec: Spec) -> str:
    """The spec with every field written out and secrets masked; loading it gives the same spec again."""
    data = spec.model_dump(mode="json", exclude_none=True)
    data["dataset"] = [dataset.written_out() for dataset in spec.dataset]
    write_empty(spec, data)
    if spec.budget is not None:
        del data["train"]["steps"]  # a budget replaces it, and both together are an error
    return yaml.safe_dump(mask_values(data), sort_keys=False, allow_unicode=True, width=120)


# ---------------------------------------------------------------- validation


def _validate(document: Document) -> tuple[Spec | None, list[FieldPath]]:
    """The spec, or what is left of it without its faulty fields, so that one mistake does not hide the others.

    Returns it with the paths of the faulty fields: what is found out about them later is doubtful.
    """
    data = copy.deepcopy(document.data)
    pruned: list[FieldPath] = []
    for _ in range(8):
        try:
            spec = Spec.model_validate(data)
        except ValidationError as error:
            found = schema_problems(error, data)
            document.problems += [problem for problem in found if not _doubtful(problem, pruned)]
            pruned += [problem.path for problem in found]
            for problem in sorted(found, key=lambda p: str(p.path), reverse=True):
                _prune(data, problem.path)
        else:
            problems = [p for p in _arm_train_problems(data) if not _doubtful(p, pruned)]
            document.problems += problems
            pruned += [problem.path for problem in problems]
            return spec, pruned
    return None, pruned


def _arm_train_problems(data: dict[str, Any]) -> list[Problem]:
    """An arm's own train fields, checked as part of the train section they change."""
    problems: list[Problem] = []
    for name, arm in data["arms"].items():
        changes = arm.get("train")
        if not changes:
            continue
        try:
            TrainSpec.model_validate({**data.get("train", {}), **changes})
        except ValidationError as error:
            problems += schema_problems(error, data, ("arms", name, "train"))
    return problems


def _doubtful(problem: Problem, pruned: Sequence[FieldPath]) -> bool:
    """Whether a problem rests on a field that was itself faulty."""
    return any(
        known[: len(place)] == place or place[: len(known)] == known
        for place in (problem.path, *problem.uses)
        for known in pruned
    )


_PLACEHOLDERS: dict[str, Any] = {
    "name": "unnamed",
    "model": [{"tiny": {}}],
    "dataset": [{"arithmetic": {}}],
    "arms": {"full": {}},
}


def _prune(data: dict[str, Any], path: FieldPath) -> None:
    """Takes a faulty field out so that the rest can be validated; what is required gets a stand-in."""
    head = str(path[0]) if path else ""
    if len(path) == 1 and head in _PLACEHOLDERS:
        data[head] = copy.deepcopy(_PLACEHOLDERS[head])
        return
    if len(path) == 3 and path[::2] == ("dataset", "task"):
        path = path[:2]  # nobody knows the fields of a task that is not there
    if len(path) == 2 and head in ("model", "dataset"):
        data[head][path[1]] = copy.deepcopy(_PLACEHOLDERS[head][0])
        return
    if len(path) == 2 and head == "arms":
        data["arms"][path[1]] = {}
        return
    nodes: list[Any] = [data]
    for key in path[:-1]:
        try:
            nodes.append(nodes[-1][key])
        except (KeyError, IndexError, TypeError):
            return  # an enclosing field is gone already
    while len(nodes) > 1 and (isinstance(nodes[-1], list) or path[len(nodes) - 1] not in nodes[-1]):
        nodes.pop()  # items of a list go with the list, a missing field with the section that misses it
    if len(nodes) < len(path) and len(nodes) <= 2 and head in _PLACEHOLDERS:
        _prune(data, path[: len(nodes)])
    elif isinstance(nodes[-1], dict):
        nodes[-1].pop(path[len(nodes) - 1], None)
