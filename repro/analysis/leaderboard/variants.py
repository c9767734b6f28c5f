"""The same leaderboard taken another way: on fewer tasks, policies or seeds, by another cost or another summary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from repro.analysis.axes import CLOCK_NAMES
from repro.analysis.comparison import Comparison
from repro.analysis.equal_cost import ENOUGH, Pair
from repro.analysis.estimates import Estimate, crossed, mean_of, over_these
from repro.analysis.families import holm
from repro.analysis.leaderboard.board import Board, shared_seeds
from repro.analysis.primary import ALPHA
from repro.analysis.time_to_target import reached

Kind = Literal["whole", "tasks", "policies", "seeds", "summaries"]

Value = Callable[[Comparison], Estimate | None]
"""A difference on one pair; None where it cannot be told there."""

TO_TARGET = "to the target"
"""The order by time to the baseline's accuracy at the end, where runs are evaluated often enough to tell it."""


@dataclass(frozen=True)
class Variant:
    """Another way to take the leaderboard. `values` orders the arms (higher is better, NaN where it is not told);
    `verdicts` has 1 or -1 for an arm that is clearly ahead of or behind its baseline after Holm's correction over all
    arms, 0 for one that is undecided, and no arm where nothing is judged."""

    name: str
    kind: Kind
    values: Mapping[str, float]
    verdicts: Mapping[str, int]


def variants(board: Board) -> list[Variant]:
    """All of them, that of the leaderboard itself first."""
    tasks, policies = list(board.tasks), list(dict.fromkeys(one.panel.model for one in board.panels))
    seeds = sorted(
        {seed for one in board.judged("tokens").values() for pair in one.pairs for seed in shared_seeds(pair)}
    )
    found = [_judged(board, "all runs", "whole", _over_training)]
    found += [v for task in tasks if len(tasks) > 2 and (v := _without(board, task, "tasks"))]
    found += [v for task in tasks if len(tasks) > 1 and (v := _only(board, task, "tasks"))]
    found += [v for name in policies if len(policies) > 2 and (v := _without(board, name, "policies"))]
    found += [v for name in policies if len(policies) > 1 and (v := _only(board, name, "policies"))]
    found += [_judged(board, f"without seed {seed}", "seeds", _without_seed(seed)) for seed in seeds if len(seeds) > 2]
    clock = CLOCK_NAMES[board.panels[0].panel.clock]
    found.append(_other_cost(board, "at equal steps", "steps"))
    found.append(_other_cost(board, f"at equal {clock}", "seconds"))
    found.append(_judged(board, "at the end", "summaries", _at_end))
    if any(one.pairs and _greedy(one.pairs[0]) is not None for one in board.judged("tokens").values()):
        found.append(_judged(board, "greedy, at the end", "summaries", _greedy))
    times = _time_to_target(board)
    told = any(not math.isnan(value) for label, value in times.values.items() if label not in board.baselines)
    return [*found, times] if told else found


def _judged(
    board: Board, name: str, kind: Kind, value: Value, kept: Callable[[Comparison], bool] | None = None
) -> Variant:
    """Every arm over the pairs that are kept, judged together."""
    means: dict[str, Estimate] = {}
    for label, one in board.judged("tokens").items():
        told = [value(pair) for pair in one.pairs if kept is None or kept(pair)]
        means[label] = over_these([found for found in told if found is not None and not math.isnan(found.value)])
    return _variant(board, name, kind, means)


def _variant(board: Board, name: str, kind: Kind, means: Mapping[str, Estimate]) -> Variant:
    values = _ordered(board, {label: one.value for label, one in means.items()})
    return Variant(name, kind, values, _verdicts(board, means))


def _ordered(board: Board, values: Mapping[str, float]) -> dict[str, float]:
    """The values in the order of the leaderboard, a baseline at 0."""
    known = {label: values.get(label, math.nan) for label in board.order}
    return known | {label: 0.0 for label in board.baselines if label in known}


