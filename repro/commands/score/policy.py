"""Loads the policy that `repro score` or `repro diagnose` asks, on its device, as a study would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from repro.cache import Cache
from repro.commands.score.request import Request
from repro.errors import UserError
from repro.models.engines import HuggingFaceEngine
from repro.models.model_spec import ModelSpec, Precision
from repro.models.policy import Policy, commit_of, load_policy
from repro.scoring.scorer import Opened
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import TaskData
from repro.tasks.verify import MathVerifier


def open_policy(request: Request, cache: Cache, device: str | None, tell: Callable[[str], None]) -> Opened:
    """The policy on its device. Raises UserError for a device that is not there, or a model that does not load."""
    asked = request.asked
    if request.model.tiny is not None:
        data = load_dataset(request.dataset)
    else:  # weights are read, not made, and need no data
        problems = tuple(asked.problems)
        data = TaskData(request.dataset.label, problems, (), (), MathVerifier(), asked.answer_format)
    policy = load_on(device, request.model, request.dataset, data, request.precision, cache, tell)
    return Opened(policy.model, policy.tokenizer, HuggingFaceEngine(policy.model, policy.tokenizer), commit_of(policy))


def load_on(
    device: str | None,
    model: ModelSpec,
    dataset: DatasetSpec,
    data: TaskData,
    precision: Precision,
    cache: Cache,
    tell: Callable[[str], None],
) -> Policy:
    """A policy on a device (None: the GPU where there is one), that computes in this precision. Raises as above."""
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if place.startswith("cuda"):
        count = torch.cuda.device_count()
        if not count:
            raise UserError(f"--device: got {place}, but this machine has no GPU that torch can use; expected cpu")
        index = int(place.partition(":")[2] or 0)
        if index >= count:
            raise UserError(f"--device: got {place}, expected cuda:0 to cuda:{count - 1}")
        torch.cuda.set_device(index)
    tenth = -1

    def warm_start(message: str, done: float) -> None:  # the embedded policy of a study may have to be made first
        nonlocal tenth
        if int(10 * done) != tenth:
            tenth = int(10 * done)
            tell(message)

    policy = load_policy(model, dataset, data, cache, warm_start)
    policy.compute_in(precision)
    torch.nn.Module.to(policy.model, place)
    return policy


@contextmanager
def memory() -> Iterator[None]:
    """Turn an exhausted GPU into a UserError that names the options that help."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the GPU ran out of memory; what was scored is kept. Run the same command with a smaller --batch-tokens, "
            "or with --dtype bfloat16"
        ) from error
