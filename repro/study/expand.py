"""Turns a spec into cells: model x dataset x arm x axis point x seed, each training listed once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from repro.spec.schema import Cell, Spec
from repro.study.points import Place, points, shared
from repro.tasks.dataset_spec import DatasetSpec


@dataclass(frozen=True)
class ExpandedCell:
    """A cell to train, its identity, and every place of the study that it serves (the first is its own)."""

    cell: Cell
    identity: str
    places: tuple[Place, ...]


def expand(spec: Spec) -> list[Cell]:
    """The pairwise distinct cells of a spec, in the order model, dataset, arm, axis point, seed.

    Two arms (or axis points) that resolve to the same fields give one cell, under the first one's labels.
    """
    from repro.study.identity import canonical_fields

    once = shared(spec)
    distinct: dict[str, Cell] = {}
    for point in points(spec):
        texts = canonical_fields(point.valid(), point.seeds, once)
        for seed, text in zip(point.seeds, texts, strict=True):
            if text not in distinct:
                distinct[text] = point.with_seed(seed)
    return list(distinct.values())


def expand_study(spec: Spec) -> list[ExpandedCell]:
    """The same with identities (which read the content of local models and datasets) and all places of each.

    A report looks an arm's runs up by place, so an arm that shares its training with another still finds it.
    Raises UserError when a local file is missing.
    """
    from repro.study.identity import Digests, canonical_fields, identity_of_text

    digests, once = Digests(), shared(spec)
    cells: dict[str, tuple[Cell, list[Place]]] = {}
    for point in points(spec):
        texts = canonical_fields(point.valid(), point.seeds, once, digests)
        for seed, text in zip(point.seeds, texts, strict=True):
            known = cells.get(text)
            if known is None:
                known = cells[text] = (point.with_seed(seed), [])
            known[1].append(point.place(seed))
    return [ExpandedCell(cell, identity_of_text(text), tuple(places)) for text, (cell, places) in cells.items()]


def matrix(spec: Spec) -> Iterator[tuple[Place, Cell]]:
    """Every row of the matrix, identical trainings included."""
    for point in points(spec):
        point.valid()
        for seed in point.seeds:
            yield point.place(seed), point.with_seed(seed)


def epoch_steps(epochs: float, questions: int, questions_per_step: int) -> int:
    """Steps of so many passes over `questions`; the last step may go beyond them."""
    return max(1, math.ceil(epochs * questions / questions_per_step - 1e-9))


def pool_size(dataset: DatasetSpec) -> int | None:
    """Training questions of a dataset, where the spec alone tells; an upper bound for the others is their limit."""
    if dataset.procedural is None:
        return None
    return min(dataset.procedural.pool, dataset.limits.train or dataset.procedural.pool)
