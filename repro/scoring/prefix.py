"""The tokens with which all texts begin (system prompt, chat head), passed through the model once for all batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


def shared_states(model: PreTrainedModel, tokens: Sequence[int]) -> Cache | None:
    """Keys and values of `tokens`, which any batch may continue as often as it likes: it does not grow.

    None where the model keeps something else than keys and values of all tokens: a sliding window, a recurrent state,
    its own kind of cache, or none. Call it without gradients.
    """
    cache = DynamicCache(config=model.config)
    batch = torch.tensor([list(tokens)], device=model.device)  # (1, P)
    try:
        model.base_model(input_ids=batch, past_key_values=cache, use_cache=True)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None  # whatever an architecture says to a cache that it does not know
    shared: list[Any] = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.get_seq_length() != len(tokens):
            return None
        shared.append(SharedLayer(layer))
    cache.layers = shared
    return cache if shared else None


class SharedLayer(DynamicLayer):
    """Keys and values of one text, (1, heads, P, width), continued by every row of a batch and kept as they are."""

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        assert layer.keys is not None and layer.values is not None
        self.first: tuple[torch.Tensor, torch.Tensor] = (layer.keys, layer.values)
        self.lazy_initialization(*self.first)
        self.keys, self.values = self.first

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (rows, heads, P + L, width) of the shared tokens and the L new ones."""
        rows = (len(key_states), -1, -1, -1)
        keys, values = (state.expand(rows) for state in self.first)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)
