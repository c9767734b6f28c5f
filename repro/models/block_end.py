"""Ends completions at a blank line, where prompts are plain text and a blank line ends each example in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from repro.models.texts import completion_texts
from repro.tasks.replies import block_is_over

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MARK = "ends_at_blank_line"
"""The field of a generation config, beside the end tokens, that says so of a loaded model."""


def end_with_block(model: PreTrainedModel, ends: bool) -> None:
    """Say of a loaded model whether its completions end at a blank line, whatever its files say."""
    if ends or getattr(model.generation_config, MARK, False):
        setattr(model.generation_config, MARK, ends)


def block_end(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> BlockEnd | None:
    """What ends the completions of a model beside its end tokens; None where nothing does."""
    return BlockEnd(tokenizer) if getattr(model.generation_config, MARK, False) else None


class BlockEnd:
    """Tells whether a completion has come to a blank line after its first text, which may take several tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._breaks: dict[int, bool] = {}

    def ended(self, tokens: Sequence[int], row: Callable[[int], Sequence[int]]) -> list[bool]:
        """For each of the newest tokens, whether its completion is over; `row(i)` are all tokens of completion i."""
        return [self._breaks_line(token) and self._over(row(place)) for place, token in enumerate(tokens)]

    def length(self, row: Sequence[int]) -> int:
        """How many tokens of a completion count: up to the one that ends it, all where none does."""
        for place, token in enumerate(row):
            if self._breaks_line(token) and self._over(row[: place + 1]):
                return place + 1
        return len(row)

    def _breaks_line(self, token: int) -> bool:
        if token not in self._breaks:
            self._breaks[token] = "\n" in completion_texts(self.tokenizer, [[token]])[0]
        return self._breaks[token]

    def _over(self, row: Sequence[int]) -> bool:
        return block_is_over(completion_texts(self.tokenizer, [row])[0])
