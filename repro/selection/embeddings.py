"""Frozen question embeddings of the start policy, from which DOTS predicts difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from repro.selection.passes import (
    PassCost,
    Progress,
    Stopwatch,
    frozen,
    hidden_states,
    length_batches,
    right_padded,
    token_budget_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def embed_questions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    *,
    token_budget: int | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, PassCost]:
    """(N, width) float32 mean over tokens of the last hidden state of each question's bare text, and the cost.

    DOTS, predictor: no chat template, no system prompt, no special tokens, padding not averaged. Row i belongs to
    questions[i]. ValueError for a question without tokens.
    """
    import torch

    watch = Stopwatch(model)
    ids: list[list[int]] = tokenizer(list(questions), add_special_tokens=False)["input_ids"] if questions else []
    lengths = np.array([len(row) for row in ids], dtype=np.int64)  # (N,)
    if (lengths < 1).any():
        raise ValueError(f"question {int(lengths.argmin())} has no tokens: {questions[int(lengths.argmin())]!r}")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    out = np.zeros((len(ids), model.config.get_text_config().hidden_size), dtype=np.float32)
    padded, done = 0, 0
    with frozen(model):
        for batch in length_batches(lengths, token_budget_of(model) if token_budget is None else token_budget):
            tokens = right_padded([ids[i] for i in batch], pad)  # (rows, longest)
            states = hidden_states(model, tokens).float()  # (rows, longest, width)
            size = torch.from_numpy(lengths[batch]).to(states.device)  # (rows,)
            inside = torch.arange(tokens.shape[1], device=states.device) < size.unsqueeze(1)  # (rows, longest)
            means = (states * inside.unsqueeze(2)).sum(1) / size.unsqueeze(1)  # (rows, width)
            out[batch] = means.cpu().numpy()
            padded += tokens.size
            done += len(batch)
            if progress is not None:
                progress(done, len(ids))
    cost = PassCost(int(lengths.sum()), 0, tuple(lengths.tolist()), padded, watch.seconds())
    return out, cost
