"""Samples completions of prompts, reproducibly and with exact token counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.block_end import block_end
from repro.models.continuations import continuation_ids
from repro.models.decode import Decoding, complete
from repro.models.kv_cache import padded_left
from repro.models.modes import arithmetic
from repro.models.texts import completion_texts


@dataclass(frozen=True)
class Completions:
    """Row i belongs to prompt i // samples. Counts include the end-of-sequence token where one was generated.

    `logps`: log-probs of the sampled tokens as the engine sampled them, where it tells them.
    """

    texts: list[str]
    token_ids: list[list[int]]
    prompt_counts: list[int]
    logps: list[list[float]] | None = None

    @property
    def token_counts(self) -> list[int]:
        """Tokens of each completion."""
        return [len(ids) for ids in self.token_ids]

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens processed: a prompt counts once per sample."""
        return sum(self.prompt_counts)

    @property
    def generated_tokens(self) -> int:
        """Completion tokens generated."""
        return sum(self.token_counts)

    @property
    def lengths(self) -> list[int]:
        """Prompt and completion tokens of each row."""
        return [p + c for p, c in zip(self.prompt_counts, self.token_counts, strict=True)]


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    samples: int,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    seed: int,
    batch_size: int | None = None,
    earlier: Sequence[str] = (),
) -> Completions:
    """`samples` completions of every prompt; temperature 0 is greedy.

    A completion depends on `seed`, its prompt and which of the prompt's samples it is, not on what else is asked for;
    `earlier` are prompts that other processes complete before these, as often each.
    `repro.models.decode.complete` says what is left to rounding. Torch's global generators and the model's mode are
    left as they were.
    Raises ValueError for a negative temperature, a top_p outside (0, 1] or counts below 1.
    """
    if temperature < 0 or not 0 < top_p <= 1 or min(samples, max_new_tokens, batch_size or 1) < 1:
        raise ValueError(
            f"samples={samples}, temperature={temperature}, top_p={top_p}, max_new_tokens={max_new_tokens}, "
            f"batch_size={batch_size}: expected counts >= 1, temperature >= 0 and top_p in (0, 1]"
        )
    if not prompts:
        return Completions([], [], [])
    rows, before = _rows(tokenizer, prompts, samples), _rows(tokenizer, earlier, samples)
    how = decoding_of(model, tokenizer, temperature, top_p, max_new_tokens)
    training = model.training
    model.eval()
    try:
        with arithmetic(model):
            kept, logps = complete(model, rows, seed, how, batch_size, before)
    finally:
        model.train(training)
    return Completions(completion_texts(tokenizer, kept), kept, [len(ids) for ids in rows], logps)


def _rows(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], samples: int) -> list[list[int]]:
    encoded = tokenizer(list(prompts), add_special_tokens=False)["input_ids"] if prompts else []
    return [ids for ids in encoded for _ in range(samples)]


MOST_LOGITS = 2**28
"""In one pass over completions, about 4 GB in float32 with what is made of them; one row may take more."""


@torch.no_grad()
def mean_entropy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    completions: Sequence[str],
    batch_size: int = 64,
) -> float:
    """Mean entropy, in nats per token, of the policy at temperature 1 along the given completions and their ends.

    One prompt per completion. The end-of-sequence token counts as the last token of each completion.
    """
    if len(prompts) != len(completions) or not prompts:
        raise ValueError(f"{len(prompts)} prompts and {len(completions)} completions: expected as many, at least one")
    questions = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    answers = [[*ids, tokenizer.eos_token_id] for ids in continuation_ids(tokenizer, completions)]
    order = sorted(range(len(questions)), key=lambda r: len(questions[r]) + len(answers[r]))
    total, tokens = 0.0, 0
    training = model.training
    model.eval()
    try:
        rest, vocabulary = order, model.config.get_text_config().vocab_size
        while rest:
            keep = max(len(answers[r]) for r in rest[:batch_size]) + 1
            fitting = max(1, MOST_LOGITS // (keep * vocabulary))
            chosen, rest = rest[: min(batch_size, fitting)], rest[min(batch_size, fitting) :]
            sequences = [questions[r] + answers[r] for r in chosen]
            ids, mask = padded_left(sequences, tokenizer.pad_token_id, model.device)
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            keep = max(len(answers[r]) for r in chosen) + 1
            with arithmetic(model):
                logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep).logits
            logp = logits[:, :-1].float().log_softmax(-1)  # (rows, keep - 1, vocabulary): predicts the last keep - 1
            entropy = -(logp.exp() * logp).sum(-1)  # (rows, keep - 1)
            for row, r in enumerate(chosen):
                total += float(entropy[row, -len(answers[r]) :].double().sum())
                tokens += len(answers[r])
    finally:
        model.train(training)
    return total / tokens


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end a completion: the tokenizer's, and what the model's generation config adds to it."""
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    extra = configured if isinstance(configured, list) else [] if configured is None else [configured]
    return {tokenizer.eos_token_id, *extra}


def decoding_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, temperature: float, top_p: float, max_new_tokens: int
) -> Decoding:
    """How a policy is decoded with its tokenizer's tokens. Of its generation config only the ends count: training
    does not know of anything else that a model's authors have set there."""
    ends, pad = sorted(end_tokens(model, tokenizer)), int(tokenizer.pad_token_id)
    return Decoding(temperature, top_p, max_new_tokens, ends, pad, block_end(model, tokenizer))
