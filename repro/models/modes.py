"""How a policy computes where no gradient is taken: in which arithmetic, and without dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from repro.models.model_spec import Precision


def compute_in(model: torch.nn.Module, precision: Precision) -> None:
    """What `arithmetic` gives for this model from now on. Weights keep their type."""
    model._repro_precision = precision  # type: ignore[assignment]


def arithmetic(model: Any) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where the model is to compute so, around whole generations: weights are cast once."""
    if getattr(model, "_repro_precision", "float32") == "float32":
        return nullcontext()
    return torch.autocast(model.device.type, torch.bfloat16)


@contextmanager
def uncast(model: Any) -> Iterator[None]:
    """The model computes in the type of its weights, though a trainer that was given it has made it cast (accelerate
    replaces `forward` and keeps the model's own as `_original_forward`)."""
    own, cast = (vars(model).get(name) for name in ("_original_forward", "forward"))
    if own is not None:
        model.forward = own
    try:
        with torch.autocast(model.device.type, enabled=False):
            yield
    finally:
        if own is not None:
            model.forward = cast


@contextmanager
def without_dropout(model: torch.nn.Module) -> Iterator[None]:
    """Every layer in evaluation mode, the model's own mode as it is: TRL reads from it that this is training.

    What is sampled and what is compared with it are the policy's; dropout belongs to the gradient alone.
    """
    inner = [module for module in model.modules() if module is not model and module.training]
    for module in inner:
        module.training = False
    try:
        yield
    finally:
        for module in inner:
            module.training = True
