"""Rebuilds and measures the warm-started policy that ships with the package."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from repro.files import dump_json, force_to_disk, write_atomically
from repro.models.model_spec import TinyModel
from repro.models.policy import CARD_FILE
from repro.models.warm_start import build_warm_start
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import Problem, TaskData

LONGEST = 96
"""Tokens of a completion when the shipped policy is measured: more than any written chain of the embedded task."""

COMMAND = "python -m repro warm-start --out DIR"
SAMPLES = 8
BINS = 9  # how many of 8 samples are right: 0 to 8


def rebuild_shipped(directory: Path, progress: Callable[[str, float], None] | None = None) -> dict[str, Any]:
    """Warm-starts the default `model: tiny` on the default arithmetic into `directory`, with its card.

    On the machine and torch version named in the card the weights come out bit for bit the same; elsewhere
    floating-point sums differ in their last bits. Returns the card.
    """
    say = progress or (lambda message, done: None)
    directory.mkdir(parents=True, exist_ok=True)
    dataset = DatasetSpec.model_validate("arithmetic")
    data = load_dataset(dataset)
    record = build_warm_start(directory, TinyModel(), dataset, data, lambda text, done: say(text, 0.8 * done))
    say("measuring the base policy", 0.8)
    card = write_card(directory, record, data)
    say("done", 1.0)
    return card


def write_card(directory: Path, record: dict[str, Any], data: TaskData) -> dict[str, Any]:
    """Measures the saved policy and writes card.json and README.md beside it; `record` is the warm start's own."""
    weights = (directory / "model.safetensors").read_bytes()
    card = record | {
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "machine": f"{platform.machine()}, {_processor()}, one thread",
        "command": COMMAND,
        "base": measure(directory, data),
    }
    write_atomically(directory / "README.md", _readme(card).encode())
    for path in directory.iterdir():
        if path.is_file():
            force_to_disk(path)
    write_atomically(directory / CARD_FILE, dump_json(card))  # last: it says what the weights are
    return card


def measure(directory: Path, data: TaskData) -> dict[str, Any]:
    """Accuracy of the saved policy on the test questions at four temperatures, and its pass rates on the pool."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)

    def correct(problems: tuple[Problem, ...], samples: int, temperature: float) -> np.ndarray:  # (problems, samples)
        from repro.models.sampling import sample

        drawn = sample(
            model,
            tokenizer,
            [p.question for p in problems],
            samples=samples,
            temperature=temperature,
            top_p=1.0,
            max_new_tokens=LONGEST,
            seed=0,
        )
        right = [data.verifier(text, problems[i // samples].answer) for i, text in enumerate(drawn.texts)]
        return np.array(right).reshape(len(problems), samples)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        accuracy = {
            "greedy" if temperature == 0 else f"temperature_{temperature:g}": round(
                float(correct(data.test, 1 if temperature == 0 else SAMPLES, temperature).mean()), 4
            )
            for temperature in (1.0, 0.6, 0.3, 0.0)
        }
        pool = correct(data.train, SAMPLES, 1.0).sum(1)  # (pool,)
    finally:
        torch.set_num_threads(threads)
    return {
        "test_questions": len(data.test),
        "samples_per_question": SAMPLES,
        "accuracy": accuracy,
        "pool_questions": len(data.train),
        "pool_correct_of_8": np.bincount(pool, minlength=BINS).tolist(),
        "pool_informative_share": round(float(((pool > 0) & (pool < SAMPLES)).mean()), 4),
    }


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'} ({os.cpu_count()} cores)"


def _readme(card: dict[str, Any]) -> str:
    base, cost, accuracy = card["base"], card["cost"], card["base"]["accuracy"]
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in accuracy.items())
    histogram = " ".join(str(n) for n in base["pool_correct_of_8"])
    teacher = card["model"]["warm_start"]["teacher"]
    return f"""# The embedded policy

A Qwen2 architecture of {card["parameters"]:,} parameters with a character tokenizer, trained from scratch to imitate a
teacher of left-to-right arithmetic modulo 100 (`7*5-9?` -> `7*5=35;35-9=26#26`). The first {teacher["faultless"]:.0%}
of the examples are right. In the rest the teacher has wrong habits (with probability {teacher["habit"]:g} a subtraction
takes the absolute difference and a multiplication drops the carries), makes slips, and sometimes skips the steps. So
the policy knows the skill but seldom shows it: a start from which GRPO has something to learn. It is of no other use.

Rebuild it with `{COMMAND}`.
Built on: {card["machine"]}, torch {card["torch"]}. There the weights come out bit for bit the same (SHA-256
`{card["weights_sha256"]}`).

Accuracy on the {base["test_questions"]} held-out test questions of 1 to 6 steps ({base["samples_per_question"]} samples
per question, greedy once):

| decoding | accuracy |
|---|---|
{rows}

Training pool of {base["pool_questions"]} questions, how many are solved 0, 1, ... 8 times in 8 samples: {histogram}.
Groups of 8 with both right and wrong answers: {base["pool_informative_share"]:.1%}.

Warm start: {card["examples"]:,} examples, {cost["tokens"]:,} tokens, {cost["flops"]:.2e} FLOPs, {cost["seconds"]:.0f} s
({cost["cpu_seconds"]:.0f} CPU seconds). None of its questions can be a validation or test question of any pool: a
question's own digest decides which split it may enter. All fields are in `card.json`.
"""
