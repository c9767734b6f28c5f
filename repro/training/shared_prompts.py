"""Log-probs of completions whose prompts are computed once: what all begin with, then each prompt, then the rows.

The dense way passes every row's prompt and completion through the model, and on a CPU the output layer sees all of
their tokens. Rows of one group repeat their prompt, and prompts with a system turn or examples begin alike. Here the
tokens that all prompts begin with are passed once, then what is left of each distinct prompt, then the completions,
which read the keys and values of their prompt. Gradients flow back through these, so an update is the same up to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from repro.models.kv_cache import padded_left, why_not_packed
from repro.models.prefix import large, shared_length

IGNORED = -100
"""The label of a token that is not scored."""
WORTH = 0.75
"""The largest share of the dense way's tokens at which this way is taken."""


@dataclass(frozen=True)
class SharedPrompts:
    """The prompts of B rows.

    `heads`: of each distinct prompt, all tokens but the last; `last`: (B,) that last token of
    each row; `of`: (B,) which head it follows; `common`: tokens with which all heads begin, 0 where they are too few.
    """

    heads: Sequence[tuple[int, ...]]
    last: Sequence[int]
    of: Sequence[int]
    common: int

    def tokens(self, width: int) -> int:
        """Tokens that are passed for completions of `width`, padding included."""
        longest = max(map(len, self.heads)) - self.common
        return self.common + len(self.heads) * longest + len(self.of) * (width + 1)


def shared_prompts(prompt_ids: torch.Tensor, prompt_mask: torch.Tensor, width: int) -> SharedPrompts | None:
    """What the rows share, from ids and mask (B, P), padded on the left; None where sharing saves too little.

    width: T, tokens of the longest completion.
    """
    rows = [tuple(ids[mask].tolist()) for ids, mask in zip(prompt_ids, prompt_mask.bool(), strict=True)]
    if min(map(len, rows)) < 2:
        return None
    heads = list(dict.fromkeys(row[:-1] for row in rows))
    place = {head: index for index, head in enumerate(heads)}
    common = shared_length(heads, min(map(len, heads)) - 1)
    made = SharedPrompts(heads, [row[-1] for row in rows], [place[row[:-1]] for row in rows], common)
    dense = len(rows) * (prompt_ids.shape[1] + width)
    return made if made.tokens(width) <= WORTH * dense else None


def can_share(model: PreTrainedModel, gradient: bool) -> bool:
    """Whether this way gives a model's log-probs: it keeps keys and values of all tokens, and nothing is dropped.

    model: without what a trainer wraps around it. With a gradient, dropout would hit a shared prompt once for all its
    rows, and checkpoints keep no keys and values.
    """
    config = model.config
    if not large(model) or model.base_model is model or config.is_encoder_decoder:
        return False
    if config.get_text_config() is not config or config._attn_implementation not in ("sdpa", "eager"):
        return False  # images in the prompt; attention that takes no mask of its own
    if why_not_packed(DynamicCache(config=config)) is not None:
        return False
    if not gradient:
        return True
    drops = any(isinstance(one, torch.nn.Dropout) and one.p and one.training for one in model.modules())
    attention = getattr(config, "attention_dropout", 0.0) if model.training else 0.0
    return not (drops or attention or model.is_gradient_checkpointing)


def completion_logps(
    model: Any, core: PreTrainedModel, shared: SharedPrompts, ids: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probs, entropies), (B, T) both and zero after the end of a completion, by TRL's output layer.

    model: what TRL would call, with its fused output layer; core: the same without wrappers; ids, mask: (B, T) of the
    completions, padded on the right.
    """
    device = ids.device
    cache: Any = DynamicCache(config=core.config)
    before = shared.common
    if before:
        head = torch.tensor([list(shared.heads[0][:before])], device=device)  # (1, S)
        core.base_model(input_ids=head, past_key_values=cache, use_cache=True)
        _take(cache, torch.zeros(len(shared.heads), dtype=torch.long, device=device))
    rest, rest_mask = padded_left([one[before:] for one in shared.heads], 0, device)  # (U, R)
    held = torch.nn.functional.pad(rest_mask, (before, 0), value=1)  # (U, S + R)
    core.base_model(
        input_ids=rest,
        attention_mask=None if rest_mask.all() else held,
        position_ids=(held.cumsum(1) - 1).clamp(min=0)[:, before:],
        past_key_values=cache,
        use_cache=True,
    )
    of = torch.tensor(list(shared.of), device=device)  # (B,)
    _take(cache, of)
    # The last token of a row's prompt predicts the first of its completion.
    last = torch.tensor(list(shared.last), device=device)[:, None]  # (B, 1)
    follows = torch.nn.functional.pad(mask, (1, 0), value=1)  # (B, 1 + T)
    seen = torch.cat([held[of], follows], dim=1)  # (B, S + R + 1 + T)
    out = model(
        input_ids=torch.cat([last, ids], dim=1),
        attention_mask=None if seen.all() else seen,
        position_ids=held[of].sum(1, keepdim=True) + torch.arange(ids.shape[1] + 1, device=device),
        past_key_values=cache,
        labels=torch.cat([last, ids], dim=1).masked_fill(follows == 0, IGNORED),
        fused_lm_head=True,
    )
    return out.log_probs, out.entropy


def _take(cache: Any, rows: torch.Tensor) -> None:
    """Row i of every layer becomes row `rows[i]`."""
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[rows], layer.values[rows]
