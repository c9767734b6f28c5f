"""The logits that predict chosen tokens of a batch of texts, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from repro.scoring.passes import hidden_states, right_padded

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

LOGIT_CELLS = 1 << 25
"""Most logits that the output layer makes at once: 128 MiB of float32, whatever the vocabulary."""
WHOLE_CELLS = 8 * LOGIT_CELLS
"""The same where the whole model has to make them, for all rows at the columns of any."""

TargetLogits = Callable[[np.ndarray, np.ndarray, np.ndarray, "Cache | None"], "Iterator[torch.Tensor]"]
"""(tokens (rows, longest), rows (M,) ascending, places (M,), states of what stands before the tokens or None) -> the
logits (M, vocabulary) that predict them, in pieces (m, vocabulary)."""


def target_places(lengths: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, places) (M,) of the last counts[r] tokens of every row r, row by row, without a Python loop over tokens.

    lengths and counts (rows,) in tokens; M is the sum of the counts.
    """
    rows = np.repeat(np.arange(len(lengths)), counts)  # (M,)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # (M,) 0..T-1 within its row
    return rows, np.repeat(lengths - counts, counts) + nth


def target_logits(model: PreTrainedModel, probe: Sequence[int]) -> TargetLogits:
    """How this model predicts: its output layer on the target positions alone, where that gives the model's logits.

    Some architectures scale or cap logits after the output layer (Cohere, Granite, Gemma 2). One text (`probe`, token
    ids) decides: where the layer's own logits differ from the model's, whole rows are asked of the model at the
    columns that are needed. Call it without gradients.
    """
    import torch

    head = model.get_output_embeddings()
    vocabulary = model.config.get_text_config().vocab_size

    def on_device(*arrays: np.ndarray) -> list[torch.Tensor]:
        return [torch.from_numpy(array).to(model.device) for array in arrays]

    def by_layer(
        tokens: np.ndarray, rows: np.ndarray, places: np.ndarray, before: Cache | None
    ) -> Iterator[torch.Tensor]:
        states = hidden_states(model, tokens, before)  # (rows, longest, width)
        row, place = on_device(rows, places - 1)  # (M,)
        return (head(part) for part in states[row, place].split(max(1, LOGIT_CELLS // vocabulary)))

    def by_model(
        tokens: np.ndarray, rows: np.ndarray, places: np.ndarray, before: Cache | None
    ) -> Iterator[torch.Tensor]:
        columns, nth = np.unique(places - 1, return_inverse=True)  # a batch holds texts of like length: few columns
        (keep,) = on_device(columns)
        most = max(1, WHOLE_CELLS // (len(columns) * vocabulary))  # rows at once
        for start in range(0, len(tokens), most):
            inside = (rows >= start) & (rows < start + most)  # (M,)
            batch, row, column = on_device(tokens[start : start + most], rows[inside] - start, nth[inside])
            options = {"past_key_values": before, "use_cache": before is not None, "logits_to_keep": keep}
            yield model(input_ids=batch, **options).logits[row, column]  # of (most, columns, vocabulary)

    if model.base_model is model:  # its class does not say where its layers are, so there are no states to be had
        return by_model
    ids = right_padded([probe], 0)
    ours = head(hidden_states(model, ids)).float()  # (1, tokens, vocabulary)
    theirs = model(input_ids=torch.from_numpy(ids).to(model.device), use_cache=False).logits.float()
    same = bool((ours - theirs).abs().max() <= 1e-4 * theirs.abs().max())
    return by_layer if same else by_model
