"""Teacher-forced passes over many texts: batches of like length under a token budget, and what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

PADDING = 0.03
"""Share of a batch's cells that may be padding; on GSM8K the whole pass stays below 4 % at any budget up to 65,536."""
SMALLEST = 1 / 16
"""Share of the budget that a batch may fill whatever its padding."""
Progress = Callable[[int, int], None]
"""`progress(done, total)` in texts, called after every batch."""
Receive = Callable[[np.ndarray, Mapping[str, np.ndarray]], None]
"""`receive(rows, columns)`: the texts (m,) of one batch and what was measured of them, name -> (m, ...)."""


@dataclass(frozen=True)
class Portion:
    """The batches of a pass that this process makes now: of those with a text that is not `done`, every `count`-th.

    `done` (N,) bool: texts measured before. `index` (0..count - 1) is this process among `count` that share the pass.
    """

    done: np.ndarray | None = None
    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class PassCost:
    """What one pass over all texts takes, whichever process makes which batch; `seconds` are those of this call.

    `prompt_tokens`, `scored_tokens` and `lengths` (per text, in the order given) count every text whole. The first
    `shared_tokens` of each are the same and are computed once. `padded_tokens` are all cells that the model sees.
    """

    prompt_tokens: int
    scored_tokens: int
    lengths: tuple[int, ...]
    padded_tokens: int
    seconds: float
    shared_tokens: int = 0

    @property
    def computed_tokens(self) -> int:
        """Tokens that had to be computed: every text's own and the shared ones once."""
        return sum(self.lengths) - self.shared_tokens * max(0, len(self.lengths) - 1)

    @property
    def waste(self) -> float:
        """Padding as a share of what had to be computed."""
        return self.padded_tokens / self.computed_tokens - 1.0 if self.lengths else 0.0


def token_budget_of(model: PreTrainedModel) -> int:
    """Cells of a batch that suit the device: a CPU is fastest while a batch stays in its cache."""
    return 2_048 if model.device.type == "cpu" else 65_536


def length_batches(lengths: np.ndarray, token_budget: int) -> Iterator[np.ndarray]:
    """Indices of `lengths` (N,), longest batch first, each batch within `token_budget` cells (rows x its longest).

    A batch ends before the budget where its padding would exceed `PADDING` of its cells, once it has `SMALLEST` of the
    budget: an accelerator's budget holds texts of very unlike lengths, and a launch for a few rows costs more than
    their padding. A text longer than the budget gets a batch of its own. Longest first, so that a memory error comes
    at once; what a batch holds does not depend on the texts before it. ValueError for a budget below 1.
    """
    if token_budget < 1:
        raise ValueError(f"token_budget is {token_budget}, expected at least 1")
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        held = lengths[order[start : start + max(1, token_budget // longest)]]  # (most rows,)
        cells = longest * np.arange(1, len(held) + 1)  # (most rows,) of the batch that ends with each row
        fits = (cells - held.cumsum() <= PADDING * cells) | (cells <= SMALLEST * token_budget)  # true, then false
        rows = max(1, int(fits.sum()))
        yield order[start : start + rows]
        start += rows


def portion_of(batches: Sequence[np.ndarray], portion: Portion) -> list[np.ndarray]:
    """The batches of a portion, in their order.

    Every process gets equally many, because processes that shard a model have to make equally many passes: the last
    batch is made by several where they do not divide.
    """
    left = [batch for batch in batches if portion.done is None or not portion.done[batch].all()]
    own = left[portion.index :: portion.count]
    return own + left[-1:] * (math.ceil(len(left) / portion.count) - len(own))


def cells_of(batches: Sequence[np.ndarray], lengths: np.ndarray) -> int:
    """Cells (rows x longest) of batches of texts with these lengths (N,), padding included."""
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)


def right_padded(rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """(rows, longest) int64. A causal model's real tokens do not see what follows them, so no mask is needed."""
    padded = np.full((len(rows), max(map(len, rows))), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def hidden_states(model: PreTrainedModel, ids: np.ndarray, shared: Cache | None = None) -> torch.Tensor:
    """(rows, longest, width) last hidden states, after the final norm, of right-padded `ids`.

    With `shared` (see `repro.scoring.prefix`) the rows continue its tokens. Positions and the causal mask follow
    from its length: rows are padded on the right, so all of them start at the same position.
    """
    import torch

    batch = torch.from_numpy(ids).to(model.device)  # (rows, longest)
    use_cache = shared is not None
    return model.base_model(input_ids=batch, past_key_values=shared, use_cache=use_cache).last_hidden_state


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode without gradients, in the arithmetic of the weights' own type; all is restored."""
    import torch

    from repro.models.modes import uncast

    training = model.training
    model.eval()
    try:
        with torch.no_grad(), uncast(model):
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
