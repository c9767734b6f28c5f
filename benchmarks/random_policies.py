"""Policies with random weights of known shapes, and questions in made-up words whose lengths are set, not found.

A random policy is as fast as a trained one of its shape and needs no hub. What it says means nothing; no token ends
a completion, so every completion has exactly as many tokens as were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from repro.models.policy import Policy
from repro.tasks.problem import AnswerFormat, Problem, TaskData

SPECIAL = ("<pad>", "<eos>", "<unk>")


@dataclass(frozen=True)
class Shape:
    """A Qwen2 architecture with tied embeddings."""

    vocabulary: int
    width: int
    inner: int
    layers: int
    heads: int
    key_heads: int


SHAPES = {
    "small": Shape(512, 64, 192, 2, 2, 1),  # heads as wide as the narrowest that vLLM has for CPUs
    "30m": Shape(16_384, 512, 1_408, 8, 8, 4),
    "100m": Shape(32_000, 768, 2_048, 12, 12, 4),
    "qwen2.5-0.5b": Shape(151_936, 896, 4_864, 24, 14, 2),
    "qwen2.5-1.5b": Shape(151_936, 1_536, 8_960, 28, 12, 2),
}


def random_weights(
    name: str, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype, device: str | torch.device
) -> Qwen2ForCausalLM:
    """A fresh policy of a named shape in evaluation mode; torch's global generators are left as they were."""
    shape = SHAPES[name]
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        tie_word_embeddings=True,
        max_position_embeddings=32_768,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    devices = [device] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.device(device):
        torch.manual_seed(0)
        model = Qwen2ForCausalLM._from_config(config, dtype=dtype)
    return model.to(device).eval()


def words_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A vocabulary of `size` words, one token each: as many tokens as words, whatever the text."""
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *(f"w{i}" for i in range(size - len(SPECIAL)))))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[2]))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        unk_token=SPECIAL[2],
        padding_side="left",
    )


def random_policy(name: str, dtype: torch.dtype, device: str) -> Policy:
    """A policy of a named shape that speaks words and never ends a completion."""
    tokenizer = words_tokenizer(SHAPES[name].vocabulary)
    model = random_weights(name, tokenizer, dtype, device)
    ends = torch.tensor([tokenizer.pad_token_id, tokenizer.eos_token_id], device=device)

    def never(head: torch.nn.Module, inputs: tuple[torch.Tensor, ...], logits: torch.Tensor) -> torch.Tensor:
        return logits.index_fill(-1, ends, -1e4)  # in reach of half precision, out of reach of any draw

    model.lm_head.register_forward_hook(never)
    return Policy(model, tokenizer, Path(name), name, f"random-{name}")


def words_task(name: str, questions: int, prompt_tokens: int, idle: float) -> TaskData:
    """Questions of about `prompt_tokens` random words (three quarters to five quarters) and answers of 4 to 12.

    A share `idle` of the questions is never answered right; in the others a checksum of the completion decides, right
    in half of all cases. So the share of groups without advantage is about `idle`, whatever a random policy says.
    """
    draws = np.random.default_rng(0)
    most = SHAPES[name].vocabulary - len(SPECIAL)

    def text(low: int, high: int) -> str:
        return " ".join(f"w{word}" for word in draws.integers(0, most, draws.integers(low, high + 1)))

    problems = tuple(
        Problem(f"q{i}", text(3 * prompt_tokens // 4, 5 * prompt_tokens // 4), text(4, 12)) for i in range(questions)
    )
    ranks = np.random.default_rng(1).permutation(questions)
    never = {problem.answer for problem, rank in zip(problems, ranks, strict=True) if rank < idle * questions}

    def verdict(completion: str, answer: str) -> bool:
        return answer not in never and crc32(f"{answer}|{completion}".encode()) % 2 == 0

    return TaskData("words", problems, (), (), verdict, AnswerFormat(answer_prefix="", question_suffix=" "))
