"""UFO-RL's confidence: how probable a known target is to the start policy, from one pass and without decoding.

    Conf = (1/T) sum_t log P(y_t | x, y_<t),   s = exp(Conf)         (T tokens of the target y)

The target is tokenised alone, without special tokens, to find T; the last T tokens of the whole text are scored. No
temperature and no normalisation. The release pads the whole dataset to its longest item, materialises the vocabulary
for every kept position of a batch and loops over tokens in Python; here batches hold texts of like length, and the
output layer sees the target positions only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from repro.errors import UserError
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
from repro.tasks.problem import AnswerFormat, Problem

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Target = Literal["final_answer", "solution", "greedy_response"]
LOGIT_CELLS = 1 << 25  # most logits held at once: 128 MiB of float32, whatever the vocabulary


class Scored(NamedTuple):
    """Confidences `s` (N,) float64 in (0, 1], target lengths `tokens` (N,) int64, and what the pass cost."""

    s: np.ndarray
    tokens: np.ndarray
    cost: PassCost


def target_texts(
    target: Target,
    prompts: Sequence[str],
    problems: Sequence[Problem],
    answer_format: AnswerFormat,
    *,
    respond: Callable[[Sequence[str]], Sequence[str]] | None = None,
    end: str | None = None,
) -> tuple[list[str], list[str]]:
    """(contexts, targets): each target follows its context, and only the target's tokens are scored.

    final_answer: the prompt and the answer prefix, then the gold answer alone. solution: the prompt, then the worked
    solution with its answer. greedy_response: the prompt, then what `respond(prompts)` returns (the caller pays for
    that decoding); an empty response is scored as the end of sequence `end`, the one token it consists of.
    UserError where a problem lacks what the target needs.
    """
    if target == "final_answer":
        lacking = [problem.id for problem in problems if not problem.answer.strip()]
        contexts = [prompt + answer_format.answer_prefix for prompt in prompts]
        targets = [problem.answer for problem in problems]
    elif target == "solution":
        lacking = [problem.id for problem in problems if not problem.solution.strip()]
        contexts, targets = list(prompts), [answer_format.completion(problem) for problem in problems]
    else:
        if respond is None or not end:
            raise ValueError("target greedy_response needs `respond` and `end`")
        responses = list(respond(prompts))
        if len(responses) != len(prompts):
            raise ValueError(f"respond returned {len(responses)} texts for {len(prompts)} prompts")
        lacking = []
        contexts, targets = list(prompts), [response or end for response in responses]
    if lacking:
        field = "answer" if target == "final_answer" else "solution"
        raise UserError(
            f"selection.target: {target} needs a {field} for every question; {len(lacking)} of {len(problems)} have "
            f"none, the first is {lacking[0]!r}. Set dataset.{field} to the field that holds it, or take another "
            f"target (final_answer, solution, greedy_response)"
        )
    return contexts, targets


def score_confidence(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    targets: Sequence[str],
    *,
    token_budget: int | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Score `targets[i]` after `prompts[i]` (rendered text, see `target_texts`) in one teacher-forced pass.

    `token_budget` bounds the cells of a batch, padding included (default: what suits the device); it changes speed,
    memory and the last bits only. Log-probabilities are float32, target logit minus logsumexp, and are summed in
    float64. No random numbers are drawn and the model's mode is restored. ValueError for an empty target or one that
    leaves no token before it.
    """
    import torch

    if len(prompts) != len(targets):
        raise ValueError(f"{len(prompts)} prompts and {len(targets)} targets, expected as many")
    if not prompts:
        return Scored(np.zeros(0), np.zeros(0, np.int64), PassCost(0, 0, (), 0, 0.0))
    watch = Stopwatch(model)
    # One call for all texts: the tokenizer runs them in parallel and outside Python.
    texts = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    alone = tokenizer(list(targets), add_special_tokens=False)["input_ids"]
    lengths = np.array([len(row) for row in ids])  # (N,) tokens of the whole text
    counts = np.array([len(row) for row in alone])  # (N,) T, tokens of the target
    wrong = np.flatnonzero((counts < 1) | (counts >= lengths))
    if len(wrong):
        i = wrong[0]
        raise ValueError(
            f"text {i}: {counts[i]} target tokens of {lengths[i]}, expected at least 1 and one token before them"
        )
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    log_probs = np.zeros(len(ids))  # (N,) sum over the target
    padded, done = 0, 0
    with frozen(model):
        predict = _prediction(model, ids[int(lengths.argmin())])
        for batch in length_batches(lengths, token_budget_of(model) if token_budget is None else token_budget):
            tokens = right_padded([ids[i] for i in batch], pad)  # (rows, longest)
            rows, places = _target_places(lengths[batch], counts[batch])  # (M,), M = target tokens of the batch
            labels = torch.from_numpy(tokens[rows, places]).to(model.device)  # (M,)
            values = predict(tokens, rows, places, labels)  # (M,)
            log_probs[batch] = np.bincount(rows, weights=values.double().cpu().numpy(), minlength=len(batch))
            padded += tokens.size
            done += len(batch)
            if progress is not None:
                progress(done, len(ids))
    scored = int(counts.sum())
    cost = PassCost(int(lengths.sum()) - scored, scored, tuple(lengths.tolist()), padded, watch.seconds())
    return Scored(np.exp(log_probs / counts), counts.astype(np.int64), cost)


