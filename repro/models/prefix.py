"""With how many tokens texts begin alike (system turn, examples), and whether a model is worth computing them once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHORTEST = 16
"""Shared tokens from which reading their keys and values beats computing them anew in every row."""
SMALLEST = 2**24
"""Parameters of a policy from which fewer tokens are worth one more pass: launching layers has a cost of its own."""


def shared_length(ids: Sequence[Sequence[int]], most: int) -> int:
    """With how many tokens, `most` at most, all texts begin alike; 0 where they are too few to pay, or one text."""
    if len(ids) < 2:
        return 0
    ordered = sorted(map(tuple, ids))
    first, last = ordered[0], ordered[-1]  # what these two share, everything between them shares
    differ = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    length = min(next(differ, min(len(first), len(last))), most)
    return length if length >= SHORTEST else 0


def large(model: PreTrainedModel) -> bool:
    """Whether a policy has so many parameters that more passes over fewer tokens are faster."""
    return model.num_parameters() >= SMALLEST
