"""A saved text policy whose confidences differ between questions, questions to score, and the command as a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from repro.cli import main
from repro.models.tokenizers import bpe_tokenizer

CHAT = (
    "{% for message in messages %}<{{ message['role'] }}>\n{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)
NAMES = ("Ann", "Bob", "Carla", "Deniz", "Emeka")


def questions(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Rows with the fields id, question and answer; the answers are worked solutions that end in #### and a number."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        a, b = (int(v) for v in rng.integers(2, 2000, 2))
        more = " ".join(f"Then a friend gives {n} more." for n in rng.integers(2, 9, rng.integers(0, 8)))
        name = NAMES[int(rng.integers(len(NAMES)))]
        text = f"{name} has {a} apples and buys {b}. {more} How many are there? ({i})"
        rows.append({"id": f"q{i:05d}", "question": text, "answer": f"{a}+{b} is {a + b}.\n#### {a + b:,}"})
    return rows


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def save_policy(folder: Path, *, positions: int = 512, chat: bool = True, seed: int = 1) -> Path:
    """A Qwen2 policy of random, large weights, so that its confidences differ between questions."""
    tokenizer = bpe_tokenizer([text for row in questions(50) for text in (row["question"], row["answer"])], 400)
    if chat:
        tokenizer.chat_template = CHAT
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "apples.jsonl", questions(120))


@dataclass(frozen=True)
class Answer:
    """What a call of the command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Score = Callable[..., Answer]


@pytest.fixture
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs directory whose store is empty."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def score(policy: Path, data: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    """`repro score` in this process, on the policy and the questions of these tests unless told otherwise."""

    def call(*words: str | Path, model: str | Path | None = policy, dataset: str | Path | None = data) -> Answer:
        given = [str(word) for word in words]
        given += ["--model", str(model)] if model is not None else []
        given += ["--dataset", str(dataset)] if dataset is not None else []
        given += ["--id", "id"] if dataset == data and "--id" not in given else []
        given += ["--runs", str(runs)] if "--runs" not in given else []
        code = main(["score", *given, "--device", "cpu"])
        shown = capsys.readouterr()
        return Answer(code, shown.out, shown.err)

    return call
