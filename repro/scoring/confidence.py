"""UFO-RL's confidence: how probable a known target is to the start policy, from one pass and without decoding.

    Conf = (1/T) sum_t log P(y_t | x, y_<t),   s = exp(Conf)         (T tokens of the target y)

The target is tokenised alone, without special tokens, to find T; the last T tokens of the whole text are scored. No
temperature and no normalisation. The release pads the whole dataset to its longest item, materialises the vocabulary
for every kept position of a batch and loops over tokens in Python; here batches hold texts of like length, the output
layer sees the target positions only, and the tokens with which all texts begin are passed through the model once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from repro.errors import UserError, setting
from repro.models.prefix import shared_length
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
from repro.scoring.targets import ConfidencePrompt, Target
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.prompts import UFO_RL_SYSTEM_PROMPT, PromptStyle

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAPER_ANSWER_PREFIX = "<answer> "
Respond = Callable[[Sequence[str]], Sequence[str]]
PROBES = 8  # texts on which the shared head is checked against whole texts
ROUNDING = {"torch.float64": 1e-4, "torch.float32": 1e-4, "torch.float16": 1e-2, "torch.bfloat16": 5e-2}


class Scored(NamedTuple):
    """Of every text, (N,): `s` float64 in (0, 1], NaN where a portion leaves it out; `tokens` of its target and
    `prompt_tokens` before it, both int64."""

    s: np.ndarray
    tokens: np.ndarray
    prompt_tokens: np.ndarray
    cost: PassCost


def confidence_texts(
    target: Target,
    prompt: ConfidencePrompt,
    problems: Sequence[Problem],
    tokenizer: PreTrainedTokenizerBase,
    style: PromptStyle,
    answer_format: AnswerFormat,
    *,
    respond: Respond | None = None,
) -> tuple[list[str], list[str]]:
    """(contexts, targets): each target follows its context, and only the target's tokens are scored.

    final_answer: the prompt and the answer prefix, then the gold answer alone. solution: the prompt, then the worked
    solution with its answer. greedy_response: the prompt, then what `respond(prompts)` returns (the caller pays for
    that decoding); an empty response is scored as the tokenizer's end of sequence, the one token it consists of.

    `default` is the prompt of rollouts. `paper` is that of UFO-RL's release: its system prompt (`style` is not used),
    the bare question, the opened assistant turn, and for final_answer the literal `<answer> ` with the gold
    answer stripped and without commas; no closing tag and no end of turn. What the chat template itself opens after
    the assistant's name (a think block) stays.

    UserError where a problem lacks what the target needs, or the tokenizer has no chat template for `paper`.
    """
    paper = prompt == "paper"
    if paper:
        if not getattr(tokenizer, "chat_template", None):
            raise UserError(
                f"{setting('selection.prompt')}: paper needs a tokenizer with a chat template (a system, a user and an "
                f"assistant turn); that of {tokenizer.name_or_path or 'this model'!r} has none. Take an "
                "instruction-tuned model, or the default prompt"
            )
        style = PromptStyle(UFO_RL_SYSTEM_PROMPT)
    suffix = answer_format.question_suffix
    prompts = style.prompts([problem.question for problem in problems], tokenizer, suffix)
    if target == "final_answer":
        prefix = PAPER_ANSWER_PREFIX if paper else answer_format.answer_prefix
        contexts = [prompt + prefix for prompt in prompts]
        targets = [p.answer.strip().replace(",", "") if paper else p.answer for p in problems]
        lacking = [p.id for p, text in zip(problems, targets, strict=True) if not text.strip()]
    elif target == "solution":
        lacking = [problem.id for problem in problems if not problem.solution.strip()]
        contexts, targets = prompts, [answer_format.completion(problem) for problem in problems]
    else:
        end = tokenizer.eos_token
        if respond is None or not end:
            raise ValueError("target greedy_response needs `respond` and a tokenizer with an end of sequence")
        responses = list(respond(prompts))
        if len(responses) != len(prompts):
            raise ValueError(f"respond returned {len(responses)} texts for {len(prompts)} prompts")
        lacking = []
        contexts, targets = prompts, [response or end for response in responses]
    if lacking:
        field = "answer" if target == "final_answer" else "solution"
        raise UserError(
            f"{setting('selection.target')}: {target} needs a {field} for every question; {len(lacking)} of "
            f"{len(problems)} have none, the first is {lacking[0]!r}. Set {setting(f'dataset.{field}')} to the field "
            f"that holds it, or take another target (final_answer, solution, greedy_response)"
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
    portion: Portion | None = None,
) -> Scored:
    """Score `targets[i]` after `prompts[i]` (rendered text, see `confidence_texts`) in one teacher-forced pass.

    `token_budget` bounds the cells of a batch, padding included (default: what suits the device); it changes speed,
    memory and the last bits only. `names` are the ids of the questions for error messages. `receive` is given the
    columns `confidence` (float64, mean log-prob = log(s)), `target_tokens` and `prompt_tokens` (int64) of every batch
    as soon as they are known, every text once. With a `portion` only its batches are made; batches and what all texts
    share are those of the whole pass, so that a text gets the same bits whoever scores it. Log-probabilities are
    float32, target logit minus logsumexp, and are summed in float64. No random numbers are drawn and the model's mode
    is restored.

    Tolerance of confidence against the formula in float64, for weights in float32: 1e-4 (found: at most 5e-6);
    float16: 2e-2 (mean 1e-3, at most 1.8e-2); bfloat16: 5e-2 (mean 9e-3, at most 4.2e-2, and up to 8 % of the kept
    tenth are other questions). Found on a CPU with 1,000 questions each of the shipped policy and of one trained on
    GSM8K's solutions, targets final_answer and solution, s between 1e-3 and 1 with a standard deviation up to 0.33.

    UserError, before anything is scored, for a target without tokens, without a token before it, or a text longer
    than the model's context.
    """
    if len(prompts) != len(targets) or (names is not None and len(names) != len(prompts)):
        named = "" if names is None else f", {len(names)} names"
        raise ValueError(f"{len(prompts)} prompts, {len(targets)} targets{named}: expected as many of each")
    if not prompts:
        nothing = np.zeros(0, np.int64)
        return Scored(np.zeros(0), nothing, nothing, PassCost(0, 0, (), 0, 0.0))
    watch = Stopwatch(model)
    # One call for all texts: the tokenizer runs them outside Python. Answers repeat, so each is tokenized once.
    ids = _tokenize(tokenizer, [prompt + target for prompt, target in zip(prompts, targets, strict=True)])
    distinct = list(dict.fromkeys(targets))
    size = {target: len(row) for target, row in zip(distinct, _tokenize(tokenizer, distinct), strict=True)}
    lengths = np.array([len(row) for row in ids], dtype=np.int64)  # (N,) tokens of the whole text
    counts = np.array([size[target] for target in targets], dtype=np.int64)  # (N,) T, tokens of the target
    _check(model, lengths, counts, targets, names)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    budget = token_budget_of(model) if token_budget is None else token_budget
    confidence = np.full(len(ids), np.nan)  # (N,) mean log-prob of a target token
    done = 0
    with frozen(model):
        ask = _Pass(model, ids, lengths, counts, pad)
        batches = list(length_batches(lengths - ask.shared, budget))
        for batch in portion_of(batches, portion or Portion()):
            rows, values = ask(batch)  # (M,), (M,) of the M target tokens
            sums = np.bincount(rows, weights=values.double().cpu().numpy(), minlength=len(batch))  # (rows,)
            confidence[batch] = sums / counts[batch]
            done += len(batch)
            if receive is not None:
                tokens = {"target_tokens": counts[batch], "prompt_tokens": (lengths - counts)[batch]}
                receive(batch, {"confidence": confidence[batch], **tokens})
            if progress is not None:
                progress(done, len(ids))
    scored = int(counts.sum())
    cost = PassCost(
        prompt_tokens=int(lengths.sum()) - scored,
        scored_tokens=scored,
        lengths=tuple(lengths.tolist()),
        padded_tokens=ask.shared + cells_of(batches, lengths - ask.shared),
        seconds=watch.seconds(),
        shared_tokens=ask.shared,
    )
    return Scored(np.exp(confidence), counts, lengths - counts, cost)


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]


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


class _Pass:
    """Log-probs of the targets of any batch of texts; the head that all texts share is computed here, once."""

    def __init__(
        self, model: PreTrainedModel, ids: list[list[int]], lengths: np.ndarray, counts: np.ndarray, pad: int
    ) -> None:
        from repro.scoring.prefix import shared_states

        self.ids, self.lengths, self.counts, self.pad = ids, lengths, counts, pad
        order = np.argsort(lengths, kind="stable")
        self.logits = target_logits(model, ids[order[0]])
        self.shared, self.states = 0, None
        # One own token stays before every target, whose state predicts the target's first.
        most = shared_length(ids, int((lengths - counts).min()) - 1)
        states = shared_states(model, ids[0][:most]) if most else None
        if states is None:
            return
        probe = np.unique(order[np.linspace(0, len(order) - 1, PROBES).astype(np.int64)])  # of all lengths
        expected = self(probe)[1]
        self.shared, self.states = most, states
        if not _agree(self(probe)[1], expected, model.dtype):
            self.shared, self.states = 0, None

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
        """(rows (M,), log-probs (M,) float32) of the M target tokens of the texts `batch` (rows,)."""
        tokens = right_padded([self.ids[i][self.shared :] for i in batch], self.pad)  # (rows, longest)
        rows, places = target_places(self.lengths[batch] - self.shared, self.counts[batch])
        return rows, _log_probs(self.logits(tokens, rows, places, self.states), tokens[rows, places])


def _agree(ours: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether log-probs (M,) are the same up to what the model's type rounds away; NaN is not."""
    allowed = ROUNDING[str(dtype)] * max(1.0, float(expected.abs().mean()))
    return float((ours - expected).abs().mean()) <= allowed


def _log_probs(pieces: Iterator[torch.Tensor], labels: np.ndarray) -> torch.Tensor:
    """Float32 log-probs (M,) of labels (M,) under logits in pieces of (m, vocabulary)."""
    import torch

    out, start = [], 0
    for piece in pieces:
        logits = piece.float()  # (m, vocabulary)
        label = torch.from_numpy(labels[start : start + len(logits)]).to(logits.device)  # (m,)
        out.append(logits.gather(1, label.unsqueeze(1)).squeeze(1) - logits.logsumexp(1))
        start += len(logits)
    return torch.cat(out)
