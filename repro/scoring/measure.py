"""Scores what the parts still lack: loads the policy, decodes greedy responses where asked, and makes the one pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from transformers import PreTrainedTokenizerBase

from repro.cache import Cache
from repro.errors import UserError
from repro.models.policy import Policy, load_policy
from repro.models.sampling import sample
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.scoring.output import writing
from repro.scoring.parts import Parts
from repro.scoring.passes import PassCost
from repro.scoring.prefix import shared_length
from repro.scoring.progress import say, showing
from repro.scoring.request import Request
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import TaskData
from repro.tasks.verify import MathVerifier

DECODED_AT_ONCE = {"cpu": 32, "cuda": 256}


@dataclass(frozen=True)
class Example:
    """The first question as the policy sees it, and what is scored of it."""

    id: str
    context: str
    target: str


@dataclass(frozen=True)
class Measured:
    """`columns`: id, confidence (mean log-prob), target_tokens and prompt_tokens, (N,) each, in dataset order.

    `padding_share` (of the tokens that had to be computed) and `shared_tokens` (with which all texts begin, computed
    once) are of the pass of this call; None where nothing was left to score.
    """

    columns: dict[str, np.ndarray]
    example: Example
    padding_share: float | None = None
    shared_tokens: int | None = None


def open_policy(request: Request, cache: Cache, device: str | None, tell: Callable[[str], None]) -> Policy:
    """The policy on its device. Raises UserError for a device that is not there, or a model that does not load."""
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if place.startswith("cuda"):
        count = torch.cuda.device_count()
        if not count:
            raise UserError(f"--device: got {place}, but this machine has no GPU that torch can use; expected cpu")
        index = int(place.partition(":")[2] or 0)
        if index >= count:
            raise UserError(f"--device: got {place}, expected cuda:0 to cuda:{count - 1}")
        torch.cuda.set_device(index)
    told = [-1]

    def warm_start(message: str, done: float) -> None:  # the embedded policy of a study may have to be made first
        if int(10 * done) != told[0]:
            told[0] = int(10 * done)
            tell(message)

    if request.model.tiny is not None:
        data = load_dataset(request.dataset)
    else:  # weights are read, not made, and need no data
        data = TaskData(request.dataset.label, request.problems, (), (), MathVerifier(), request.answer_format)
    policy = load_policy(request.model, request.dataset, data, cache, warm_start)
    torch.nn.Module.to(policy.model, place)
    return policy


def commit_of(policy: Policy) -> str | None:
    """The commit of a hub model; None for any other. Its snapshot lies in a directory of that name."""
    return policy.directory.name if policy.directory.parent.name == "snapshots" else None


def measure(request: Request, policy: Policy, parts: Parts, console: Console, batch_tokens: int | None) -> Measured:
    """Score what is not in `parts` yet. Raises UserError naming the question that cannot be scored."""
    names = [problem.id for problem in request.problems]

    def respond(prompts: Sequence[str]) -> list[str]:
        return decode(request, policy, parts, console, prompts)

    with _memory():
        contexts, targets = confidence_texts(
            request.target,
            request.prompt,
            request.problems,
            policy.tokenizer,
            request.model.system_prompt,
            request.answer_format,
            respond=respond,
        )
        if before := parts.taken_over:
            _take_back(policy.tokenizer, parts, contexts, targets)
            if parts.taken_over < before:
                say(console, f"{before - parts.taken_over:,} of them are scored again, so that all bits are the same")
        rest = np.flatnonzero(~parts.scored)
        cost = None
        if len(rest):
            cost = _score_rest(policy, parts, console, batch_tokens, rest, contexts, targets, names)
    example = Example(names[0], contexts[0], targets[0])
    columns = {
        "id": np.array(names),
        "confidence": parts.confidence,
        "target_tokens": parts.tokens,
        "prompt_tokens": parts.prompt_tokens,
    }
    if cost is None:
        return Measured(columns, example)
    return Measured(columns, example, cost.waste, cost.shared_tokens)


def _take_back(
    tokenizer: PreTrainedTokenizerBase, parts: Parts, contexts: Sequence[str], targets: Sequence[str]
) -> None:
    """Give up the latest parts until the rest shares as long a beginning as all texts do.

    Batches go from the longest text to the shortest, and parts hold whole batches: the batches of the rest are those
    that were still to come, and give the same bits. But the tokens that all texts share are passed through the model
    apart, and a few last texts may share more than all.
    """
    texts = [context + target for context, target in zip(contexts, targets, strict=True)]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    alone = tokenizer(list(targets), add_special_tokens=False)["input_ids"]
    before = np.array([len(text) - len(target) for text, target in zip(ids, alone, strict=True)])  # (N,)

    def shared(rows: np.ndarray) -> int:
        return shared_length([ids[i] for i in rows], int(before[rows].min()) - 1)

    whole = shared(np.arange(len(ids)))
    while len(rest := np.flatnonzero(~parts.scored)) and shared(rest) != whole:
        parts.take_back()


def _score_rest(
    policy: Policy,
    parts: Parts,
    console: Console,
    batch_tokens: int | None,
    rest: np.ndarray,
    contexts: Sequence[str],
    targets: Sequence[str],
    names: Sequence[str],
) -> PassCost:
    """The pass over the questions `rest`."""
    parts.start()
    characters = [len(contexts[i]) + len(targets[i]) for i in rest]
    with showing(console, "scoring", len(names), len(names) - len(rest), sum(characters)) as shown:

        def receive(indices: np.ndarray, confidence: np.ndarray, tokens: np.ndarray, prompt_tokens: np.ndarray) -> None:
            rows = rest[indices]
            wrong = rows[~np.isfinite(confidence)]
            if len(wrong):
                raise UserError(
                    f"question {names[wrong[0]]!r}: its log-prob is not a number; {policy.model.dtype} may overflow "
                    "with this model, try --dtype bfloat16 or float32"
                )
            with writing(parts.folder):
                parts.add(rows, confidence, tokens, prompt_tokens)
            shown(len(rows), int((tokens + prompt_tokens).sum()), sum(characters[i] for i in indices))

        try:
            scored = score_confidence(
                policy.model,
                policy.tokenizer,
                [contexts[i] for i in rest],
                [targets[i] for i in rest],
                token_budget=batch_tokens,
                names=[names[i] for i in rest],
                receive=receive,
            )
        finally:
            with writing(parts.folder):
                parts.flush()
    return scored.cost


def decode(request: Request, policy: Policy, parts: Parts, console: Console, prompts: Sequence[str]) -> list[str]:
    """The policy's greedy responses, those in `parts` and the missing ones.

    Always the same chunks of prompts of like length, so that a resumed call decodes what an uninterrupted one would.
    """
    lengths = np.array([len(ids) for ids in policy.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]])
    limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(limit, int) and lengths.max() >= limit:
        i = int(lengths.argmax())
        raise UserError(
            f"question {request.problems[i].id!r}: its prompt has {lengths[i]} tokens, which leaves none for a "
            f"response in the model's context of {limit}; leave such questions out or take a model with a longer one"
        )
    longest = request.max_new_tokens or 1
    size = DECODED_AT_ONCE[policy.model.device.type]
    order = np.argsort(-lengths, kind="stable")
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    missing = [chunk for chunk in chunks if not all(int(i) in parts.replies for i in chunk)]
    todo = sum(len(chunk) for chunk in missing)
    with showing(console, "decoding", len(prompts), len(prompts) - todo, todo) as shown:
        for chunk in missing:
            start = time.perf_counter()
            made = sample(
                policy.model,
                policy.tokenizer,
                [prompts[i] for i in chunk],
                samples=1,
                temperature=0.0,
                top_p=1.0,
                max_new_tokens=min(longest, limit - int(lengths[chunk].max())) if isinstance(limit, int) else longest,
                seed=0,
                batch_size=size,
            )
            replies = {int(i): text for i, text in zip(chunk, made.texts, strict=True)}
            with writing(parts.folder):
                parts.add_replies(replies, made.generated_tokens, time.perf_counter() - start)
            shown(len(chunk), made.generated_tokens, len(chunk))
    return [parts.replies[i] for i in range(len(prompts))]


@contextmanager
def _memory() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the GPU ran out of memory; what was scored is kept. Run the same command with a smaller --batch-tokens, "
            "or with --dtype bfloat16"
        ) from error
