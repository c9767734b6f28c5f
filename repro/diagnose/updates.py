"""How long an update takes: forward and backward passes over rows as long as real ones, and the optimizer's step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cache import Cache
from repro.canonical import digest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VERSION = 1
FEW_ROWS, MOST_ROWS = 4, 64
"""Of one pass: few where a pass takes long, as many as a minibatch has where it does not."""
MOST_LOGITS = 2**26
"""Of one pass."""
SHORTEST = 1.0
"""Seconds of passes that are measured at least."""


@dataclass(frozen=True)
class UpdateSpeed:
    """`tokens_per_second`: prompt and completion tokens passed forward and backward. `optimizer_seconds`: of one
    AdamW step, 0 where memory did not reach for its states."""

    tokens_per_second: float
    optimizer_seconds: float


def update_speed(
    cache: Cache, fields: Mapping[str, Any], model: Callable[[], PreTrainedModel], prompt: int, completion: int
) -> UpdateSpeed:
    """Measured once for each policy, and rows of that many tokens; later from the cache. No weight changes."""

    def build(folder: Path) -> None:
        (folder / "speed.json").write_text(json.dumps(_measure(model(), prompt, completion)))

    key = digest({"version": VERSION, "prompt": prompt, "completion": completion, **fields})
    record = json.loads((cache.directory("diagnose", key, build) / "speed.json").read_text())
    return UpdateSpeed(record["tokens_per_second"], record["optimizer_seconds"])


def _measure(model: PreTrainedModel, prompt: int, completion: int) -> dict[str, float]:
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    most = max(1, min(MOST_ROWS, MOST_LOGITS // (vocabulary * (completion + 1))))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocabulary, (most, prompt + completion), generator=generator).to(model.device)

    def seconds_of(rows: int) -> float:
        began = time.perf_counter()
        part = ids[:rows]
        logits = model(input_ids=part, use_cache=False, logits_to_keep=completion + 1).logits[:, :-1]
        logits.float().log_softmax(-1).gather(2, part[:, prompt:, None]).mean().backward()
        _wait(model)
        return time.perf_counter() - began

    few = min(FEW_ROWS, most)
    seconds_of(few)  # warms up
    rows = max(few, min(most, int(few * SHORTEST / max(seconds_of(few), 1e-9))))
    passed, spent = 0, 0.0
    while spent < SHORTEST:
        spent += seconds_of(rows)
        passed += rows * ids.shape[1]
    speed = passed / spent
    seconds = 0.0
    try:
        trained = [one for one in model.parameters() if one.grad is not None]
        optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0)
        optimizer.step()  # makes its states
        began = time.perf_counter()
        optimizer.step()
        _wait(model)
        seconds = time.perf_counter() - began
    except torch.OutOfMemoryError:
        pass
    model.zero_grad(set_to_none=True)
    return {"tokens_per_second": speed, "optimizer_seconds": seconds}


def _wait(model: PreTrainedModel) -> None:
    import torch

    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
