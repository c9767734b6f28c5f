"""Where scores are kept: one item of the cache per key, with the values and a card that says how they were made."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
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
    if folder is None:
        return None
    remove_parts(cache, asked)
    return read(folder, asked)


def parts_of(cache: Cache, asked: Asked) -> Path:
    """Where parts of an item are kept until it is whole."""
    return cache.root / asked.kind / ".parts" / f"{asked.key}{cache.suffix}"


def remove_parts(cache: Cache, asked: Asked) -> None:
    """Remove the parts of an item that is whole, those that a kill left included; not while it is measured anew."""
    if (parts := parts_of(cache, asked)).exists():
        with contextlib.suppress(OSError), cache.lock(asked.kind, asked.key).acquire(timeout=0):
            shutil.rmtree(parts)


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


@contextlib.contextmanager
def writing(path: Path, option: str = "") -> Iterator[None]:
    """Turn what the system says about a place that cannot be written into a UserError that names it, and the option
    that chose it (`--out: `)."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{option}cannot write {path}: {reason} ({error.filename or path})") from error
