"""Label-free scores of a question: how probable and how uncertain its own tokens are to the start policy.

One teacher-forced pass over the question inside the rendered prompt; nothing is sampled and no answer is needed.
Single-pass relatives of UFO-RL's confidence: prompt perplexity (PREPO, 2511.00794), prompt entropy (HIVE, 2603.25184).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from repro.errors import UserError
from repro.scoring.passes import (
    PassCost,
    Portion,
    Progress,
    Receive,
    Stopwatch,
    cells_of,
    frozen,
    length_batches,
    portion_of,
    right_padded,
    token_budget_of,
)
from repro.scoring.target_logits import target_logits, target_places
from repro.tasks.prompts import MARK

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class PromptScores(NamedTuple):
    """Of every question's own tokens, (N,) float64 in [0, 1]: `perplexity` is 1 / perplexity, the geometric mean of
    their probabilities; `entropy` the mean entropy of their predictions over log(vocabulary); both NaN where a portion
    leaves the question out. And what the pass cost.
    """

    perplexity: np.ndarray
    entropy: np.ndarray
    cost: PassCost


def score_prompts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    render: Callable[[str], str],
    *,
    names: Sequence[str] | None = None,
    token_budget: int | None = None,
    progress: Progress | None = None,
    receive: Receive | None = None,
    portion: Portion | None = None,
) -> PromptScores:
    """Score `questions` inside `render(question)`, the prompt of rollouts.

    What opens every prompt (start token, system prompt, head of the chat) is context and not scored, and what follows
    a question is not processed. Without anything before it, the first token has no prediction and is left out. A token
    that reaches over the border counts as the question's. Logits are float32 and exist for the scored positions only;
    `token_budget`, `progress`, `portion` and `receive` (columns `perplexity` and `entropy`) are those of
    `score_confidence`. No random numbers are drawn and the model's mode is
    restored. UserError naming a question (by `names`) of which no token is predicted; ValueError where `render`
    changes the text around the question from one to the next.
    """
    import torch

    if not questions:
        return PromptScores(np.zeros(0), np.zeros(0), PassCost(0, 0, (), 0, 0.0))
    watch = Stopwatch(model)
    opening, texts = _up_to_the_question(questions, render)
    ids: list[list[int]] = tokenizer([opening, *texts], add_special_tokens=False)["input_ids"]
    before, ids = ids[0], ids[1:]
    lengths = np.array([len(row) for row in ids])  # (N,)
    first = np.array([max(1, _shared(before, row)) for row in ids])  # (N,) the first token that is scored
    counts = lengths - first  # (N,)
    if (counts < 1).any():
        i = int(counts.argmin())
        raise UserError(
            f"question {names[i] if names else i!r}: no token of {questions[i]!r} has another before it, so nothing "
            f"predicts it; take the question out or choose another selection.method"
        )
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    scores = np.full((len(ids), 2), np.nan)  # (N, 2): 1 / perplexity, and entropy over log(vocabulary)
    ceiling = np.log(model.config.get_text_config().vocab_size)
    budget = token_budget_of(model) if token_budget is None else token_budget
    batches = list(length_batches(lengths, budget))
    done = 0
    with frozen(model):
        logits_of = target_logits(model, ids[int(lengths.argmin())])
        for batch in portion_of(batches, portion or Portion()):
            tokens = right_padded([ids[i] for i in batch], pad)  # (rows, longest)
            rows, places = target_places(lengths[batch], counts[batch])  # (M,)
            labels = torch.from_numpy(tokens[rows, places]).to(model.device)  # (M,)
            values = _measured(logits_of(tokens, rows, places, None), labels).double().cpu().numpy()  # (M, 2)
            sums = [np.bincount(rows, weights=values[:, column], minlength=len(batch)) for column in (0, 1)]
            log_prob, entropy = (total / counts[batch] for total in sums)  # (rows,) means over the question
            scores[batch, 0], scores[batch, 1] = np.exp(log_prob), np.clip(entropy / ceiling, 0.0, 1.0)
            done += len(batch)
            if receive is not None:
                receive(batch, {"perplexity": scores[batch, 0], "entropy": scores[batch, 1]})
            if progress is not None:
                progress(done, len(ids))
    scored, cells = int(counts.sum()), cells_of(batches, lengths)
    cost = PassCost(int(lengths.sum()) - scored, scored, tuple(lengths.tolist()), cells, watch.seconds())
    return PromptScores(scores[:, 0], scores[:, 1], cost)


def _up_to_the_question(questions: Sequence[str], render: Callable[[str], str]) -> tuple[str, list[str]]:
    """What opens every prompt, and the prompts up to the end of their question."""
    opening, mark, closing = render(MARK).partition(MARK)
    prompts = [render(question) for question in questions]
    if not mark or not all(prompt.startswith(opening) and prompt.endswith(closing) for prompt in prompts):
        raise ValueError("render does not put every question between the same two texts")
    return opening, [prompt[: len(prompt) - len(closing)] for prompt in prompts]


def _shared(opening: Sequence[int], row: Sequence[int]) -> int:
    """How many tokens a row has in common with the opening."""
    differing = (i for i, (ours, theirs) in enumerate(zip(opening, row, strict=False)) if ours != theirs)
    return next(differing, min(len(opening), len(row)))


def _measured(pieces: Iterator[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """(M, 2) float32: log-prob of labels (M,), and entropy in nats, under logits in pieces of (m, vocabulary)."""
    import torch

    out, start = [], 0
    for logits in pieces:
        log_probs = logits.float().log_softmax(1)  # (m, vocabulary)
        label = labels[start : start + len(logits)].unsqueeze(1)  # (m, 1)
        entropy = torch.special.entr(log_probs.exp()).sum(1)  # (m,), a token of probability 0 adds nothing
        out.append(torch.stack([log_probs.gather(1, label).squeeze(1), entropy], dim=1))
        start += len(logits)
    return torch.cat(out)
