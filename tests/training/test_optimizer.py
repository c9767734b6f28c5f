"""What an optimizer update makes of its gradient, beside AdamW written out in double precision."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from .brute_force import recorded_run
from .conftest import TRAIN

RATE = 1e-2
BETAS, EPS = (0.9, 0.999), 1e-8


def adamw(before: Any, gradients: list[list[torch.Tensor]], decay: float, most: float) -> list[torch.Tensor]:
    """The weights after one update for each list of gradients, from those `before` the first.

    The gradient is scaled to the norm `most` where its own is larger. Weight decay leaves vectors (biases and the
    scales of norms) alone.
    """
    weights = [value.detach().clone() for value in before.trained]
    first, second = ([torch.zeros_like(value) for value in weights] for _ in range(2))
    for update, gradient in enumerate(gradients, start=1):
        norm = math.sqrt(sum(float((part.double() ** 2).sum()) for part in gradient))
        for place, part in enumerate(gradient):
            g = part.double() * min(1.0, most / norm)
            first[place] = BETAS[0] * first[place] + (1 - BETAS[0]) * g
            second[place] = BETAS[1] * second[place] + (1 - BETAS[1]) * g**2
            m, v = first[place] / (1 - BETAS[0] ** update), second[place] / (1 - BETAS[1] ** update)
            kept = 1 - RATE * decay if part.ndim > 1 else 1.0
            weights[place] = kept * weights[place] - RATE * m / (v.sqrt() + EPS)
    return weights


def apart(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """The largest difference of two lists of weights, in learning rates."""
    return max(float((a.detach().double() - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / RATE


@pytest.mark.parametrize(("decay", "most"), [(0.0, 1.0), (0.3, 1e6), (0.0, 0.02), (0.3, 0.02)])
def test_six_updates_are_those_of_adamw_with_a_clipped_gradient_and_decayed_matrices(
    make_trainer: Any, monkeypatch: Any, decay: float, most: float
) -> None:
    train = TRAIN.model_copy(update={"learning_rate": RATE, "weight_decay": decay, "max_grad_norm": most})
    trainer = make_trainer(train=train)
    updates = recorded_run(trainer, monkeypatch)
    gradients = [update.gradient for update in updates]
    assert len(updates) == 6 and {part.ndim for part in gradients[0]} == {1, 2}
    ours = [value for value in trainer.model.parameters() if value.requires_grad]
    assert apart(ours, adamw(updates[0].policy, gradients, decay, most)) < 2e-3
    norms = [math.sqrt(sum(float((part**2).sum()) for part in gradient)) for gradient in gradients]
    if most < 0.1:
        assert max(norms) > 3 * most and apart(ours, adamw(updates[0].policy, gradients, decay, 1e6)) > 0.05
    if decay:
        assert apart(ours, adamw(updates[0].policy, gradients, 0.0, most)) > 0.05
