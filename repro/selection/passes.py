"""Teacher-forced passes over many texts: batches of like length under a token budget, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Progress = Callable[[int, int], None]
"""`progress(done, total)` in texts, called after every batch."""


@dataclass(frozen=True)
class PassCost:
    """What one pass processed, without padding: `lengths` are tokens per text (for FLOPs), in the order given."""

    prompt_tokens: int
    scored_tokens: int
    lengths: tuple[int, ...]
    padded_tokens: int
    seconds: float


def token_budget_of(model: PreTrainedModel) -> int:
    """Cells of a batch that suit the device: a CPU is fastest while a batch stays in its cache."""
    return 2_048 if model.device.type == "cpu" else 65_536


def length_batches(lengths: np.ndarray, token_budget: int) -> Iterator[np.ndarray]:
    """Indices of `lengths` (N,), longest batch first, each batch within `token_budget` cells (rows x its longest).

    A text longer than the budget gets a batch of its own. Longest first, so that a memory error comes at once.
    ValueError for a budget below 1.
    """
    if token_budget < 1:
        raise ValueError(f"token_budget is {token_budget}, expected at least 1")
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, token_budget // max(1, int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows


def right_padded(rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """(rows, longest) int64. A causal model's real tokens do not see what follows them, so no mask is needed."""
    padded = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def hidden_states(model: PreTrainedModel, ids: np.ndarray) -> torch.Tensor:
    """(rows, longest, width) last hidden states, after the final norm, of right-padded `ids`."""
    import torch

    batch = torch.from_numpy(ids).to(model.device)  # (rows, longest)
    return model.base_model(input_ids=batch, use_cache=False).last_hidden_state


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode without gradients; the mode is restored."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


class Stopwatch:
    """Wall seconds since it was made; waits for the device first."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._device = model.device
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Elapsed seconds."""
        if self._device.type == "cuda":
            import torch

            torch.cuda.synchronize(self._device)
        return time.perf_counter() - self._start
