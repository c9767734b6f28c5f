"""Token ids of texts that continue others: without the space that some tokenizers put before every text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ANCHOR = "\n"
"""Stands before a text to see how it is split inside another."""
PROBE = "1"


def continuation_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of texts as they follow a prompt.

    Tokenizers of the SentencePiece kind put a space before what they are given (Llama 2, Mistral). In the middle of a
    text it would be a space that nobody wrote. For all other tokenizers these are the ids of the texts alone.
    """
    if not texts:
        return []
    alone: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    before = _opening(tokenizer)
    if not before:
        return alone
    behind = tokenizer([ANCHOR + text for text in texts], add_special_tokens=False)["input_ids"]
    return [
        list(ids[len(before) :]) if ids[: len(before)] == before else own
        for ids, own in zip(behind, alone, strict=True)
    ]


def _opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of the anchor where it changes how a text behind it is split; none where it does not."""
    try:
        before, alone, behind = tokenizer([ANCHOR, PROBE, ANCHOR + PROBE], add_special_tokens=False)["input_ids"]
    except Exception as error:
        if type(error) is not Exception:  # the tokenizers library has no class of its own for a missing token
            raise
        return []
    return list(before) if behind[: len(before)] == before and behind[len(before) :] != alone else []
