"""Where scores are kept: one item of the cache per key, with the values and a card that says how they were made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.cache import Cache
from repro.errors import UserError
from repro.files import dump_json
from repro.scoring.keys import Asked

VALUES, CARD = "values.npz", "card.json"


@dataclass(frozen=True)
class Stored:
    """`columns`: name -> (N, ...) in the order of the questions. `card`: plain numbers and words about them.

    The card has `ids`, `fields` (what was asked), `cost` (prompt_tokens, generated_tokens, scored_tokens, completions,
    flops, seconds, cpu_seconds: what all calls together spent), `seconds` and `tokens` by kind of work, `example`,
    `model`, `machine`, and of the pass `shared_tokens`, `padding_share` and `taken_over`.
    """

    columns: Mapping[str, np.ndarray]
    card: Mapping[str, Any]
    folder: Path


def find(cache: Cache, asked: Asked) -> Stored | None:
    """What the store has for a key, None where it has nothing."""
    folder = cache.get(asked.kind, asked.key)
    return None if folder is None else read(folder, asked)


def read(folder: Path, asked: Asked) -> Stored:
    """An item as it lies on disk."""
    card = json.loads((folder / CARD).read_text())
    assert tuple(card["ids"]) == asked.ids, f"{folder}: rows belong to other questions"
    with np.load(folder / VALUES, allow_pickle=False) as values:
        return Stored({name: values[name] for name in values.files}, card, folder)


def write(folder: Path, columns: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write an item into an empty folder, for the cache to mark as whole. UserError where that is not possible."""
    with writing(folder):
        np.savez(folder / VALUES, allow_pickle=False, **columns)
        (folder / CARD).write_bytes(dump_json(card))


@contextmanager
def writing(path: Path, option: str = "") -> Iterator[None]:
    """Turn what the system says about a place that cannot be written into a UserError that names it, and the option
    that chose it (`--out: `)."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{option}cannot write {path}: {reason} ({error.filename or path})") from error
