"""Counts that cannot be meant: more cells than anybody trains, and products of fields that no machine holds."""

from __future__ import annotations

import math
from collections.abc import Iterator

from repro.spec.schema import Cell, Spec
from repro.study.expand import pool_size
from repro.study.raw_fields import axis_points, runs_on

MOST_CELLS = 20_000
"""Cells of a study at most."""
MOST_BYTES = 256 * 2**30
"""Bytes that one thing may take: more than the memory of a large machine."""
TOKEN_BYTES = 24
"""Bytes of a token while it trains: its id, its masks, its log-probs under two policies."""
WEIGHT_BYTES = 16
"""Bytes of a trained weight: itself, its gradient, AdamW's two moments, in float32."""
REFERENCE_BYTES = 4
"""Bytes that the KL term adds: a token's log-prob under its reference, a weight of the reference."""


def too_many_cells(spec: Spec) -> str | None:
    """What to say of a study with more than `MOST_CELLS` cells; None for others. Counts without listing them."""
    cells = 0
    for model in spec.model:
        for dataset in spec.dataset:
            for name, arm in spec.arms.items():
                if runs_on(arm, model, dataset):
                    cells += axis_points(spec, model, dataset, name) * len(spec.seeds_of(name))
    if cells <= MOST_CELLS:
        return None
    parts = {"models": len(spec.model), "datasets": len(spec.dataset), "arms": len(spec.arms)}
    factors = [f"{count:,} {what}" for what, count in parts.items() if count > 1]
    factors += [f"{len(values):,} values of {path}" for path, values in spec.axes.items() if len(values) > 1]
    factors += [f"{len(spec.seeds):,} seeds"] if len(spec.seeds) > 1 else []
    return f"got {cells:,} cells ({' x '.join(factors)}), expected at most {MOST_CELLS:,}: give fewer values"


def beyond_memory(cell: Cell) -> Iterator[tuple[str, str]]:
    """(field, text) of each product of fields that takes more than `MOST_BYTES`, with the bytes it takes at most."""
    train, evaluate = cell.train, cell.evaluate
    more = REFERENCE_BYTES if train.kl > 0 else 0
    length = ("train.max_completion_tokens", train.max_completion_tokens)
    group = ("train.group_size", train.group_size)
    wanted: list[tuple[int, list[tuple[str, int]]]] = [
        (TOKEN_BYTES + more, [("train.questions_per_step", train.questions_per_step), group, length]),
    ]
    if cell.replay is not None:
        held = [("replay.capacity", cell.replay.capacity), *([group] if cell.replay.unit == "group" else [])]
        wanted.append((TOKEN_BYTES + more, [*held, length]))
    made = cell.dataset.procedural
    if made is not None:
        questions = min(made.test, cell.dataset.limits.test or made.test, evaluate.questions or made.test)
        wanted.append((TOKEN_BYTES, [("evaluate.samples", evaluate.samples), ("test questions", questions), length]))
    pool = pool_size(cell.dataset)
    samples = getattr(cell.selection, "samples", None)
    if pool is not None and samples is not None and getattr(cell.selection, "references", None) is None:
        wanted.append((TOKEN_BYTES, [("selection.samples", samples), ("training questions", pool), length]))
    if cell.model.tiny is not None:
        tiny = cell.model.tiny
        block = [("model.tiny.width", tiny.width), ("its square x 12", 12 * tiny.width)]
        wanted.append((WEIGHT_BYTES + more, [("model.tiny.layers", tiny.layers), *block]))
    for size, factors in wanted:
        total = size * math.prod(value for _, value in factors)
        if total > MOST_BYTES:
            field, value = factors[0]
            product = " x ".join(f"{name} {count:,}" for name, count in factors)
            text = f"got {value:,}, and {product} takes up to {total / 2**30:,.0f} GiB"
            yield field, f"{text} at {size} bytes each, expected at most {MOST_BYTES / 2**30:.0f} GiB"
