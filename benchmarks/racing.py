"""Times of several ways to do the same, in alternating order within one run, and their ratios with intervals."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from repro.analysis.statistics import t_interval


class Timed(NamedTuple):
    """Wall seconds, processor seconds of this process, and what came out."""

    wall: float
    processor: float
    out: Any


def timed(run: Callable[[], Any]) -> Timed:
    """Time one call; the device has nothing left to do before and after."""
    gc.collect()
    settle()
    wall, processor = time.perf_counter(), time.process_time()
    out = run()
    settle()
    return Timed(time.perf_counter() - wall, time.process_time() - processor, out)


def settle() -> None:
    """Wait for the device, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def alternate(
    made: Mapping[str, Callable[[], Any]], rounds: int, deadline: float | None = None
) -> dict[str, list[Timed]]:
    """Every way in every round, each round starting with another one.

    One round at least; no further one that would probably end after `deadline` (of `time.monotonic`).
    """
    names = list(made)
    found: dict[str, list[Timed]] = {name: [] for name in names}
    began = time.monotonic()
    for number in range(rounds):
        taken = (time.monotonic() - began) / max(1, number)
        if number and deadline is not None and time.monotonic() + taken > deadline:
            break
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(timed(made[name]))
        print(f"  round {number + 1} of {rounds}", file=sys.stderr)
    return found


def ratio(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    """[geometric mean, lower, upper] of times over the reference's of the same round: Student's 95 % interval of the
    mean logarithm; the bounds of one round are NaN."""
    logs = [np.log(time / other) for time, other in zip(times, reference, strict=True)]
    interval = t_interval(logs)
    return [float(np.exp(x)) for x in (interval.value, interval.low, interval.high)]
