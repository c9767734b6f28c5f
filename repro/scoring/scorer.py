"""The one scorer of `repro score` and of studies: measures what the store lacks, resumes after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.errors import UserError, setting
from repro.models.flops import FlopCounter
from repro.scoring import store
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.scoring.decoding import decode
from repro.scoring.embeddings import embed_questions
from repro.scoring.keys import Asked
from repro.scoring.parts import Parts, Processes
from repro.scoring.passes import PassCost, Portion
from repro.scoring.progress import Showing, unseen
from repro.scoring.prompt_scores import score_prompts
from repro.scoring.store import Stored
from repro.tracking.environment import describe_environment

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from repro.models.engines import Engine


@dataclass(frozen=True)
class Opened:
    """A loaded model. `engine` decodes greedy responses; `commit` is that of a hub's branch, None for other models."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    engine: Engine | None = None
    commit: str | None = None


class Scorer:
    """Scores of questions from the store, or measured and put there.

    Every call is collective over `processes`, each of which makes its share of the batches; values, card and bits do
    not depend on how many there are. `cache` must then be one that builds an item on all of them. `say` gets what the
    user should know, `showing` the progress.
    """

    def __init__(
        self,
        cache: Cache,
        processes: Processes,
        *,
        say: Callable[[str], None] = lambda line: None,
        showing: Showing = unseen,
        batch_tokens: int | None = None,
    ) -> None:
        self.cache, self.processes = cache, processes
        self.say, self.showing, self.batch_tokens = say, showing, batch_tokens

    def stored(self, asked: Asked, opened: Callable[[], Opened], *, anew: bool = False) -> Stored:
        """The columns of what is asked, (N, ...) each in the order of the questions, and their card.

        scores: `confidence` float64 (mean log-prob of a target token), `target_tokens` and `prompt_tokens` int64.
        prompt_scores: `perplexity` and `entropy`, float64 in [0, 1]. embeddings: `embedding` (N, width) float32.
        `opened` loads the model and is called only where the store has nothing. With `anew` all is measured again and
        replaces what the store has. UserError naming the question that cannot be scored, or a file that cannot be
        written.
        """
        variants = store.parts_of(self.cache, asked)

        def build(folder: Path) -> None:
            self._measure(asked, opened(), variants, folder)

        place = self.cache.directory(asked.kind, asked.key, build, anew=anew)
        if self.processes.index == 0:  # not before the whole is in its place
            store.remove_parts(self.cache, asked)
        return store.read(place, asked)

    def _measure(self, asked: Asked, opened: Opened, variants: Path, folder: Path) -> None:
        """Measure what earlier calls left undone in `variants`, and write the whole into `folder`.

        One item comes from one kind of device and one state of a hub's branch: each has a folder in `variants`.
        """
        self.cache.check()  # the model is loaded: if it is not what the key says, no part must be kept
        device = opened.model.device
        parts = Parts(variants / digest([device.type, opened.commit], 8), len(asked.ids), self.processes)
        self._tell_about(parts)
        try:
            cost, example = self._pass(asked, opened, parts)
        except KeyboardInterrupt:
            decoded = len(parts.state.responses)
            also = f" and {decoded:,} responses" if decoded else ""
            self.say(f"stopped: {int(parts.state.done.sum()):,} scores{also} are kept in {parts.folder}")
            raise
        finally:
            parts.flush()
        parts.join()
        state, counter = parts.state, FlopCounter.of(opened.model)
        responses = list(state.responses.values())
        once = counter.forward(cost.lengths) - max(0, len(cost.lengths) - 1) * counter.forward([cost.shared_tokens])
        prompt_tokens, generated = (sum(r.prompt_tokens for r in responses), sum(r.tokens for r in responses))
        card = {
            "kind": asked.kind,
            "fields": dict(asked.fields),
            "ids": list(asked.ids),
            "cost": {
                "prompt_tokens": prompt_tokens,
                "generated_tokens": generated,
                "scored_tokens": cost.computed_tokens,
                "completions": len(responses),
                "flops": once + counter.forward([r.prompt_tokens + r.tokens for r in responses]),
                "seconds": state.passes.seconds + state.decoding.seconds,
                "cpu_seconds": state.passes.cpu_seconds + state.decoding.cpu_seconds,
            },
            "seconds": {"pass": state.passes.seconds, "decoding": state.decoding.seconds},
            "tokens": {"prompt": cost.prompt_tokens, "target": cost.scored_tokens, "generated": generated},
            "shared_tokens": cost.shared_tokens,
            "padding_share": cost.waste,
            "taken_over": parts.taken_over,
            "example": example,
            "model": {"commit": opened.commit, "parameters": opened.model.num_parameters()},
            "machine": machine(device),
        }
        store.write(folder, state.columns, card)

    def _pass(self, asked: Asked, opened: Opened, parts: Parts) -> tuple[PassCost, dict[str, str]]:
        """Make the missing batches; what the whole pass costs, and the first question as the model sees it."""
        model, tokenizer, names = opened.model, opened.tokenizer, asked.ids
        questions = [problem.question for problem in asked.problems]

        def render(question: str) -> str:
            return asked.style.prompt(question, tokenizer, asked.answer_format.question_suffix)

        def respond(prompts: Sequence[str]) -> list[str]:
            if opened.engine is None or asked.max_new_tokens is None:
                raise ValueError("a greedy response needs an engine and max_new_tokens")
            limit = asked.max_new_tokens
            return decode(model, tokenizer, opened.engine, prompts, names, limit, parts, self.showing)

        texts = questions
        if asked.kind == "scores":
            contexts, targets = confidence_texts(
                asked.target,
                asked.prompt,
                asked.problems,
                tokenizer,
                asked.style,
                asked.answer_format,
                respond=respond,
            )
            texts = [context + target for context, target in zip(contexts, targets, strict=True)]
        parts.start()
        done = parts.state.done.copy()
        left, before, count = np.flatnonzero(~done), int(done.sum()), self.processes.count
        total = before + math.ceil(len(left) / count)  # what this process shows is its own share
        with self.showing("scoring", total, before, sum(len(texts[i]) for i in left) / count) as shown:

            def receive(rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
                for values in columns.values():
                    _check_finite(values, rows, names, model)
                parts.add(rows, columns)
                tokens = sum(int(v.sum()) for name, v in columns.items() if name.endswith("tokens"))
                shown(len(rows), tokens, sum(len(texts[i]) for i in rows))

            portion = Portion(done, self.processes.index, count)
            budget = self.batch_tokens
            if asked.kind == "scores":
                example = {"id": names[0], "context": contexts[0], "target": targets[0]}
                options: dict[str, Any] = {"token_budget": budget, "receive": receive, "portion": portion}
                return score_confidence(model, tokenizer, contexts, targets, names=names, **options).cost, example
            example = {"id": names[0], "question": questions[0]}
            options = {"token_budget": budget, "receive": receive, "portion": portion}
            if asked.kind == "prompt_scores":
                return score_prompts(model, tokenizer, questions, render, names=names, **options).cost, example
            return embed_questions(model, tokenizer, questions, **options)[1], example

    def _tell_about(self, parts: Parts) -> None:
        """What an earlier call left, and what is not used of it."""
        responses = len(parts.state.responses)
        if parts.taken_over or responses:
            also = f" and {responses:,} responses" if responses else ""
            left = len(parts.state.done) - parts.taken_over
            self.say(f"goes on: {parts.taken_over:,} scores{also} taken over from {parts.folder}, {left:,} left")
        elif parts.folder.parent.is_dir() and any(parts.folder.parent.iterdir()):
            self.say(f"what lies in {parts.folder.parent} was made on another kind of device or of another commit")


def machine(device: torch.device) -> dict[str, Any]:
    """Device, threads, processors and versions."""
    import torch

    threads = torch.get_num_threads() if device.type == "cpu" else None
    return {"device": str(device), "threads": threads, **describe_environment()}


def _check_finite(values: np.ndarray, rows: np.ndarray, names: Sequence[str], model: PreTrainedModel) -> None:
    """UserError for values (m, ...) of the questions `rows` (m,) that are not finite."""
    wrong = rows[~np.isfinite(values).reshape(len(rows), -1).all(1)]
    if len(wrong):
        raise UserError(
            f"question {names[wrong[0]]!r}: its log-prob is not a number; {model.dtype} may overflow with this model, "
            f"try another number format ({setting('model.dtype')}): bfloat16 or float32"
        )
