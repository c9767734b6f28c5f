"""Sampling completions of the embedded policy: the suite's decoding loop against transformers' `generate`.

    python benchmarks/generation.py --rounds 5

Both sample 1,024 completions of the same prompts at temperature 1 from the same weights, in batches of 256 and all in
one, in alternating order. One thread; seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from racing import alternate, ratio

from repro.cache import Cache
from repro.models.kv_cache import padded_left
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import Policy, load_policy
from repro.models.sampling import end_tokens, sample
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle

SEED = 0
Way = Callable[[], int]
"""Samples all completions; returns how many tokens they have."""


def ours(policy: Policy, prompts: list[str], samples: int, longest: int, size: int) -> Way:
    """`samples` completions of every prompt by the suite, `size` rows at a time."""

    def run() -> int:
        options = {"samples": samples, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": longest, "seed": SEED}
        return sample(policy.model, policy.tokenizer, prompts, **options, batch_size=size).generated_tokens

    return run


def theirs(policy: Policy, prompts: list[str], samples: int, longest: int, size: int) -> Way:
    """The same by `generate`, on the same rows in each batch: those of like length."""
    encoded = sorted(policy.tokenizer(prompts, add_special_tokens=False)["input_ids"], key=len)
    rows = [ids for ids in encoded for _ in range(samples)]
    ends = torch.tensor(sorted(end_tokens(policy.model, policy.tokenizer)))

    def run() -> int:
        torch.manual_seed(SEED)
        tokens = 0
        for start in range(0, len(rows), size):
            ids, mask = padded_left(rows[start : start + size], policy.tokenizer.pad_token_id, policy.model.device)
            out = policy.model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                temperature=1.0,
                top_p=1.0,
                top_k=0,
                max_new_tokens=longest,
                eos_token_id=ends.tolist(),
                pad_token_id=policy.tokenizer.pad_token_id,
            )
            ended = torch.isin(out[:, ids.shape[1] :], ends).int()  # (rows, longest)
            lengths = torch.where(ended.any(1), ended.argmax(1) + 1, ended.shape[1])
            tokens += int(lengths.sum())
        return tokens

    return run


def main() -> None:
    """Race the ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--completions", type=int, default=1024, help="a multiple of --samples")
    parser.add_argument("--samples", type=int, default=8, help="completions of each prompt")
    parser.add_argument("--longest", type=int, default=96, help="most tokens of a completion")
    parser.add_argument("--batch", type=int, default=256, help="rows of a batch, beside all in one")
    parser.add_argument("--rounds", type=int, default=5, help="each way once a round")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    spec, model = DatasetSpec(arithmetic=Arithmetic()), ModelSpec(tiny=TinyModel())
    data = load_dataset(spec)
    policy = load_policy(model, spec, data, Cache(Path(tempfile.mkdtemp())))
    suffix = data.answer_format.question_suffix
    asked = data.train[: given.completions // given.samples]
    prompts = PromptStyle().prompts([problem.question for problem in asked], policy.tokenizer, suffix)
    sizes = {f"batches of {given.batch}": given.batch, "all in one": given.completions}
    ways = {
        (name, size): way(policy, prompts, given.samples, given.longest, rows)
        for size, rows in sizes.items()
        for name, way in (("generate", theirs), ("ours", ours))
    }
    with torch.no_grad():
        for way in ways.values():  # warm-up
            way()
        found = alternate({" ".join(key): way for key, way in ways.items()}, given.rounds)
    print(f"torch {torch.__version__}, {platform.machine()}, {len(prompts)} prompts x {given.samples}\n")
    print("| rows | generate, CPU s | ours, CPU s | ours / generate | tokens of a completion, both |")
    print("|:--|--:|--:|--:|--:|")
    for size in sizes:
        plain, loop = found[f"generate {size}"], found[f"ours {size}"]
        seconds = [[one.processor for one in way] for way in (plain, loop)]
        middle, low, high = ratio(seconds[1], seconds[0])
        lengths = " and ".join(f"{way[0].out / given.completions:.2f}" for way in (plain, loop))
        medians = " | ".join(f"{np.median(one):.3f}" for one in seconds)
        print(f"| {size} | {medians} | {middle:.2f} ({low:.2f} to {high:.2f}) | {lengths} |")


if __name__ == "__main__":
    main()
