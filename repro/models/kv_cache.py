"""Keys and values of the rows that are still being written: allocated ahead, and packed when rows end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer


class PackedLayer(DynamicLayer):
    """One layer's keys and values in a buffer (rows, heads, room, width) that is written in place."""

    keys: Any
    values: Any

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, rows: torch.Tensor, room: int) -> None:
        """Row i continues row `rows[i]` of `keys` and `values`, both (prompts, heads, tokens, width)."""
        super().__init__()
        self.dtype, self.device, self.is_initialized = attended_type(keys), keys.device, True
        self.length, self.rows = keys.shape[-2], len(rows)
        self.keys, self.values = self._roomy(keys, rows, room), self._roomy(values, rows, room)

    def _roomy(self, held: torch.Tensor, rows: torch.Tensor, room: int) -> torch.Tensor:
        room = max(room, self.length)
        # Zeros, not what memory held before: a kernel that reads beyond the end weighs it by 0, and 0 x NaN is NaN.
        shape = (len(rows), held.shape[1], room, held.shape[3])
        out = held.new_zeros(shape, dtype=self.dtype)
        out[:, :, : self.length] = held[rows, :, : self.length]
        return out

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Append states (rows, heads, new, width); all keys and values so far, as views."""
        end = self.length + key_states.shape[-2]
        if end > self.keys.shape[-2]:
            everyone = torch.arange(self.rows, device=self.keys.device)
            room = max(end, 2 * self.keys.shape[-2])
            self.keys, self.values = self._roomy(self.keys, everyone, room), self._roomy(self.values, everyone, room)
        self.keys[: self.rows, :, self.length : end] = key_states
        self.values[: self.rows, :, self.length : end] = value_states
        self.length = end
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_seq_length(self) -> int:
        """Tokens held of each row."""
        return self.length

    def pack(self, holes: torch.Tensor, movers: torch.Tensor, rows: int) -> None:
        """Keep `rows` rows: those of `movers` take the places of `holes`."""
        for held in (self.keys, self.values):
            held[holes, :, : self.length] = held[movers, :, : self.length]
        self.rows = rows


def attended_type(states: torch.Tensor) -> torch.dtype:
    """The type that attention casts keys and values to: autocast's, where it is on and casts them. Rotated keys are
    float32 even there; cast once here, they are not cast in every step."""
    device = states.device.type
    cast = torch.is_autocast_enabled(device) and states.dtype != torch.float64
    return torch.get_autocast_dtype(device) if cast else states.dtype


class PackedCache(Cache):
    """The cache of a batch whose rows share prompts and end at different times.

    Buffers hold `room` tokens per row and double where that is not enough.
    """

    def __init__(self, prompts: DynamicCache, rows: torch.Tensor, room: int) -> None:
        """Row i continues the prompt `rows[i]` of those that `prompts` holds. `prompts` is emptied."""
        self.packed: list[PackedLayer] = []
        while prompts.layers:
            layer: Any = prompts.layers.pop(0)
            self.packed.append(PackedLayer(layer.keys, layer.values, rows, room))
        super().__init__(layers=list(self.packed))

    def keep(self, alive: torch.Tensor) -> torch.Tensor:
        """Keep the rows where `alive` (rows,) is true. Returns which row lies at each place now, (rows left,).

        Rows move from the end into the places that became free: an ended row costs the copy of one row at most.
        """
        left = int(alive.sum())
        order = torch.arange(len(alive), device=alive.device)
        holes, movers = order[:left][~alive[:left]], order[left:][alive[left:]]
        order[holes] = movers
        for layer in self.packed:
            layer.pack(holes, movers, left)
        return order[:left]


def why_not_packed(cache: DynamicCache) -> str | None:
    """Why a model with this cache cannot be packed; None where it can."""
    kinds = {type(layer).__name__ for layer in cache.layers if type(layer) is not DynamicLayer}
    return f"its cache has layers of kind {', '.join(sorted(kinds))}" if kinds else None


def padded_left(
    sequences: Sequence[Sequence[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, (rows, longest)."""
    width = max(len(ids) for ids in sequences)
    ids = torch.tensor([[pad] * (width - len(s)) + list(s) for s in sequences], device=device)
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences], device=device)
    return ids, mask
