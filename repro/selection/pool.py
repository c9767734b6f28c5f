"""The questions a selector draws from: its generators, its guard against small pools, and whose state may be loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.errors import UserError

ENLARGE = "lower train.questions_per_step or enlarge the dataset"


def new_generator(seed: int, stream: str) -> np.random.Generator:
    """A PCG64 generator for one purpose (`stream`, any text) of one run (`seed`): streams of a seed are independent."""
    key = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


def pool_digest(ids: Sequence[str]) -> str:
    """Short digest of the pool's ids in order: a state taken on another pool must not be loaded."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def check_state(state: dict[str, Any], method: str, pool: str) -> None:
    """ValueError unless `state` was taken from `method` on `pool`."""
    for name, expected in (("method", method), ("pool", pool)):
        if state.get(name) != expected:
            raise ValueError(f"selector state has {name} {state.get(name)!r}, expected {expected!r}")


def check_batch(n: int, method: str, available: int, total: int, remedy: str = ENLARGE) -> None:
    """ValueError for a batch of less than one; UserError where `available` of `total` questions are fewer than `n`."""
    if n < 1:
        raise ValueError(f"n is {n}, expected at least 1")
    if available < n:
        have = f"the pool has {total} questions" if available == total else f"keeps {available} of {total} questions"
        raise UserError(f"selection.{method}: {have}, fewer than the {n} of one batch; {remedy}")


def subset_size(fraction: float, total: int) -> int:
    """k = max(1, int(fraction * N)), as in the release of UFO-RL: 747 of GSM8K's 7,473."""
    return max(1, int(fraction * total))


def align(values: np.ndarray, rows: Sequence[str], ids: Sequence[str]) -> np.ndarray:
    """Reorder the rows of `values` (which belong to `rows`) to the order of `ids`.

    ValueError if a row has no id, an id occurs twice, or an id has no row: a row in the wrong place is silent
    otherwise.
    """
    values = np.asarray(values)
    if len(values) != len(rows):
        raise ValueError(f"{len(values)} rows of values for {len(rows)} row ids")
    position = {name: row for row, name in enumerate(rows)}
    if len(position) != len(rows):
        raise ValueError(f"row ids are not unique: {len(rows)} rows, {len(position)} distinct ids")
    missing = [name for name in ids if name not in position]
    if missing:
        raise ValueError(f"{len(missing)} of {len(ids)} questions have no row, the first is {missing[0]!r}")
    return values[[position[name] for name in ids]]
