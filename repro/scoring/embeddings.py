"""Frozen question embeddings of a policy or of any other transformer, from which DOTS predicts difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.scoring.passes import (
    PassCost,
    Portion,
    Progress,
    Receive,
    Stopwatch,
    cells_of,
    frozen,
    hidden_states,
    length_batches,
    portion_of,
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
    receive: Receive | None = None,
    portion: Portion | None = None,
) -> tuple[np.ndarray, PassCost]:
    """(N, width) float32 mean over tokens of the last hidden state of each question's bare text, and the cost.

    DOTS, predictor: no chat template, no system prompt, no special tokens, padding not averaged. Row i belongs to
    questions[i]; rows that a `portion` leaves out are 0. `receive` is given the column `embedding` (m, width) of every
    batch. ValueError for a question without tokens.
    """
    import torch

    watch = Stopwatch(model)
    texts: list[list[int]] = tokenizer(list(questions), add_special_tokens=False)["input_ids"] if questions else []
    lengths = np.array([len(row) for row in texts], dtype=np.int64)  # (N,)
    if (lengths < 1).any():
        raise ValueError(f"question {int(lengths.argmin())} has no tokens: {questions[int(lengths.argmin())]!r}")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    out = np.zeros((len(texts), model.config.get_text_config().hidden_size), dtype=np.float32)
    batches = list(length_batches(lengths, token_budget_of(model) if token_budget is None else token_budget))
    done = 0
    with frozen(model):
        for batch in portion_of(batches, portion or Portion()):
            tokens = right_padded([texts[i] for i in batch], pad)  # (rows, longest)
            size = torch.from_numpy(lengths[batch]).to(model.device)  # (rows,)
            inside = torch.arange(tokens.shape[1], device=model.device) < size.unsqueeze(1)  # (rows, longest)
            if model.get_output_embeddings() is None:  # perhaps an encoder, which would look at the padding
                bare: Any = model
                ids = torch.from_numpy(tokens).to(model.device)  # (rows, longest)
                states = bare(input_ids=ids, attention_mask=inside.long()).last_hidden_state.float()
            else:
                states = hidden_states(model, tokens).float()  # (rows, longest, width)
            means = (states * inside.unsqueeze(2)).sum(1) / size.unsqueeze(1)  # (rows, width)
            out[batch] = means.cpu().numpy()
            done += len(batch)
            if receive is not None:
                receive(batch, {"embedding": out[batch]})
            if progress is not None:
                progress(done, len(texts))
    cost = PassCost(int(lengths.sum()), 0, tuple(lengths.tolist()), cells_of(batches, lengths), watch.seconds())
    return out, cost
