"""Draws the next token of each row with random numbers of that row's own: of a seed, its prompt and its sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from transformers import TopPLogitsWarper


def row_uniforms(
    seed: int, prompts: Sequence[Sequence[int]], count: int, earlier: Sequence[Sequence[int]] = ()
) -> np.ndarray:
    """(rows, count) float64 in [0, 1): `count` random numbers for every row of token ids.

    The numbers of a row depend on the seed, its prompt and how many rows before it have the same prompt, and on
    nothing else of the other rows. `earlier`: rows of the batch before `prompts`, which get their numbers elsewhere.
    The first numbers are the same for every `count`.
    """
    before = Counter(map(_as_bytes, earlier))
    out = np.empty((len(prompts), count))
    for row, ids in enumerate(prompts):
        prompt = _as_bytes(ids)
        key = hashlib.blake2b(prompt, digest_size=16, key=f"{seed}/{before[prompt]}".encode()).digest()
        before[prompt] += 1
        out[row] = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"))).random(count)
    return out


def _as_bytes(ids: Sequence[int]) -> bytes:
    return np.asarray(ids, dtype="<i8").tobytes()


class TokenDraw:
    """Draws from softmax(logits / temperature) cut to the nucleus `top_p`, by inverting the distribution function.

    Temperature 0 takes the most probable token. The cut is that of transformers.
    """

    def __init__(self, temperature: float, top_p: float) -> None:
        self.temperature = temperature
        self._cut = TopPLogitsWarper(top_p) if top_p < 1 else None

    def __call__(self, logits: torch.Tensor, uniforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (rows,) and their log-probs, for `logits` (rows, vocabulary) and a number in [0, 1) per row, float64.

        Log-probs (rows,) are those at the temperature before the cut; at temperature 0, those at temperature 1.
        Raises FloatingPointError where a row has no distribution, because a logit is NaN or infinite.
        """
        logps = (logits.float() / (self.temperature or 1.0)).log_softmax(-1)  # (rows, vocabulary)
        if self.temperature > 0:
            kept = logps.exp() if self._cut is None else self._cut(None, logps).softmax(-1)
            below = kept.cumsum(-1, dtype=torch.float64)  # (rows, vocabulary)
            total = below[:, -1:]  # (rows, 1): 1 up to rounding
            wanted = torch.minimum(uniforms[:, None] * total, total.nextafter(torch.zeros_like(total)))
            tokens = torch.searchsorted(below, wanted, right=True)  # (rows, 1): the first that is above the number
        else:
            tokens = logps.argmax(-1, keepdim=True)  # (rows, 1)
        chosen = logps.gather(1, tokens.clamp(max=logps.shape[1] - 1))[:, 0]
        if chosen.isnan().any():
            raise FloatingPointError("the policy's logits are NaN or infinite: there is no distribution to draw from")
        return tokens[:, 0], chosen
