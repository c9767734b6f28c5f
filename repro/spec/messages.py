"""Turns mistakes in a spec into lines a person can act on: where, what was got, expected, and the nearest name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from repro.spec.document import Document, FieldPath, Problem, dotted
from repro.spec.json_schema import BESIDE, choices, expected, field_names, kinds_at, locate
from repro.words import did_you_mean, listed, show, unknown

SCREEN = 20
"""Most problems shown at once; the rest is counted."""


def schema_problems(error: ValidationError, data: Any, prefix: FieldPath = ()) -> list[Problem]:
    """One problem per field from pydantic's errors; `data` is the whole spec, the errors concern its part at `prefix`.

    Union members of one field are merged into one problem.
    """
    part = data
    for key in prefix:
        part = part[key]
    problems: dict[FieldPath, Problem] = {}
    sizes: list[FieldPath] = []
    mixed: dict[FieldPath, None] = {}
    told: set[FieldPath] = set()  # sections whose fields a problem lists
    for item in error.errors(include_url=False):
        path = (*prefix, *_real_path(item["loc"], part, item["type"]))
        if item["type"] == "extra_forbidden" and _of_another_kind(path, data):
            mixed[path[:-1]] = None
            continue
        problem = _explain(path, dict(item), data, told)
        problems.setdefault(problem.path, problem)
        if item["type"] in ("too_short", "too_long"):
            sizes.append(path)
    for path in sizes:  # pydantic counts the valid items only
        if any(len(other) > len(path) and other[: len(path)] == path for other in problems):
            del problems[path]
    apart = [problem for problem in problems.values() if not any(problem.path[: len(one)] == one for one in mixed)]
    return [*apart, *(_mixed_kinds(one, data) for one in mixed)]


def _of_another_kind(path: FieldPath, data: Any) -> bool:
    """Whether a field belongs to another kind of its mapping, of which there are some that differ in all their fields:
    where they share one, such as `method`, it says which kind is meant."""
    kinds = kinds_at(path[:-1], data)
    return any(path[-1] in names for names in kinds) and not set.intersection(*map(set, kinds))


def _mixed_kinds(path: FieldPath, data: Any) -> Problem:
    """Of a mapping whose fields are all known, but belong to different kinds of it."""
    value = data
    for key in path:
        value = value[key]
    kinds = [names for names in kinds_at(path, data) if not set(names).isdisjoint(value)]
    one_of = "; or ".join(listed(names, BESIDE) for names in kinds)
    return Problem(path, f"got {listed(value, BESIDE)}, expected the fields of one kind: {one_of}")


def _real_path(loc: Sequence[str | int], data: Any, kind: str) -> FieldPath:
    """Pydantic's location without the names of union members, which are no keys of the data."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif not (kind == "missing" and index == len(loc) - 1):
            continue
        path.append(part)
    return tuple(path)


def _explain(path: FieldPath, item: dict[str, Any], data: Any, told: set[FieldPath]) -> Problem:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if kind == "missing":
        return Problem(path, f"got nothing, expected {expected(locate(path, data))}")
    if kind == "extra_forbidden":
        section = next((str(part) for part in reversed(path[:-1]) if isinstance(part, str)), "the spec")
        text = unknown(path[-1], field_names(locate(path[:-1], data)), f"a field of {section}", path[:-1] in told)
        if "(" in text:
            told.add(path[:-1])
        return Problem(path, text)
    if kind == "mistake":
        return Problem(path, context["text"])
    if kind.startswith("union_tag"):
        return Problem(path, f"got {show(value)}, expected a mapping with one of float, int, choice")
    nodes = locate(path, data)
    hint = did_you_mean(value, choices(nodes)) if isinstance(value, str) else ""
    if kind.startswith("int_") and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        hint = f", did you mean {int(value)}?"
    wanted = expected(nodes)
    if kind == "too_short":
        wanted = wanted.replace("a list of them", f"a list of at least {context['min_length']} of them")
    if kind == "too_short" and isinstance(value, dict):
        return Problem(path, f"got none, expected at least {context['min_length']}")
    return Problem(path, f"got {show(value)}, expected {wanted}{hint}")


def render(document: Document, problems: Sequence[Problem]) -> str:
    """All problems, each as `where: field: text`, in file order, at most a screen of them."""
    lines: dict[str, tuple[str, int]] = {}
    for problem in problems:
        origin = document.origin(problem.path)
        field = dotted(origin.path)
        text = f"{origin.where}: {field}: {problem.text}" if field else f"{origin.where}: {problem.text}"
        file, _, line = origin.where.rpartition(":")
        lines.setdefault(text, (file, int(line)) if line.isdigit() else (origin.where, 0))
    ordered = sorted(lines, key=lines.__getitem__)
    if len(ordered) > SCREEN:
        ordered = [*ordered[:SCREEN], f"… and {len(ordered) - SCREEN} more"]
    return "\n".join(ordered)
