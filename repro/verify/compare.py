"""Compares the record of a run with that of its first steps made again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.files import read_json, read_jsonl

ROWS = ("evaluations.jsonl", "steps.jsonl", "predictions.jsonl", "metrics.jsonl")
MACHINE = ("seconds", "time")
"""A number whose name ends so is of the machine and its load."""
START = {"base.json": ("evaluations", "accuracy", "greedy", "entropy", "mean_tokens", "temperatures", "questions")}


@dataclass(frozen=True)
class Difference:
    """A value that differs. `where`: `steps.jsonl chosen`, `train/loss`; `size`: relative, None for no two numbers."""

    step: int
    where: str
    recorded: Any
    now: Any
    size: float | None


@dataclass(frozen=True)
class Comparison:
    """What came out: `compared` values, and those that differ in the order of the steps."""

    compared: int
    differences: list[Difference]

    @property
    def same(self) -> bool:
        """Whether every bit is the same."""
        return not self.differences

    @property
    def largest(self) -> float:
        """The largest relative difference; infinite where something differs that is no number."""
        return max((math.inf if one.size is None else one.size for one in self.differences), default=0.0)


def compare(recorded: Path, again: Path, steps: int) -> Comparison:
    """Compare two run directories up to a step, the start policy's measures included.

    Raises:
        ValueError: a file of either cannot be read.
    """
    before, now = values(recorded, steps), values(again, steps)
    names = sorted({**before, **now}, key=lambda name: (name[0], list(ORDER).index(name[1]), name[2]))
    found = []
    for step, file, path in names:
        then, this = (side.get((step, file, path), ABSENT) for side in (before, now))
        if not _equal(then, this):
            where = path if file == "metrics.jsonl" else f"{file}: {path}"
            found.append(Difference(step, where, then, this, _size(then, this)))
    return Comparison(len(names), found)


ABSENT = "(nothing)"
ORDER = (*START, *ROWS)


def values(run_dir: Path, steps: int) -> dict[tuple[int, str, str], Any]:
    """(step, file, dotted path) -> value of all that a run directory records up to a step, without times."""
    found: dict[tuple[int, str, str], Any] = {}
    for name, sections in START.items():
        record = read_json(run_dir / name) or {}
        for section in sections:
            measured = _leaves(record[section], section) if section in record else ()
            found |= {(0, name, path): value for path, value in measured}
    for name in ROWS:
        for row in read_jsonl(run_dir / name):
            if row["step"] <= steps:
                prefix = f"{row['set']}." if "set" in row else ""
                inner = row["metrics"] if name == "metrics.jsonl" else {k: v for k, v in row.items() if k != "step"}
                for key, value in inner.items():
                    whole = name == "metrics.jsonl"
                    leaves = [(key, value)] if whole else [(f"{prefix}{p}", v) for p, v in _leaves(value, key)]
                    found |= {(row["step"], name, path): leaf for path, leaf in leaves if not path.endswith(MACHINE)}
    return found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Dotted paths and values inside a record; a list of plain values is compared place by place."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{index}")
    elif not path.endswith(MACHINE):
        yield path, value


def _equal(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (one == other and isinstance(one, bool) == isinstance(other, bool))


def _size(one: Any, other: Any) -> float | None:
    """The relative difference of two finite numbers of which one has decimals; a count or a choice differs wholly."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    if not numbers or not all(map(math.isfinite, (one, other))):
        return None
    if isinstance(one, int) and isinstance(other, int):
        return None
    return abs(one - other) / max(abs(one), abs(other))


def environment_differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`threads: 4 then, 1 now` for every part of two environment records that differs, packages one by one; the command
    that started a run is no part of what it ran on."""
    parts: Sequence[tuple[str, Any, Any]] = [
        (name, recorded.get(name, "not recorded"), now.get(name)) for name in now if name not in ("packages", "command")
    ]
    then, here = recorded.get("packages") or {}, now.get("packages") or {}
    parts = [*parts, *((name, then.get(name), here.get(name)) for name in {**then, **here})]
    return [f"{name}: {old} then, {new} now" for name, old, new in parts if old != new]
