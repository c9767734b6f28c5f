"""Stand-ins for hub models: random weights in the same architecture, small, made without a network (`--smoke`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from repro.canonical import digest

VERSION = 1
"""Raise it when the same id gives other weights or another tokenizer."""

FAMILIES = (
    ("distill-llama", "llama"),
    ("distill-qwen", "qwen2"),
    ("qwen3", "qwen3"),
    ("qwen", "qwen2"),
    ("llama", "llama"),
    ("smollm2", "llama"),
    ("mistral", "mistral"),
    ("mathstral", "mistral"),
    ("gemma-3", "gemma3_text"),
    ("gemma-2", "gemma2"),
    ("gemma", "gemma"),
    ("phi-3", "phi3"),
    ("phi-4", "phi3"),
    ("olmo-2", "olmo2"),
    ("eurus-2", "qwen2"),
    ("deepscaler", "qwen2"),
)
"""(what the name of a hub id contains, transformers' model_type); the first that fits counts."""

BUILDABLE = frozenset(kind for _, kind in FAMILIES)
UNKNOWN = "qwen2"

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
POSITIONS = 32_768
"""Context in tokens, which are bytes: the longest prompt of a real dataset fits."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


class Family(NamedTuple):
    """An architecture, and whether it is known to be the hub model's."""

    model_type: str
    known: bool


def family_of(hub: str) -> Family:
    """From the id where its name tells, else from the local Hugging Face cache, else a guess. Imports no torch."""
    name = hub.rsplit("/", 1)[-1].lower()
    for part, kind in FAMILIES:
        if part in name:
            return Family(kind, True)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, "config.json")
    cached = str(json.loads(Path(found).read_text()).get("model_type")) if isinstance(found, str) else ""
    return Family(cached, True) if cached in BUILDABLE else Family(UNKNOWN, False)


def stand_in_digest(hub: str) -> str:
    """Digest of the stand-in of a hub id."""
    return digest([VERSION, hub, family_of(hub).model_type])


def describe_stand_in(hub: str) -> str:
    """One line for whoever starts a run with it."""
    family = family_of(hub)
    guess = "" if family.known else f" (which architecture {hub} has is not known here)"
    return f"stand-in for {hub}: small random weights, architecture {family.model_type}{guess}; nothing is downloaded"


def build_stand_in(directory: Path, hub: str) -> None:
    """Saves weights and tokenizer as an ordinary Hugging Face directory.

    The tokenizer has one token per byte, a chat template, padding and an end. Other ids have other weights. Torch's
    global generator is left as it was.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from repro.models.quiet import quiet
    from repro.models.tokenizers import character_tokenizer

    tokenizer = character_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    kind = family_of(hub).model_type
    window = {"sliding_window": None} if kind == "mistral" else {}  # as newer ones; the class's default is older
    config = AutoConfig.for_model(
        kind, **SHAPE, **ends, **window, vocab_size=len(tokenizer), max_position_embeddings=POSITIONS
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stand_in_digest(hub)[:8], 16))
        model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with quiet():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
