"""Log-probs of completions whose prompts are computed once: what all begin with, then each prompt, then the rows.

The dense way passes every row's prompt and completion through the model, as long as the longest, and on a CPU the
output layer sees all of their tokens. Rows of one group repeat their prompt, and prompts with a system turn or examples
begin alike. Here the tokens that all prompts begin with are passed once, then what is left of each distinct prompt,
then the completions, those of like length together, which read the keys and values of their prompt. Gradients flow
back through these, so an update is the same up to rounding.
"""

from __future__ import annotations

import copy
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
PARTS = 4
"""Parts into which the rows are sorted by the length of their completions."""


@dataclass(frozen=True)
class SharedPrompts:
    """The prompts of B rows.

    `heads`: of each distinct prompt, all tokens but the last; `last`: (B,) that last token of
    each row; `of`: (B,) which head it follows; `common`: tokens with which all heads begin, 0 where they are too few;
    `parts`: (tokens of the longest completion, rows) of those that are passed together.
    """

    heads: Sequence[tuple[int, ...]]
    last: Sequence[int]
    of: Sequence[int]
    common: int
    parts: Sequence[tuple[int, Sequence[int]]]

    @property
    def tokens(self) -> int:
        """Tokens that are passed, padding included."""
        longest = max(map(len, self.heads)) - self.common
        completions = sum(len(rows) * (width + 1) for width, rows in self.parts)
        return self.common + len(self.heads) * longest + completions


def shared_prompts(prompt_ids: torch.Tensor, prompt_mask: torch.Tensor, mask: torch.Tensor) -> SharedPrompts | None:
    """What the rows share, from ids and mask (B, P), padded on the left; None where sharing saves too little.

    mask: (B, T) of the completions, padded on the right.
    """
    rows = [tuple(ids[mask].tolist()) for ids, mask in zip(prompt_ids, prompt_mask.bool(), strict=True)]
    if min(map(len, rows)) < 2:
        return None
    heads = list(dict.fromkeys(row[:-1] for row in rows))
    place = {head: index for index, head in enumerate(heads)}
    common = shared_length(heads, min(map(len, heads)) - 1)
    of = [place[row[:-1]] for row in rows]
    made = SharedPrompts(heads, [row[-1] for row in rows], of, common, _parts(mask.sum(dim=1)))
    dense = len(rows) * (prompt_ids.shape[1] + mask.shape[1])
    return made if made.tokens <= WORTH * dense else None


def _parts(lengths: torch.Tensor) -> list[tuple[int, list[int]]]:
    """(longest, rows) of up to `PARTS` equal shares of the rows in the order of their `lengths`, (B,)."""
    shares = [rows for rows in lengths.argsort(stable=True).tensor_split(PARTS) if len(rows)]
    return [(int(lengths[rows].max()), rows.tolist()) for rows in shares]


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
    # The last token of a row's prompt predicts the first of its completion.
    ids = torch.cat([torch.tensor(list(shared.last), device=device)[:, None], ids], dim=1)  # (B, 1 + T)
    mask = torch.nn.functional.pad(mask, (1, 0), value=1)  # (B, 1 + T)
    found, order = [], []
    for width, chosen in shared.parts:
        rows = torch.tensor(chosen, device=device)  # (N,)
        own = copy.copy(cache)
        own.layers = [copy.copy(layer) for layer in cache.layers]
        _take(own, of[rows])
        some, follows, heads = ids[rows, : width + 1], mask[rows, : width + 1], held[of[rows]]
        seen = torch.cat([heads, follows], dim=1)  # (N, S + R + 1 + W)
        out = model(
            input_ids=some,
            attention_mask=None if seen.all() else seen,
            position_ids=heads.sum(1, keepdim=True) + torch.arange(width + 1, device=device),
            past_key_values=own,
            labels=some.masked_fill(follows == 0, IGNORED),
            fused_lm_head=True,
        )
        order.append(rows)
        beyond = (0, ids.shape[1] - 1 - width)
        found.append([torch.nn.functional.pad(one, beyond) for one in (out.log_probs, out.entropy)])  # (N, T)
    back = torch.cat(order).argsort()  # (B,)
    logps, entropies = (torch.cat(parts)[back] for parts in zip(*found, strict=True))
    return logps, entropies


def _take(cache: Any, rows: torch.Tensor) -> None:
    """Row i of every layer becomes row `rows[i]`."""
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[rows], layer.values[rows]