def _target_places(lengths: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, places) of the last counts[r] tokens of every row r, row by row, without a Python loop over tokens."""
    rows = np.repeat(np.arange(len(lengths)), counts)  # (M,)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # (M,) 0..T-1 within its row
    return rows, np.repeat(lengths - counts, counts) + nth


Prediction = Callable[[np.ndarray, np.ndarray, np.ndarray, "torch.Tensor"], "torch.Tensor"]
"""(tokens (rows, longest), rows (M,), places (M,), labels (M,)) -> log-probs (M,) of the labels at those places."""


def _prediction(model: PreTrainedModel, probe: Sequence[int]) -> Prediction:
    """How this model predicts: its output layer on the target positions alone, where that gives the model's logits.

    Some architectures scale or cap logits after the output layer (Cohere, Granite, Gemma 2). One text decides: where
    the layer's own logits differ from the model's, whole rows are asked of the model at the columns that are needed.
    """
    import torch

    head = model.get_output_embeddings()
    size = max(1, LOGIT_CELLS // model.config.get_text_config().vocab_size)

    def by_layer(tokens: np.ndarray, rows: np.ndarray, places: np.ndarray, labels: torch.Tensor) -> torch.Tensor:
        states = hidden_states(model, tokens)  # (rows, longest, width)
        predicting = states[torch.from_numpy(rows), torch.from_numpy(places - 1)]  # (M, width)
        parts = zip(predicting.split(size), labels.split(size), strict=True)
        return torch.cat([_log_probs(head(state), label) for state, label in parts])

    def by_model(tokens: np.ndarray, rows: np.ndarray, places: np.ndarray, labels: torch.Tensor) -> torch.Tensor:
        columns, nth = np.unique(places - 1, return_inverse=True)  # a batch holds texts of like length: few columns
        batch, keep = (torch.from_numpy(array).to(model.device) for array in (tokens, columns))
        logits = model(input_ids=batch, use_cache=False, logits_to_keep=keep).logits  # (rows, columns, vocabulary)
        return _log_probs(logits[torch.from_numpy(rows), torch.from_numpy(nth)], labels)

    ids = right_padded([probe], 0)
    ours = head(hidden_states(model, ids)).float()  # (1, tokens, vocabulary)
    theirs = model(input_ids=torch.from_numpy(ids).to(model.device), use_cache=False).logits.float()
    same = bool((ours - theirs).abs().max() <= 1e-4 * theirs.abs().max())
    return by_layer if same else by_model


def _log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Float32 log-probs (m,) of labels (m,) under logits (m, vocabulary)."""
    logits = logits.float()
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1) - logits.logsumexp(1)
