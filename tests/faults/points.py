"""Which call of a command goes wrong: points over everything that an undisturbed run of it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from tests.faults.shim import Call
from tests.faults.state import RANDOM

KILLS = ("kill-all", "kill-one", "half")


@dataclass(frozen=True)
class Point:
    """The `count`-th call of an operation whose path below the folder matches the pattern, and what happens at it."""

    action: str
    operation: str
    count: int
    pattern: str

    @property
    def dies(self) -> bool:
        """Whether a process dies at it."""
        return self.action in KILLS

    def __str__(self) -> str:
        return f"{self.action} {self.operation} {self.count} '{self.pattern}'"


def pattern_of(path: str) -> str:
    """The path with what differs from run to run replaced by a star."""
    pattern = path
    for special in "[?":
        pattern = pattern.replace(special, "*")
    return RANDOM.sub("*", pattern)


def kills(calls: Sequence[Call], number: int, generator: np.random.Generator) -> list[Point]:
    """Points at which processes die, spread over all kinds of calls: each kind's first call, its last, then any."""

    def action(kind: tuple[str, str]) -> str:
        return str(generator.choice(KILLS if kind[0] == "write" else KILLS[:2]))

    return _spread(calls, number, generator, action)


def failures(calls: Sequence[Call], number: int, generator: np.random.Generator) -> list[Point]:
    """Points from which the disk is full, and some at which one call fails; kinds as in `kills`."""
    space = [call for call in calls if call.takes_space]

    def action(kind: tuple[str, str]) -> str:
        return "io-error" if generator.random() < 0.3 else "disk-full"

    return _spread(space, number, generator, action)


def _spread(
    calls: Sequence[Call], number: int, generator: np.random.Generator, action: Callable[[tuple[str, str]], str]
) -> list[Point]:
    totals = Counter((call.operation, pattern_of(call.path)) for call in calls)
    kinds = list(totals)
    generator.shuffle(kinds)
    rounds: list[list[Point]] = []
    for kind in map(tuple, kinds):
        total = totals[kind]
        rest = [int(i) for i in generator.permutation(np.arange(2, total))] if total > 2 else []
        counts = list(dict.fromkeys([1, total, *rest]))
        if generator.random() < 0.5:
            counts = [*counts[1:2], counts[0], *counts[2:]]
        rounds.append([Point(action(kind), kind[0], count, kind[1]) for count in counts])
    turns = (point for turn in zip_longest(*rounds) for point in turn if point is not None)
    return [point for point, _ in zip(turns, range(number), strict=False)]
