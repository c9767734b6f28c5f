"""Tokenizers of the embedded policy: one token per character for procedural tasks, a small BPE for text.

Both are Qwen2 tokenizers with vocabularies of their own. `AutoTokenizer` gives every directory whose config says
`qwen2` that class, with its normaliser, word splitting and byte-level decoding, whatever `tokenizer.json` holds; so
another kind of tokenizer would silently become this one on loading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
SPECIAL = (PAD, EOS, UNKNOWN)


def character_tokenizer(alphabet: str | None = None) -> PreTrainedTokenizerFast:
    """One token per character of a printable ASCII `alphabet`; characters outside it are dropped.

    Without an alphabet: one token per byte of UTF-8, so that any text (in Unicode's NFC form) survives.
    """
    from tokenizers import pre_tokenizers

    symbols = alphabet if alphabet is not None else "".join(sorted(pre_tokenizers.ByteLevel.alphabet()))
    if not all("!" <= c <= "~" for c in alphabet or ""):
        raise ValueError(f"alphabet {alphabet!r}: expected printable ASCII without spaces; leave it out for other text")
    return _wrap({token: i for i, token in enumerate((*SPECIAL, *symbols))}, [])


def bpe_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with at most `size` tokens, trained on `texts`; digits stay single.

    Any text (in Unicode's NFC form) survives encoding and decoding. Raises ValueError where `size` cannot hold the 256
    bytes and the special tokens.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if size < len(alphabet) + len(SPECIAL):
        raise ValueError(f"a byte-level vocabulary has at least {len(alphabet) + len(SPECIAL)} tokens, got {size}")
    pattern = Qwen2Tokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE())
    learner.normalizer, learner.pre_tokenizer = pattern.normalizer, pattern.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]
    return _wrap(learned["vocab"], [tuple(merge) for merge in learned["merges"]])


def _wrap(vocabulary: dict[str, int], merges: Any) -> PreTrainedTokenizerFast:
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN, padding_side="left"
    )
