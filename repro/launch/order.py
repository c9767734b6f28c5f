"""The order in which the cells of a study are trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from repro.study.expand import ExpandedCell


def in_training_order(cells: Sequence[ExpandedCell]) -> list[ExpandedCell]:
    """Seed by seed, so that a study that is stopped early has compared every arm, and neighbours share no cache.

    The seeds of an arm need the same scores and all cells of a model the same warm start: side by side, one would
    wait for the other to build it. So the seeds of an arm lie apart, and models and datasets alternate.
    """
    seeds: dict[int, int] = {}
    groups: dict[tuple[str, str], int] = {}
    position: dict[tuple[int, int], int] = defaultdict(int)
    keyed = []
    for cell in cells:
        seed = seeds.setdefault(cell.cell.seed, len(seeds))
        key = (cell.cell.model.model_dump_json(), cell.cell.dataset.model_dump_json())
        group = groups.setdefault(key, len(groups))
        keyed.append(((seed, position[seed, group], group), cell))
        position[seed, group] += 1
    return [cell for _, cell in sorted(keyed, key=lambda item: item[0])]
