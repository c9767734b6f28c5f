"""What the difficulty predictor learns from: pass rates of several policies over one pool, in a parquet file.

Long form, one row per policy and question, in any order:

| column | type | meaning |
|---|---|---|
| `id` | string | the question's id |
| `question` | string | its text, the same in all its rows |
| `policy` | string | label of the policy that answered |
| `pass_rate` | double | share of its completions that were right, 0 to 1 |
| `samples` | int32 | completions behind the rate, one number per policy |

Every policy has every question once. The file's metadata may hold `repro.labels` with the version, 1.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.errors import UserError
from repro.files import write_alone
from repro.tasks.table_text import column_values, refuse_twice
from repro.tasks.values import is_blank
from repro.user_paths import no_file
from repro.words import listed, unwritable

if TYPE_CHECKING:
    import pyarrow

VERSION = 1
VERSION_KEY = b"repro.labels"
MOST_SAMPLES = 2**31 - 1
"""Completions behind a rate at most: what the column holds."""
COLUMNS = ("id", "question", "policy", "pass_rate", "samples")


@dataclass(frozen=True, eq=False)
class Labels:
    """Pass rates of P policies on the N questions of one pool. ValueError where the parts do not fit each other."""

    ids: tuple[str, ...]  # N, distinct
    questions: tuple[str, ...]  # N, row i belongs to ids[i]
    policies: tuple[str, ...]  # P, distinct
    pass_rates: np.ndarray  # (P, N) float64 in [0, 1]
    samples: np.ndarray  # (P,) int32, at least 1

    def __post_init__(self) -> None:
        shape = (len(self.policies), len(self.ids))
        if len(self.questions) != shape[1] or self.pass_rates.shape != shape or self.samples.shape != shape[:1]:
            raise ValueError(
                f"{shape[1]} ids, {len(self.questions)} questions, {shape[0]} policies, pass rates "
                f"{self.pass_rates.shape}, samples {self.samples.shape}; expected (P, N) rates and (P,) samples"
            )
        for name, values in (("ids", self.ids), ("policies", self.policies)):
            if len(set(values)) != len(values):
                raise ValueError(f"{len(values)} {name}, {len(set(values))} of them distinct; expected all")
        if not ((self.pass_rates >= 0) & (self.pass_rates <= 1)).all() or not (self.samples >= 1).all():
            raise ValueError("pass rates must lie in [0, 1] and samples be at least 1")


def write_labels(path: Path, labels: Labels) -> None:
    """Write the file in one step, policy by policy; every rate keeps its bits."""
    import pyarrow
    import pyarrow.parquet

    policies, size = len(labels.policies), len(labels.ids)
    columns = {
        "id": pyarrow.array(list(labels.ids) * policies, pyarrow.string()),
        "question": pyarrow.array(list(labels.questions) * policies, pyarrow.string()),
        "policy": pyarrow.array([policy for policy in labels.policies for _ in range(size)], pyarrow.string()),
        "pass_rate": pyarrow.array(labels.pass_rates.ravel(), pyarrow.float64()),
        "samples": pyarrow.array(np.repeat(labels.samples, size), pyarrow.int32()),
    }
    table = pyarrow.table(columns).replace_schema_metadata({VERSION_KEY: str(VERSION).encode()})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_alone(path, sink.getvalue())


def read_labels(path: Path) -> Labels:
    """The labels of a file; questions and policies in the order in which they first appear.

    Raises:
        UserError: naming file, column and row (counted from 1), where the file is missing or not of this format.
    """
    columns = _columns(path, _table(path))
    for number, (rate, samples) in enumerate(zip(columns["pass_rate"], columns["samples"], strict=True), 1):
        if not 0 <= rate <= 1:
            raise _wrong(path, "pass_rate", number, f"{rate:g}", "a share from 0 to 1")
        if not 1 <= samples <= MOST_SAMPLES:
            raise _wrong(path, "samples", number, str(samples), f"at least 1 and at most {MOST_SAMPLES:,}")
    for name in ("id", "question", "policy"):
        for number, text in enumerate(columns[name], 1):
            if is_blank(text) or unwritable(text):
                raise _wrong(path, name, number, ascii(text)[:60], "text")
    texts: dict[str, tuple[int, str]] = {}  # id -> row, question
    counts: dict[str, tuple[int, int]] = {}  # policy -> row, samples
    rows: dict[tuple[str, str], int] = {}  # (policy, id) -> row
    for number, (key, text, policy, samples) in enumerate(
        zip(*(columns[name] for name in ("id", "question", "policy", "samples")), strict=True), 1
    ):
        first, known = texts.setdefault(key, (number, text))
        if text != known:
            raise _wrong(path, "question", number, repr(text), f"that of row {first}, {known!r}: both have id {key!r}")
        first, count = counts.setdefault(policy, (number, samples))
        if samples != count:
            raise _wrong(path, "samples", number, str(samples), f"{count} as in row {first}, also of policy {policy!r}")
        first = rows.setdefault((policy, key), number)
        if first != number:
            raise _wrong(path, "id", number, repr(key), f"an id that policy {policy!r} does not have in row {first}")
    return Labels(
        ids=tuple(texts),
        questions=tuple(text for _, text in texts.values()),
        policies=tuple(counts),
        pass_rates=_rates(path, list(counts), list(texts), rows, columns["pass_rate"]),
        samples=np.array([count for _, count in counts.values()], dtype=np.int32),
    )


def _rates(
    path: Path, policies: list[str], ids: list[str], rows: dict[tuple[str, str], int], rates: list[float]
) -> np.ndarray:
    """(P, N) float64; every policy must have every question."""
    out = np.empty((len(policies), len(ids)), dtype=np.float64)
    for p, policy in enumerate(policies):
        missing = [key for key in ids if (policy, key) not in rows]
        if missing:
            raise UserError(
                f"{path}: policy {policy!r} has no row for {len(missing)} of {len(ids)} questions, the first with id "
                f"{missing[0]!r}; expected every policy to have every question"
            )
        out[p] = [rates[rows[policy, key] - 1] for key in ids]
    return out


def _table(path: Path) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise UserError(f"{path}: {no_file(path)}, expected the labels that `predictor labels` writes")
    try:
        refuse_twice(path, pyarrow.parquet.read_schema(path).names)
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from error
    version = (table.schema.metadata or {}).get(VERSION_KEY, str(VERSION).encode())
    if version != str(VERSION).encode():
        raise UserError(f"{path}: labels of version {version.decode(errors='replace')}, expected {VERSION}")
    return table


def _columns(path: Path, table: pyarrow.Table) -> dict[str, list[Any]]:
    """Column name -> values, all of the right type and none missing."""
    from pyarrow import types

    if not table.num_rows:
        raise UserError(f"{path}: no rows, expected one per policy and question")
    found: dict[str, list[Any]] = {}
    for name in COLUMNS:
        if name not in table.column_names:
            raise UserError(
                f"{path}: no column {name!r}, expected {', '.join(COLUMNS)}; found {listed(table.column_names)}"
            )
        column = table.column(name)
        kind = column.type
        if name == "samples":
            right, expected = types.is_integer(kind), "whole numbers"
        elif name == "pass_rate":
            right, expected = types.is_floating(kind) or types.is_integer(kind), "numbers"
        else:
            right, expected = types.is_string(kind) or types.is_large_string(kind), "strings"
        if not right:
            raise UserError(f"{path}: column {name!r} has type {kind}, expected {expected}")
        found[name] = column_values(path, name, column)
        if column.null_count:
            raise _wrong(path, name, found[name].index(None) + 1, "no value", f"one of the {expected}")
    return found


def _wrong(path: Path, column: str, row: int, value: str, expected: str) -> UserError:
    return UserError(f"{path}: column {column!r}, row {row}: found {value}, expected {expected}")
