"""The ways to one confidence per text, and sampling beside them, that `score.py` times against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.sampling import Completions, sample
from repro.scoring.confidence import score_confidence
from repro.scoring.passes import frozen, length_batches, right_padded, token_budget_of
from repro.scoring.prefix import shared_states
from repro.scoring.target_logits import target_logits, target_places

RELEASE_BATCH = 8


@dataclass(frozen=True)
class Work:
    """What every way is given: texts as a context and the target whose tokens are scored, and prompts to answer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    names: list[str]
    contexts: list[str]
    targets: list[str]
    prompts: list[str]

    def ids(self, text: str) -> list[int]:
        """Token ids of one text, without special tokens."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def ours(work: Work) -> np.ndarray:
    """Confidence (N,) by the scorer of this repository."""
    return np.log(score_confidence(work.model, work.tokenizer, work.contexts, work.targets).s)


@torch.no_grad()
def item_by_item(work: Work) -> np.ndarray:
    """Confidence (N,) by a straight loop: one text, one pass, log-softmax where the target is, its mean."""
    out = []
    for context, target in zip(work.contexts, work.targets, strict=True):
        ids = torch.tensor([work.ids(context + target)], device=work.model.device)  # (1, tokens)
        count = len(work.ids(target))
        logits = work.model(input_ids=ids, use_cache=False).logits[0, -count - 1 : -1]  # (T, vocabulary)
        log_probs = logits.float().log_softmax(-1)
        out.append(float(log_probs.gather(1, ids[0, -count:].unsqueeze(1)).mean()))
    return np.array(out)


@torch.no_grad()
def as_released(work: Work) -> np.ndarray:
    """Confidence (N,) as the release of UFO-RL works, written from its description.

    The whole set is padded on the left to its longest text; batches of 8; full-vocabulary log-softmax over as many
    last positions as the batch's longest answer has, and one; a loop over texts and tokens with `.item()`.
    """
    texts = [context + target for context, target in zip(work.contexts, work.targets, strict=True)]
    whole = work.tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt").to(
        work.model.device
    )  # (N, longest)
    out = []
    for start in range(0, len(texts), RELEASE_BATCH):
        rows = slice(start, start + RELEASE_BATCH)
        ids, mask = whole["input_ids"][rows], whole["attention_mask"][rows]
        counts = [len(work.ids(target)) for target in work.targets[rows]]
        keep = max(counts) + 1
        logits = work.model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=keep).logits
        log_probs = logits.log_softmax(-1)  # (8, keep, vocabulary)
        for row, count in enumerate(counts):
            total = 0.0
            for place in range(-count, 0):
                total += log_probs[row, place - 1, ids[row, place]].item()
            out.append(total / count)
    return np.array(out)


def bare_pass(work: Work) -> Callable[[], None]:
    """The limit: the forward passes of our batches with logits at the target positions, and nothing else.

    Tokens, batches, positions and how many tokens all texts share are prepared here, outside what is timed.
    """
    model = work.model
    ids = [work.ids(context + target) for context, target in zip(work.contexts, work.targets, strict=True)]
    lengths = np.array([len(row) for row in ids])
    counts = np.array([len(work.ids(target)) for target in work.targets])
    shared = score_confidence(model, work.tokenizer, work.contexts, work.targets).cost.shared_tokens
    batches = []
    for batch in length_batches(lengths - shared, token_budget_of(model)):
        tokens = right_padded([ids[i][shared:] for i in batch], 0)  # (rows, longest)
        batches.append((tokens, *target_places(lengths[batch] - shared, counts[batch])))
    with frozen(model):
        logits_of = target_logits(model, ids[int(lengths.argmin())])

    def run() -> None:
        with frozen(model):
            states = shared_states(model, ids[0][:shared]) if shared else None
            for tokens, rows, places in batches:
                for _ in logits_of(tokens, rows, places, states):
                    pass

    return run


def sampled(work: Work, questions: int, samples: int, max_new_tokens: int) -> Completions:
    """`samples` completions at temperature 1 of the first prompts, as a pass rate needs them."""
    options = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": max_new_tokens, "seed": 0}
    return sample(work.model, work.tokenizer, work.prompts[:questions], samples=samples, **options)


@torch.no_grad()
def in_float64(work: Work) -> np.ndarray:
    """Confidence (N,) by its definition in float64, text by text. The model must hold float64 weights."""
    out = []
    for context, target in zip(work.contexts, work.targets, strict=True):
        ids = torch.tensor([work.ids(context + target)], device=work.model.device)
        total, count = 0.0, len(work.ids(target))
        log_probs = work.model(input_ids=ids, use_cache=False).logits[0, -count - 1 :].double().log_softmax(-1)
        for place in range(count):
            total += float(log_probs[place, ids[0, place - count]])
        out.append(total / count)
    return np.array(out)