def _verdicts(board: Board, means: Mapping[str, Estimate]) -> dict[str, int]:
    adjusted = holm([one.p() for one in means.values()])
    return {
        label: int(np.sign(one.value)) if p <= ALPHA else 0
        for (label, one), p in zip(means.items(), adjusted, strict=True)
        if not math.isnan(p) and label in board.order
    }


def _without(board: Board, name: str, kind: Literal["tasks", "policies"]) -> Variant | None:
    return _part(board, f"without {name}", kind, lambda pair: _place(pair, kind) != name)


def _only(board: Board, name: str, kind: Literal["tasks", "policies"]) -> Variant | None:
    return _part(
        board, f"{'on' if kind == 'tasks' else 'with'} {name} alone", kind, lambda pair: _place(pair, kind) == name
    )


def _part(board: Board, name: str, kind: Kind, kept: Callable[[Comparison], bool]) -> Variant | None:
    """The variant over some pairs; None where no arm has one of them."""
    found = _judged(board, name, kind, _over_training, kept)
    told = [found.values[label] for label in board.judged("tokens") if label in found.values]
    return found if any(not math.isnan(value) for value in told) else None


def _place(pair: Comparison, kind: Literal["tasks", "policies"]) -> str:
    return pair.panel.dataset if kind == "tasks" else pair.panel.model


# ---------------------------------------------------------------- what is measured


def _over_training(pair: Comparison) -> Estimate:
    """Mean accuracy over training at equal tokens."""
    return pair.difference


def _without_seed(seed: int) -> Value:
    """The same without the runs of one seed."""

    def value(pair: Comparison) -> Estimate | None:
        kept = [place for place, one in enumerate(shared_seeds(pair)) if one != seed]
        return crossed(*(part[kept] for part in pair.pair.differences())) if kept else None

    return value


def _at_end(pair: Comparison) -> Estimate:
    """Accuracy at the last evaluation."""
    ours, theirs = (np.stack([curve.rates[-1] for curve in curves]) for curves in (pair.pair.arm, pair.pair.baseline))
    return crossed(*np.split(ours - theirs, pair.pair.arm[0].ends, axis=1))


def _greedy(pair: Comparison) -> Estimate | None:
    """Greedy accuracy at the last evaluation that has one."""
    found = []
    for series in (pair.arm, pair.other):
        runs = {run.place.seed: run for run in series.runs}
        found.append([_last_greedy(runs[seed].evaluations(pair.panel.main)) for seed in shared_seeds(pair)])
    difference = mean_of(np.array(found[0]) - np.array(found[1]))
    return None if math.isnan(difference.value) else difference


def _last_greedy(evaluations: Sequence[object]) -> float:
    """At the end; NaN where the last evaluation has none."""
    return float(getattr(evaluations[-1], "greedy", math.nan))


def _other_cost(board: Board, name: str, by: Literal["steps", "seconds"]) -> Variant:
    """Mean accuracy over training at another equal cost."""
    means = {label: one.difference for label, one in board.judged(by).items()}
    return _variant(board, name, "summaries", means)


def _time_to_target(board: Board) -> Variant:
    """How many times fewer tokens to the baseline's accuracy at the end, as a logarithm: an order, not judged.

    The median over pairs, so that one where an arm does not get there in its budget can be counted: as the worst.
    """
    values: dict[str, float] = {}
    for label, one in board.judged("tokens").items():
        told = [_log_less(pair.pair) for pair in one.pairs if pair.pair.evaluations >= ENOUGH]
        values[label] = float(np.median(told)) if told else math.nan
    return Variant(TO_TARGET, "summaries", _ordered(board, values), {})


def _log_less(pair: Pair) -> float:
    """Logarithm of the baseline's tokens to its final accuracy over the arm's; -inf where it does not get there."""
    target = float(np.mean([curve.accuracy_at(curve.end) for curve in pair.baseline]))
    theirs, ours = reached(pair.baseline, target), reached(pair.arm, target)
    return -math.inf if math.isnan(ours) else math.log(theirs / ours) if min(theirs, ours) > 0 else 0.0
