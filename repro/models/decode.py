"""Completes rows of token ids: rows that have ended leave the batch, and every row has random numbers of its own."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel

from repro.models.block_end import BlockEnd
from repro.models.kv_cache import PackedCache, padded_left, why_not_packed
from repro.models.prefix import large, shared_length
from repro.models.row_draws import TokenDraw, row_uniforms

ROWS = 256
"""Rows of a batch, whatever they take."""
CACHE_BYTES = 2**28
"""A batch takes more than `ROWS` rows as long as its keys and values stay below this: small policies."""
SHARE_OF_GPU = 1 / 32
"""On a GPU, a batch takes more rows as long as its keys and values and its draws stay below this share of the card's
memory: a token of a batch takes about as long for any number of rows. Of all memory, not of what is free, so that the
same card has the same batches."""
BYTES_OF_A_LOGIT = 40
"""That a draw holds at its most: logits, log-probs and their sums in float64."""
FIRST_ROOM = 256
"""Tokens per row, beyond the prompt, that the cache is allocated for at first."""


@dataclass(frozen=True)
class Decoding:
    """How completions are drawn. `ends`: the tokens that end one; `pad`: what fills up prompts on the left; `block`:
    what else ends one."""

    temperature: float
    top_p: float
    max_new_tokens: int
    ends: Sequence[int]
    pad: int
    block: BlockEnd | None = None


@torch.no_grad()
def complete(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    seed: int,
    how: Decoding,
    batch_size: int | None = None,
    earlier: Sequence[Sequence[int]] = (),
) -> tuple[list[list[int]], list[list[float]]]:
    """One completion per row of `prompts`, its end token included, and the log-probs of its tokens at the temperature
    and over the full vocabulary. Rows of one group repeat their prompt.

    A completion depends on the weights, the seed, its prompt and how many rows before it have the same prompt; rows
    that other processes complete before these are `earlier`. It does not depend on the other rows, their order or
    `batch_size`, up to rounding: the last bits of logits vary with a batch's shape, and a draw that falls between two
    roundings changes. At temperature 0 the seed has no effect.

    The model computes in the mode and arithmetic that it is in. A model whose cache cannot be packed (sliding windows,
    recurrent layers, weights sharded over processes) is decoded by its own `generate`, with the same random numbers.
    """
    if not prompts:
        return [], []
    count = how.max_new_tokens if how.temperature > 0 else 0
    uniforms = torch.from_numpy(row_uniforms(seed, prompts, count, earlier))  # (rows, count)
    # Rows of like length share a batch: less padding.
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    longest = len(prompts[order[-1]]) + how.max_new_tokens
    size = batch_size or rows_of_a_batch(model, longest)
    reason = why_not_decoded_here(model)
    if reason is not None:
        _tell(type(model).__name__, reason)
    made: list[list[int]] = [[]] * len(prompts)
    logps: list[list[float]] = [[]] * len(prompts)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = _Batch(model, [prompts[row] for row in chosen], uniforms[chosen].to(model.device), how)
        tokens, probabilities = batch.decoded() if reason is None else batch.generated()
        for row, its_tokens, its_logps in zip(chosen, tokens, probabilities, strict=True):
            made[row], logps[row] = its_tokens, its_logps
    return made, logps


def why_not_decoded_here(model: PreTrainedModel) -> str | None:
    """Why `complete` leaves a model to its own `generate`; None where it does not."""
    if model.config.is_encoder_decoder:
        return "it has an encoder"
    if any(hasattr(parameter, "full_tensor") or hasattr(parameter, "ds_id") for parameter in model.parameters()):
        return "its weights are sharded"
    return why_not_packed(DynamicCache(config=model.config))


def rows_of_a_batch(model: PreTrainedModel, longest: int) -> int:
    """How many rows of `longest` tokens, prompt and completion, are decoded together; `ROWS` at least."""
    cache = _bytes_of_a_token(model) * longest
    if model.device.type != "cuda":
        return max(ROWS, CACHE_BYTES // cache)
    memory = torch.cuda.get_device_properties(model.device).total_memory
    draw = BYTES_OF_A_LOGIT * model.config.get_text_config().vocab_size
    return max(ROWS, int(memory * SHARE_OF_GPU) // (cache + draw))


@functools.cache
def _tell(model: str, reason: str) -> None:
    warnings.warn(f"{model} is decoded by its own generate, which is slower: {reason}", UserWarning, stacklevel=2)


def _bytes_of_a_token(model: PreTrainedModel) -> int:
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


class _Batch:
    """Rows that are decoded together. `uniforms` (rows, max_new_tokens); no columns at temperature 0."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], uniforms: torch.Tensor, how: Decoding
    ) -> None:
        self.model, self.uniforms, self.how = model, uniforms, how
        self.prompts = list(dict.fromkeys(map(tuple, prompts)))  # each once
        place = {prompt: index for index, prompt in enumerate(self.prompts)}
        self.prompt_of = torch.tensor([place[tuple(prompt)] for prompt in prompts], device=model.device)  # (rows,)
        self.draw = TokenDraw(how.temperature, how.top_p)
        self.ends = torch.tensor(sorted(how.ends), device=model.device)

    def numbers(self, rows: torch.Tensor | slice, step: int) -> torch.Tensor:
        """The random numbers of rows at a step: (rows,), or no columns at temperature 0."""
        return self.uniforms[rows, step] if self.how.temperature > 0 else self.uniforms[rows, :0]

    def decoded(self) -> tuple[list[list[int]], list[list[float]]]:
        """Completions and log-probs, by a loop that passes each prompt once and drops rows that have ended."""
        most, model, device = self.how.max_new_tokens, self.model, self.model.device
        begun, common = self._begun()
        ids, own_mask = padded_left([prompt[common:] for prompt in self.prompts], self.how.pad, device)
        prompt_mask = torch.nn.functional.pad(own_mask, (common, 0), value=1)  # (prompts, P)
        positions = (prompt_mask.cumsum(1) - 1).clamp(min=0)  # (prompts, P)
        # Without padding there is nothing to mask, and attention is faster without a mask.
        mask = None if prompt_mask.all() else prompt_mask
        out: Any = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions[:, common:],
            past_key_values=begun,
            use_cache=True,
            logits_to_keep=1,
        )
        width = prompt_mask.shape[1]
        rows = torch.arange(len(self.prompt_of), device=device)  # which row lies at each place
        cache = PackedCache(out.past_key_values, self.prompt_of, width + min(most, FIRST_ROOM))
        logits = out.logits[self.prompt_of, -1]  # (rows, vocabulary)
        position = positions[self.prompt_of, -1:]  # (rows, 1)
        if mask is not None:
            mask = torch.nn.functional.pad(mask[self.prompt_of], (0, most), value=1)  # (rows, P + most)
        made = torch.zeros(len(rows), most, dtype=torch.long, device=device)
        logps = torch.zeros(len(rows), most, device=device)
        lengths = torch.full((len(rows),), most, device=device)
        for step in range(most):
            tokens, logps[rows, step] = self.draw(logits, self.numbers(rows, step))  # (rows left,) both
            made[rows, step] = tokens
            ended = torch.isin(tokens, self.ends)
            if self.how.block is not None:
                over = self.how.block.ended(tokens.tolist(), lambda place: made[rows[place], : step + 1].tolist())  # noqa: B023
                ended |= torch.tensor(over, device=device)
            if step + 1 == most:
                break
            if ended.any():
                lengths[rows[ended]] = step + 1
                kept = cache.keep(~ended)
                if not len(kept):
                    break
                rows, tokens, position = rows[kept], tokens[kept], position[kept]
                mask = None if mask is None else mask[kept]
            position = position + 1
            seen = None if mask is None else mask[:, : width + step + 1]
            logits = model(
                input_ids=tokens[:, None],
                attention_mask=seen,
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
        return _cut(made, lengths.tolist()), _cut(logps, lengths.tolist())

    def _begun(self) -> tuple[DynamicCache, int]:
        """The cache that all prompts continue, and how many tokens it holds: those with which all begin, where the
        policy is large."""
        cache: Any = DynamicCache(config=self.model.config)
        common = shared_length(self.prompts, min(map(len, self.prompts)) - 1) if large(self.model) else 0
        if common:
            head = torch.tensor([self.prompts[0][:common]], device=self.model.device)  # (1, common)
            self.model(input_ids=head, past_key_values=cache, use_cache=True, logits_to_keep=1)
            for layer in cache.layers:
                rows = (len(self.prompts), -1, -1, -1)
                layer.keys, layer.values = layer.keys.expand(rows), layer.values.expand(rows)
        return cache, common

    def generated(self) -> tuple[list[list[int]], list[list[float]]]:
        """Completions and log-probs, by the model's own generate, which keeps every row to the end."""
        prompts = [self.prompts[index] for index in self.prompt_of.tolist()]
        ids, mask = padded_left(prompts, self.how.pad, self.model.device)  # (rows, P)
        drawn = _Drawn(self, ids.shape[1])
        generate: Any = self.model.generate  # mypy takes the methods of a module for tensors
        with _no_defaults(self.model):
            out = generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.how.max_new_tokens,
                pad_token_id=self.how.pad,
                eos_token_id=sorted(self.how.ends),
                do_sample=False,  # the processor has drawn already
                logits_processor=LogitsProcessorList([drawn]),
            )  # (rows, P + completion)
        made = out[:, ids.shape[1] :]  # (rows, T)
        last = torch.isin(made, self.ends).int()
        lengths = torch.where(last.any(1), last.argmax(1) + 1, made.shape[1]).tolist()
        if self.how.block is not None:
            lengths = list(map(min, lengths, map(self.how.block.length, made.tolist())))
        return _cut(made, lengths), _cut(torch.stack(drawn.logps, dim=1), lengths)


@contextmanager
def _no_defaults(model: PreTrainedModel) -> Iterator[None]:
    """Without the sampling defaults that a model brings (`min_p`, beams, penalties): the spec alone decides."""
    brought = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = brought


def _cut(rows: torch.Tensor, lengths: Sequence[int]) -> list[list[Any]]:
    return [row[:length] for row, length in zip(rows.tolist(), lengths, strict=True)]


class _Drawn(LogitsProcessor):
    """Leaves `generate` no choice but the token that was drawn."""

    def __init__(self, batch: _Batch, width: int) -> None:
        self.batch, self.width = batch, width
        self.logps: list[torch.Tensor] = []  # (rows,) of each step

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        tokens, logps = self.batch.draw(scores, self.batch.numbers(slice(None), input_ids.shape[1] - self.width))
        self.logps.append(logps)
        forced = torch.full_like(scores, -torch.inf)
        return forced.scatter_(1, tokens[:, None], 0.0)  # type: ignore[return-value]
