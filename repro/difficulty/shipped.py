"""Finds a difficulty predictor that ships with the package, by the key of what it was built from."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "assets"
"""One folder per predictor, named by its key: what the cache would hold."""
COST_FILE = "cost.json"
"""Beside a predictor, what its labels, embeddings and training cost whoever built it."""


def shipped_predictor(key: str) -> Path | None:
    """The folder of the predictor with this key, or None where the package has none."""
    folder = SHIPPED / key
    return folder if (folder / COST_FILE).is_file() else None
