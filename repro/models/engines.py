"""What makes completions for evaluations, probes, labels and pass rates: one verb, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.sampling import Completions, sample


class Engine(Protocol):
    """Samples from the policy as it is now."""

    def generate(
        self,
        prompts: Sequence[str],
        *,
        samples: int,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int,
        earlier: Sequence[str] = (),
    ) -> Completions:
        """`samples` completions of every rendered prompt, row i of prompt i // samples; temperature 0 is greedy.

        `earlier`: prompts of the same call that other processes complete, before these. No row of theirs and of these
        has the same random numbers, and how a call is split between processes changes none.
        """

    def policy_changed(self) -> None:
        """Called when the policy's weights have changed: an engine with a copy of them has to renew it."""

    def synchronize(self) -> None:
        """Renew the copy of the weights now, if there is one and it is old."""


class HuggingFaceEngine:
    """The policy itself, which always has the newest weights."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    def generate(
        self,
        prompts: Sequence[str],
        *,
        samples: int,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int,
        earlier: Sequence[str] = (),
    ) -> Completions:
        """See `repro.models.sampling.sample`."""
        return sample(
            self.model,
            self.tokenizer,
            prompts,
            samples=samples,
            temperature=temperature,
            top_p=top_p,
            max_new_tokens=max_new_tokens,
            seed=seed,
            earlier=earlier,
        )

    def policy_changed(self) -> None:
        """Nothing to do: there is no copy."""

    def synchronize(self) -> None:
        """Nothing to do: there is no copy."""
