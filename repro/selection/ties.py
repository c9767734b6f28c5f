"""Equal scores at a cut: which of them are kept is drawn, so that the order of the data decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tie_places(ids: Sequence[str], generator: np.random.Generator) -> np.ndarray:
    """(N,) a place for each question among those of equal score, drawn without repeats.

    It depends on the question's id and the generator, not on the row that holds it: the same questions in another order
    have the same places.
    """
    places = np.empty(len(ids), dtype=np.int64)
    places[sorted(range(len(ids)), key=ids.__getitem__)] = generator.permutation(len(ids))
    return places


def ranked(keys: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,) indices by ascending key (N,), equal keys by their places (N,)."""
    return np.lexsort((places, keys))
