"""From a spec's selection to the selector that does it."""

from __future__ import annotations

from collections.abc import Sequence

from repro.selection.base import Resources, Selector
from repro.selection.curriculum import CurriculumSelector
from repro.selection.difficulty import DifficultySelector
from repro.selection.dynamic import DynamicSelector
from repro.selection.selection_spec import Curriculum, Difficulty, Dynamic, RandomSubset, Selection, Uniform
from repro.selection.subset import Scored, scored_subset
from repro.selection.uniform import random_subset, uniform


def build_selector(
    selection: Selection,
    ids: Sequence[str],
    seed: int,
    resources: Resources | None,
    group_size: int,
    steps: int | None = None,
) -> Selector:
    """The selector of `selection` over the train questions `ids` (unique, in dataset order).

    `seed` is the run's; `resources` are asked only when and if the method needs them (None is enough for `uniform`
    and `random`); `group_size` is the default number of rollouts per reference; `steps` are those of the run, which a
    curriculum divides into stages (None where a budget ends the run).
    ValueError for repeated ids, missing resources, a curriculum without steps or an unknown method.
    """
    if len(set(ids)) != len(ids):
        raise ValueError(f"{len(ids)} questions but {len(set(ids))} distinct ids")
    if isinstance(selection, Uniform):
        return uniform(ids, seed)
    if isinstance(selection, RandomSubset):
        return random_subset(ids, seed, selection.fraction)
    if resources is None:
        raise ValueError(f"selection {selection.method!r} needs resources")
    if isinstance(selection, Scored):
        return scored_subset(ids, seed, selection, resources)
    if isinstance(selection, Curriculum):
        if steps is None:
            raise ValueError("a curriculum needs the number of steps of the run")
        return CurriculumSelector(selection, ids, seed, resources, steps=steps)
    if isinstance(selection, Difficulty):
        return DifficultySelector(selection, ids, seed, resources, samples=selection.samples or group_size)
    if isinstance(selection, Dynamic):
        return DynamicSelector(selection, ids, seed, resources, samples=group_size)
    raise ValueError(f"no selector for {type(selection).__name__}")
