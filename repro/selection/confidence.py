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
from repro.spec.selections import Target
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.prompts import UFO_RL_SYSTEM_PROMPT, render_prompt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PromptStyle = Literal["default", "paper"]
PAPER_ANSWER_PREFIX = "<answer> "
Respond = Callable[[Sequence[str]], Sequence[str]]
Receive = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
"""`receive(indices, confidence, tokens, prompt_tokens)` of the texts of one batch, (rows,) each."""
LOGIT_CELLS = 1 << 25  # most logits held at once: 128 MiB of float32, whatever the vocabulary


class Scored(NamedTuple):
    """Of every text, (N,): `s` float64 in (0, 1], `tokens` of its target and `prompt_tokens` before it, both int64."""

    s: np.ndarray
    tokens: np.ndarray
    prompt_tokens: np.ndarray
    cost: PassCost


def confidence_texts(
    target: Target,
    prompt_style: PromptStyle,
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    system_prompt: str | None,
    answer_format: AnswerFormat,
    *,
    respond: Respond | None = None,
    end: str | None = None,
) -> tuple[list[str], list[str]]:
    """(contexts, targets): each target follows its context, and only the target's tokens are scored.

    final_answer: the prompt and the answer prefix, then the gold answer alone. solution: the prompt, then the worked
    solution with its answer. greedy_response: the prompt, then what `respond(prompts)` returns (the caller pays for
    that decoding); an empty response is scored as the end of sequence `end` (default: the tokenizer's), the one token
    it consists of.

    `default` is the prompt of rollouts. `paper` is that of UFO-RL's release: its system prompt (`system_prompt` is not
    used), the bare question, the opened assistant turn, and for final_answer the literal `<answer> ` with the gold
    answer stripped and without commas; no closing tag and no end of turn. What the chat template itself opens after
    the assistant's name (a think block) stays.

    UserError where a problem lacks what the target needs, or the tokenizer has no chat template for `paper`.
    """
    paper = prompt_style == "paper"
    if paper:
        if not getattr(tokenizer, "chat_template", None):
            raise UserError(
                "selection.prompt: paper needs a tokenizer with a chat template (a system, a user and an assistant "
                f"turn); that of {tokenizer.name_or_path or 'this model'!r} has none. Take an instruction-tuned model, "
                "or the default prompt"
            )
        system_prompt = UFO_RL_SYSTEM_PROMPT
    suffix = answer_format.question_suffix
    prompts = [render_prompt(problem.question, tokenizer, system_prompt, suffix) for problem in problems]
    if target == "final_answer":
        prefix = PAPER_ANSWER_PREFIX if paper else answer_format.answer_prefix
        contexts = [prompt + prefix for prompt in prompts]
        targets = [p.answer.strip().replace(",", "") if paper else p.answer for p in problems]
        lacking = [p.id for p, text in zip(problems, targets, strict=True) if not text.strip()]
    elif target == "solution":
        lacking = [problem.id for problem in problems if not problem.solution.strip()]
        contexts, targets = prompts, [answer_format.completion(problem) for problem in problems]
    else:
        end = end or tokenizer.eos_token
        if respond is None or not end:
            raise ValueError("target greedy_response needs `respond` and an end of sequence")
        responses = list(respond(prompts))
        if len(responses) != len(prompts):
            raise ValueError(f"respond returned {len(responses)} texts for {len(prompts)} prompts")
        lacking = []
        contexts, targets = prompts, [response or end for response in responses]
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
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    receive: Receive | None = None,
) -> Scored:
    """Score `targets[i]` after `prompts[i]` (rendered text, see `confidence_texts`) in one teacher-forced pass.

    `token_budget` bounds the cells of a batch, padding included (default: what suits the device); it changes speed,
    memory and the last bits only. `names` are the ids of the questions for error messages. `receive` is given the
    results of every batch as soon as they are known, every index once: confidence float64 = mean log-prob = log(s).
    Log-probabilities are float32, target logit minus logsumexp, and are summed in float64. No random numbers are
    drawn and the model's mode is restored.

    UserError, before anything is scored, for a target without tokens, without a token before it, or a text longer
    than the model's context.
    """
    import torch

    if len(prompts) != len(targets) or (names is not None and len(names) != len(prompts)):
        named = "" if names is None else f", {len(names)} names"
        raise ValueError(f"{len(prompts)} prompts, {len(targets)} targets{named}: expected as many of each")
    if not prompts:
        nothing = np.zeros(0, np.int64)
        return Scored(np.zeros(0), nothing, nothing, PassCost(0, 0, (), 0, 0.0))
    watch = Stopwatch(model)
    # One call for all texts: the tokenizer runs them in parallel and outside Python.
    texts = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    alone = tokenizer(list(targets), add_special_tokens=False)["input_ids"]
    lengths = np.array([len(row) for row in ids], dtype=np.int64)  # (N,) tokens of the whole text
    counts = np.array([len(row) for row in alone], dtype=np.int64)  # (N,) T, tokens of the target
    _check(model, lengths, counts, targets, names)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    confidence = np.zeros(len(ids))  # (N,) mean log-prob of a target token
    padded, done = 0, 0
    with frozen(model):
        predict = _prediction(model, ids[int(lengths.argmin())])
        for batch in length_batches(lengths, token_budget_of(model) if token_budget is None else token_budget):
            tokens = right_padded([ids[i] for i in batch], pad)  # (rows, longest)
            rows, places = _target_places(lengths[batch], counts[batch])  # (M,), M = target tokens of the batch
            labels = torch.from_numpy(tokens[rows, places]).to(model.device)  # (M,)
            values = predict(tokens, rows, places, labels)  # (M,)
            sums = np.bincount(rows, weights=values.double().cpu().numpy(), minlength=len(batch))  # (rows,)
            confidence[batch] = sums / counts[batch]
            padded += tokens.size
            done += len(batch)
            if receive is not None:
                receive(batch, confidence[batch], counts[batch], (lengths - counts)[batch])
            if progress is not None:
                progress(done, len(ids))
    scored = int(counts.sum())
    cost = PassCost(int(lengths.sum()) - scored, scored, tuple(lengths.tolist()), padded, watch.seconds())
    return Scored(np.exp(confidence), counts, lengths - counts, cost)


def _check(
    model: PreTrainedModel, lengths: np.ndarray, counts: np.ndarray, targets: Sequence[str], names: Sequence[str] | None
) -> None:
    """UserError for texts that cannot be scored; lengths and counts (N,) tokens of the text and of its target."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    def refuse(wrong: np.ndarray, what: Callable[[int], str], mend: str) -> None:
        if not wrong.any():
            return
        i = int(wrong.argmax())
        name = f"text {i}" if names is None else f"question {names[i]!r}"
        others = f" ({int(wrong.sum())} of {len(wrong)} are so)" if wrong.sum() > 1 else ""
        raise UserError(f"{name}: {what(i)}{others}; {mend}")

    refuse(
        counts < 1,
        lambda i: f"the target {targets[i]!r} has no tokens",
        "expected at least one: an answer in characters that the tokenizer of this model knows",
    )
    refuse(
        counts >= lengths,
        lambda i: f"all {lengths[i]} tokens are the target's",
        "expected a token before the target to predict it from: a question",
    )
    if isinstance(limit, int):
        refuse(
            lengths > limit,
            lambda i: f"{lengths[i]} tokens with its target",
            f"expected at most the {limit} of the model's context (max_position_embeddings); leave such questions out, "
            "take a shorter target or a model with a longer context",
        )


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
