"""Selectors over the questions of a made-up world, or over bare ids."""

from __future__ import annotations

from collections.abc import Sequence

from repro.selection.base import Resources, Run, Selector
from repro.selection.method import Selection
from repro.selection.methods.random import RandomSubset
from repro.selection.methods.uniform import Uniform
from repro.tasks.problem import Problem
from repro.testing.world import World

__all__ = ["World", "build_selector", "random_subset", "uniform"]


def build_selector(
    selection: Selection,
    ids: Sequence[str],
    seed: int,
    resources: Resources,
    group_size: int,
    steps: int | None = None,
) -> Selector:
    """The selector of a selection over questions that are nothing but ids."""
    problems = [Problem(name, name, "") for name in ids]
    return selection.build(Run(problems, seed, resources, group_size, steps))


def uniform(ids: Sequence[str], seed: int) -> Selector:
    """Plain GRPO over ids."""
    return build_selector(Uniform(), ids, seed, World(8), 8)


def random_subset(ids: Sequence[str], seed: int, fraction: float) -> Selector:
    """A fixed random subset of ids."""
    return build_selector(RandomSubset(method="random", fraction=fraction), ids, seed, World(8), 8)
