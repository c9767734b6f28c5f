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


BLOCK = 256
"""Tokens whose probabilities are first summed together where a vocabulary is large: float64 sums over all of it would
take a tenth of a decoding step."""
LARGE_VOCABULARY = 16 * BLOCK


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
        scaled = logits.float() if self.temperature in (0, 1) else logits.float() / self.temperature
        logps = scaled.log_softmax(-1)  # (rows, vocabulary)
        if self.temperature > 0:
            kept = logps.exp() if self._cut is None else self._cut(None, logps).softmax(-1)
            tokens = _inverted(kept, uniforms)  # (rows, 1)
        else:
            tokens = logps.argmax(-1, keepdim=True)  # (rows, 1)
        chosen = logps.gather(1, tokens.clamp(max=logps.shape[1] - 1))[:, 0]
        if chosen.isnan().any():
            raise FloatingPointError("the policy's logits are NaN or infinite: there is no distribution to draw from")
        return tokens[:, 0], chosen


def _inverted(mass: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """(rows, 1): of each row of `mass` (rows, vocabulary), the token at which its running sum passes that share
    (rows,) of the whole; never one without mass.

    In a large vocabulary it looks for the token's block first. A block's sum is in float32, as `mass` is, so that a
    share within that rounding of a block's edge may give the token beside it.
    """
    if mass.shape[1] < LARGE_VOCABULARY:
        return _passing(mass, uniforms[:, None])[0]
    blocks = torch.nn.functional.pad(mass, (0, -mass.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))  # (rows, blocks, 256)
    sums = blocks.sum(-1)  # (rows, blocks)
    block, left = _passing(sums, uniforms[:, None])
    block = block.clamp(max=sums.shape[1] - 1)  # beyond the last: a row without a distribution, which the caller sees
    inside = blocks[torch.arange(len(blocks), device=mass.device), block[:, 0]]  # (rows, 256)
    return block * BLOCK + _passing(inside, left / sums.gather(1, block).double())[0]


def _passing(mass: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each row's running sum passes that share (rows, 1) of its whole, and how much of that place it takes:
    (rows, 1) both."""
    below = mass.cumsum(-1, dtype=torch.float64)  # (rows, n)
    total = below[:, -1:]  # (rows, 1)
    wanted = torch.minimum(shares * total, total.nextafter(torch.zeros_like(total)))
    place = torch.searchsorted(below, wanted, right=True)  # (rows, 1): the first that is above the number
    before = torch.nn.functional.pad(below, (1, 0)).gather(1, place.clamp(max=mass.shape[1] - 1))  # (rows, 1)
    return place, wanted - before
