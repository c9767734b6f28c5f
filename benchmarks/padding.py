"""Log-probs and gradients of completions of unlike length: all in one pass, and those of like length together.

    python benchmarks/padding.py            # SmolLM2-135M (make smollm2), one thread, bfloat16 arithmetic

Rows are random tokens: 8 questions x 8 completions, whose prompts begin alike and whose lengths spread as those of word
problems do, 27 tokens on average and 64 at most. `before` is the pass over a step's rows without a gradient, `update` a
pass with one over the rows of half of the groups. Processor seconds of one thread, medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from real_step import model_of
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from repro.training import shared_prompts as shared

LONGEST = 64
PROMPT = (22, 60)
"""Tokens with which all prompts begin, and tokens of a prompt."""
WAYS = {"one pass": 1, "like lengths together": shared.PARTS}


def rows_of(questions: int, draws: torch.Generator, vocabulary: int) -> tuple[torch.Tensor, ...]:
    """Prompt ids and mask (B, P), completion ids and mask (B, T) of 8 completions each."""
    alike, width = PROMPT
    prompts = torch.randint(1, vocabulary, (questions, width), generator=draws)
    prompts[:, :alike] = prompts[0, :alike]
    prompt_ids = prompts.repeat_interleave(8, dim=0)  # (B, P)
    typical = torch.randint(10, 32, (questions,), generator=draws).repeat_interleave(8)  # (B,) of a question
    more = torch.empty(len(typical)).exponential_(1 / 7, generator=draws)  # (B,)
    lengths = (typical + more.round().long()).clamp(max=LONGEST)  # (B,)
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()  # (B, T)
    ids = torch.randint(1, vocabulary, tuple(mask.shape), generator=draws)  # (B, T)
    return prompt_ids, torch.ones_like(prompt_ids), ids, mask


def seconds(model: Any, rows: tuple[torch.Tensor, ...], parts: int, gradient: bool) -> float:
    """Of one pass with the rows in so many parts."""
    prompt_ids, prompt_mask, ids, mask = rows
    shared.PARTS = parts
    since = time.process_time()
    plan = shared.shared_prompts(prompt_ids, prompt_mask, mask)
    assert plan is not None, "prompts share too little"
    with torch.set_grad_enabled(gradient), torch.autocast("cpu", torch.bfloat16):
        logps, _ = shared.completion_logps(model, model, plan, ids, mask)
    if gradient:
        (logps * mask).sum().backward()
        model.zero_grad()
    return time.process_time() - since


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="a known model or a directory (smollm2)")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each kind and way (5)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(next(iter(model_of(given.model).values())))
    add_fused_lm_head(model, temperature=1.0, outputs=("log_probs", "entropy"))
    draws = torch.Generator().manual_seed(0)
    cases = {"before": (rows_of(8, draws, 49_000), False), "update": (rows_of(4, draws, 49_000), True)}
    found: dict[tuple[str, str], list[float]] = {(case, way): [] for case in cases for way in WAYS}
    for number in range(given.rounds + 1):
        for case, (rows, gradient) in cases.items():
            for way in list(WAYS)[:: 1 if number % 2 else -1]:
                took = seconds(model, rows, WAYS[way], gradient)
                if number:  # the first warms up
                    found[case, way].append(took)
    print("| pass | rows | mean and longest completion, tokens | " + ", s | ".join(WAYS) + ", s | ratio (range) |")
    print("|---|--:|--:|--:|--:|--:|")
    for case, (rows, _) in cases.items():
        lengths = rows[3].sum(dim=1)
        one, two = (found[case, way] for way in WAYS)
        ratios = sorted(b / a for a, b in zip(one, two, strict=True))
        size = f"{float(lengths.float().mean()):.0f} and {int(lengths.max())}"
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        times = f"{statistics.median(one):.2f} | {statistics.median(two):.2f}"
        print(f"| {case} | {len(lengths)} | {size} | {times} | {ratio} |")


if __name__ == "__main__":
    main()
