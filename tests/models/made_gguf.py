"""Writes small GGUF files as llama.cpp's converter does: a Llama with a byte-level tokenizer and a chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from transformers import LlamaConfig, LlamaForCausalLM

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("Ċ Ċ", "t h", "Ġ Ġ", "1 2")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH, HEADS, KEYS = 64, 4, 2


def vocabulary() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return [*SPECIAL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def source(seed: int = 0, tied: bool = True) -> LlamaForCausalLM:
    """A model with weights from `seed`, before they are quantised."""
    config = LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=KEYS,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def _names(layers: int) -> dict[str, str]:
    """transformers' name -> GGUF's."""
    block = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        **{f"self_attn.{x}_proj": f"attn_{x}" for x in "qkv"},
        "self_attn.o_proj": "attn_output",
        **{f"mlp.{x}_proj": f"ffn_{x}" for x in ("gate", "up", "down")},
    }
    found = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    for i in range(layers):
        found |= {f"model.layers.{i}.{a}.weight": f"blk.{i}.{b}.weight" for a, b in block.items()}
    return found


def _rotary_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    """The rows of q and k as llama.cpp wants them: the two halves of each head interleaved."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def write_gguf(
    path: Path, model: LlamaForCausalLM, kind: Kind = Kind.Q4_1, split: str = "smollm", **changes: Any
) -> dict[str, torch.Tensor]:
    """Writes the file, and returns the weights that stand in it, dequantised, under transformers' names.

    `changes`: tokenizer=False leaves it out; architecture and fields (key -> text) are written as given.
    """
    config, state = model.config, model.state_dict()
    architecture = changes.get("architecture", "llama")
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    for key, text in changes.get("fields", {}).items():
        writer.add_string(key, text)
    if changes.get("tokenizer", True):
        tokens = vocabulary()
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(split)
        writer.add_token_list(tokens)
        writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
        writer.add_token_merges(list(MERGES))
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(2)
        writer.add_chat_template(TEMPLATE)
    names = _names(config.num_hidden_layers)
    if not config.tie_word_embeddings:
        names["lm_head.weight"] = "output.weight"
    written = {}
    for own, other in names.items():
        if other in changes.get("without", ()):
            continue
        weight = state[own].numpy()
        heads = HEADS if "q_proj" in own else KEYS if "k_proj" in own else None
        stored = weight if heads is None else _rotary_pairs(weight, heads)
        if weight.ndim == 1 or kind == Kind.F32:
            writer.add_tensor(other, stored)
            written[own] = state[own].clone()
            continue
        writer.add_tensor(other, gguf.quantize(stored, kind), raw_dtype=kind)
        written[own] = torch.from_numpy(gguf.dequantize(gguf.quantize(weight, kind), kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written
