"""The squared gradient norm of a rolled-out group, split into the terms that Theorem 1 of DOTS keeps and neglects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from repro.groups import has_spread
from repro.models.modes import arithmetic
from repro.tasks.problem import Problem
from repro.training.evaluation import Sampler
from repro.training.randomness import GRADIENTS, derive_seed

STD_EPSILON = 1e-4
"""What TRL adds to a group's standard deviation before it divides by it."""


@dataclass(frozen=True)
class GroupTerms:
    """Of g = sum_i A_i grad_i with A_i = r_i - mean(r): |g|^2 = kept + crossed."""

    kept: float  # T1 = sum_i A_i^2 |grad_i|^2
    crossed: float  # T2 = sum_{i != j} A_i A_j grad_i . grad_j
    mean_square: float | None  # mean_i |grad_i|^2, which the theorem takes to be the same for every question

    @property
    def norm2(self) -> float:
        """|g|^2."""
        return self.kept + self.crossed


def group_terms(
    gradients: Iterable[Sequence[torch.Tensor]], rewards: Sequence[float], scales: np.ndarray
) -> list[GroupTerms]:
    """The terms of one group from the gradient of each completion's log-probability, in the order of `rewards` (G,).

    A gradient comes in pieces of any shape (one per parameter), the same for all completions; `scales` (S, G)
    multiplies it, and there is one result per row. Only one gradient is held beside S weighted sums; sums over
    parameters are float64. Rewards that are all equal leave no advantage: zeros, and no gradient is asked for.
    """
    if not has_spread(rewards):
        return [GroupTerms(0.0, 0.0, None) for _ in scales]
    weights = (np.array(rewards) - np.mean(rewards)) * scales  # (S, G)
    totals: list[list[torch.Tensor]] = [[] for _ in scales]
    squares = []
    for index, gradient in enumerate(gradients):
        squares.append(_square(gradient))
        for row, total in enumerate(totals):
            if not total:
                total += [torch.zeros_like(piece) for piece in gradient]
            for piece, found in zip(total, gradient, strict=True):
                piece.add_(found, alpha=float(weights[row, index]))
    length2 = np.array(squares)  # (G,)
    kept = (weights**2 * length2).sum(axis=1)  # (S,)
    means = (scales**2 * length2).mean(axis=1)  # (S,)
    return [GroupTerms(float(k), _square(g) - float(k), float(m)) for k, g, m in zip(kept, totals, means, strict=True)]


def _square(pieces: Sequence[torch.Tensor]) -> float:
    return math.fsum(float(piece.double().square().sum()) for piece in pieces)


def std_divisor(rewards: Sequence[float]) -> float:
    """What divides the advantages of a group where they are standardised: its sample standard deviation + 1e-4."""
    return float(np.std(rewards, ddof=1)) + STD_EPSILON


def completion_gradient(
    model: PreTrainedModel, prompt: Sequence[int], completion: Sequence[int], temperature: float
) -> list[torch.Tensor]:
    """Gradient of log pi(completion | prompt), the sum over its tokens, one tensor per trainable parameter.

    The full vocabulary at the temperature of the rollouts, as in the trainer's loss. Gradients of parameters are left
    as they were.
    """
    ids = torch.tensor([[*prompt, *completion]], device=model.device)  # (1, P + T)
    with arithmetic(model):
        logits = model(input_ids=ids, logits_to_keep=len(completion) + 1).logits[0, :-1]  # (T, vocabulary)
    logps = (logits.float() / temperature).log_softmax(-1)  # (T, vocabulary)
    target = ids[0, len(prompt) :, None]  # (T, 1)
    trained = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(logps.gather(1, target).sum(), trained, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(trained, found, strict=True)]


def measure_gradients(
    sampler: Sampler, problems: Sequence[Problem], group_size: int, temperature: float, top_p: float
) -> list[dict[str, Any]]:
    """One rolled-out group of each problem and the terms of its gradient under the sampler's policy; JSON-able.

    `id`, `rewards_mean`, `tokens` (mean length of a completion); `t1`, `t2`, `norm2` with advantages r - mean(r) and
    `t1_std`, `t2_std`, `norm2_std` with these divided by `std_divisor`; `gradient2`: mean |grad_i|^2, null where all
    rewards are alike. The log-probability of a completion is the sum over its tokens, as in the theorem; the same
    names with `_token_mean` are of its mean over tokens, as in the trainer's `grpo` loss. Costs go to the phase
    `evaluate`.
    """
    seed = derive_seed(GRADIENTS, group_size)
    out, rewards = sampler.completions(problems, group_size, temperature, top_p, seed, "evaluate")
    prompts = sampler.tokenizer(sampler.prompts(problems), add_special_tokens=False)["input_ids"]
    model, rows = sampler.model, []
    passed: list[int] = []  # tokens of the sequences that a gradient was taken of
    training = model.training
    model.eval()
    try:
        with sampler.ledger.phase("evaluate"):
            for index in sampler.ranks.share(range(len(problems))):
                problem, group = problems[index], rewards[index]
                completions = out.token_ids[index * group_size : (index + 1) * group_size]
                gradients = (completion_gradient(model, prompts[index], ids, temperature) for ids in completions)
                lengths = np.array([len(ids) for ids in completions])  # (G,)
                row = {"id": problem.id, "rewards_mean": float(np.mean(group)), "tokens": float(lengths.mean())}
                found = group_terms(gradients, group, np.stack([np.ones(group_size), 1 / lengths]))
                if found[0].mean_square is not None:
                    passed += out.lengths[index * group_size : (index + 1) * group_size]
                for terms, ending in zip(found, ("", "_token_mean"), strict=True):
                    row |= _named(terms, std_divisor(group), ending)
                rows.append(row)
    finally:
        model.train(training)
    sampler.ledger.add("evaluate", trained_tokens=sum(passed), flops=sampler.flop_counter.update(passed))
    return sampler.ranks.join(rows, len(problems))


def _named(terms: GroupTerms, divisor: float, ending: str) -> dict[str, float | None]:
    values = {"t1": terms.kept, "t2": terms.crossed, "norm2": terms.norm2}
    out: dict[str, float | None] = {f"gradient2{ending}": terms.mean_square}
    out |= {f"{name}{ending}": value for name, value in values.items()}
    return out | {f"{name}_std{ending}": value / divisor**2 for name, value in values.items()}
