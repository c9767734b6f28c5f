"""The completions of a step: made by the policy or by vLLM, or taken from this step's probes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.decode import complete
from repro.models.flops import FlopCounter
from repro.models.modes import without_dropout
from repro.models.sampling import decoding_of
from repro.models.vllm_engine import VLLMEngine, row_seeds
from repro.spec.schema import TrainSpec
from repro.training.ledger import Ledger
from repro.training.randomness import ROLLOUT, derive_seed
from repro.training.ranks import Ranks

Completed = tuple[list[list[int]], list[list[float]]]
"""Token ids of each completion, its end included, and their log-probs; [] in place of these where they are not told."""


class Rollouts:
    """Completes the rows of a generation batch, a whole group a question, and enters the cost in the ledger.

    Args:
        prompts: of the training questions, rendered, index by index.
        kept: completions (token ids) of this step's probes by question.
        kept_logps: the log-probs of their tokens, where the engine that made them tells them.
        engine: vLLM, where it makes the completions in place of the policy.
        arithmetic: the context that the policy samples in.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[str],
        train: TrainSpec,
        seed: int,
        ledger: Ledger,
        ranks: Ranks,
        *,
        kept: Mapping[int, Sequence[Sequence[int]]],
        kept_logps: Mapping[int, Sequence[Sequence[float]]],
        engine: VLLMEngine | None,
        arithmetic: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.policy, self.tokenizer, self.prompts, self.train = policy, tokenizer, prompts, train
        self.seed, self.ledger, self.ranks = seed, ledger, ranks
        self.kept, self.kept_logps, self.engine, self.arithmetic = kept, kept_logps, engine, arithmetic
        self.flop_counter = FlopCounter.of(policy)
        self._step_seed = 0
        self._earlier: list[int] = []  # questions whose groups other ranks make, before those of this one
        self._given: list[Sequence[int] | None] = []  # per row: the probe's completion, None where one is to be made
        self._given_logps: list[Sequence[float]] = []  # of the rows that are given, in order

    def begin(self, step: int, chosen: Sequence[int], reused: Collection[int]) -> list[int]:
        """The questions of this rank's groups in a step (from 1), of those that all ranks train.

        Those in `reused` train with their probes. `chosen` divides by the number of ranks.
        """
        self._step_seed = derive_seed(self.seed, ROLLOUT, step)
        questions = self.ranks.share(chosen)
        self._earlier = [i for i in chosen[: self.ranks.index * len(questions)] if i not in reused]
        self._given = [row for index in questions for row in self._group(index, index in reused)]
        self._given_logps = [row for index in questions if index in reused for row in self.kept_logps.get(index, ())]
        return questions

    def _group(self, index: int, reused: bool) -> Sequence[Sequence[int] | None]:
        size = self.train.group_size
        if not reused:
            return [None] * size
        found = self.kept[index]
        assert len(found) == size, f"question {index} was probed {len(found)} times, a group has {size} completions"
        return found

    def make(
        self, prompt_ids: Sequence[Sequence[int]], sharded: Callable[[list[Any]], list[list[int]]] | None
    ) -> tuple[list[list[int]], list[Sequence[float]] | None]:
        """Completions of all rows and the log-probs of their tokens (None where they are not told for all).

        Args:
            prompt_ids: token ids of the rows of the groups that `begin` was told of.
            sharded: generates in place of the policy, whose weights are sharded over the ranks.
        """
        missing = [row for row, given in enumerate(self._given) if given is None]
        # A sharded policy generates on all ranks or on none: one that lacks nothing makes a completion for nobody.
        asked = [prompt_ids[row] for row in missing or ([0] if sharded else [])]
        made: list[list[int]] = []
        made_logps: list[list[float]] = []
        if asked:
            with self.ledger.phase("rollout"):
                if self.engine is not None:
                    made, made_logps = self._ask_engine(self.engine, asked, missing or [0])
                elif sharded is not None:
                    made = sharded(asked)
                else:
                    made, made_logps = self.decode(asked)
        self.ledger.add(
            "rollout",
            prompt_tokens=sum(map(len, asked)),
            generated_tokens=sum(map(len, made)),
            completions=len(made),
            flops=self.flop_counter.forward([len(p) + len(c) for p, c in zip(asked, made, strict=True)]),
        )
        new = iter(made)
        completions = [list(given) if given is not None else next(new) for given in self._given]
        return completions, self._joined_logps(made_logps)

    def _joined_logps(self, made: Sequence[Sequence[float]]) -> list[Sequence[float]] | None:
        """Log-probs of the tokens of all rows, those at hand included; None where they are not told."""
        given = sum(row is not None for row in self._given)
        if len(self._given_logps) < given or len(made) < len(self._given) - given:
            return None
        new, old = iter(made), iter(self._given_logps)
        return [list(next(new if row is None else old)) for row in self._given]

    def decode(self, prompt_ids: list[Sequence[int]]) -> Completed:
        """Completions of rows of the batch and their log-probs, by the policy itself.

        They depend on (run seed, step, prompt, sample) and the weights alone: neither the other questions of a step nor
        the number of ranks changes them. Of questions with the same prompt, the later one gets the next samples.
        """
        train = self.train
        how = decoding_of(self.policy, self.tokenizer, train.temperature, train.top_p, train.max_completion_tokens)
        with without_dropout(self.policy), self.arithmetic():
            return complete(self.policy, prompt_ids, self._step_seed, how, earlier=self._earlier_rows())

    def _earlier_rows(self) -> list[list[int]]:
        if not self._earlier:
            return []
        prompts = [self.prompts[index] for index in self._earlier]
        encoded = self.tokenizer(text=prompts, add_special_tokens=False)["input_ids"]
        return [ids for ids in encoded for _ in range(self.train.group_size)]

    def _ask_engine(self, engine: VLLMEngine, prompt_ids: list[Sequence[int]], rows: list[int]) -> Completed:
        """The same by vLLM; a row's seed depends on (run seed, step, its place in the batch of all ranks)."""
        first = self.ranks.index * len(self._given)
        return engine.complete(
            prompt_ids,
            row_seeds(self._step_seed, [first + row for row in rows]),
            temperature=self.train.temperature,
            top_p=self.train.top_p,
            max_new_tokens=self.train.max_completion_tokens,
        )
