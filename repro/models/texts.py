"""From the tokens of completions to their texts: without special tokens, but with the tags of thinking blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.tasks.thinking import TAGS, marks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def completion_texts(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    """The text of each row of token ids, as it was written: no space is tidied away.

    Some tokenizers count the tags of a thinking block as special tokens (`[THINK]`, `<|START_THINKING|>`). They stay,
    because what is thought is no answer.
    """
    special = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= dict(zip(tokenizer.all_special_ids, map(str, tokenizer.all_special_tokens), strict=True))
    tags = {index for index, text in special.items() if _in_a_tag(text)}
    if not tags:
        whole = [list(row) for row in rows]
        return list(tokenizer.batch_decode(whole, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    dropped = special.keys() - tags
    kept = [[index for index in row if index not in dropped] for row in rows]
    return list(tokenizer.batch_decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _in_a_tag(text: str) -> bool:
    part = bool(text.strip()) and any(text.lower() in tag.lower() for pair in TAGS for tag in pair)
    return part or bool(marks(text))
