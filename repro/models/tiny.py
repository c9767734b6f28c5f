"""The embedded policy: a Qwen2 architecture built from scratch at a size that trains on one CPU thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.models.model_spec import TinyModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2ForCausalLM


def build_tiny(spec: TinyModel, tokenizer: PreTrainedTokenizerBase, positions: int) -> Qwen2ForCausalLM:
    """A fresh float32 model with weights drawn from `spec.warm_start.seed`; torch's global generator is untouched.

    `positions` is the longest sequence in tokens. Input and output embeddings are tied.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=spec.width,
        intermediate_size=4 * spec.width,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.warm_start.seed)
        model = Qwen2ForCausalLM(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
