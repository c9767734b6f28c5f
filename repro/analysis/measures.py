"""The numbers of a panel: accuracy, differences, time to target, groups without gradient, cost. No text, no drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.analysis.axes import curves
from repro.analysis.estimates import crossed
from repro.analysis.main_series import Asked, asked
from repro.analysis.results import Final, Share, Start, TimeToTarget
from repro.analysis.run import Run
from repro.analysis.runs import Panel, Series
from repro.analysis.statistics import (
    Interval,
    area_under_curve,
    cluster_interval,
    paired_difference,
    probability_of_improvement,
    share_interval,
    t_interval,
)
from repro.analysis.time_to_target import Runs, each_reached, reached, times_less
from repro.spec.schema import MAIN_SETS
from repro.tracking.series import ZERO_VARIANCE

GAIN_SHARES = (0.5, 0.75, 0.9)
"""Further targets: these shares of the baseline's gain over the start policy."""

HARDLY = 0.10
"""Below this share of groups with a gradient a study warns: hardly anything trains."""

NEAR_ZERO = 0.05
"""Below this accuracy, before and after, arms are not told apart."""


def tried(samples: int) -> tuple[int, ...]:
    """The k of pass@k that are told: powers of two from 2 up to the samples of a question, and these."""
    powers = (2**place for place in range(1, samples.bit_length()))
    return tuple(dict.fromkeys(k for k in (*powers, samples) if k > 1))


class Measures:
    """Numbers of one panel, each computed once."""

    def __init__(self, panel: Panel, target: float | None = None) -> None:
        self.panel = panel
        self._target = target

    # ------------------------------------------------------------ accuracy

    @cached_property
    def start(self) -> Start:
        """The start policy, from the evaluations at step 0 (one policy, whatever the number of runs)."""
        runs = [run for series in self.panel.series for run in series.runs]
        row = next((found[0] for run in runs if (found := run.evaluations(self.panel.main))), None)
        if row is None or row.step != 0:
            nan = math.nan
            return Start(Interval(nan, nan, nan, 0), nan, nan, nan, Asked(0, (), (), ()), {}, {})
        base = next((run.json("base.json") for run in runs if run.json("base.json")), {})
        rates = [part.rates(sorted(part.problems)) for part in row.parts]
        # Other temperatures are measured on the dataset's own held-out questions alone.
        own = self.panel.main == next((name for name in MAIN_SETS if name in runs[0].sets), "")
        lower = {float(t): float(value) for t, value in (base.get("temperatures") or {}).items() if own}
        return Start(
            sampled=cluster_interval(*rates),
            greedy=row.greedy,
            entropy=row.entropy,
            tokens=row.tokens,
            asked=asked(row),
            pass_at={k: row.pass_at(k) for k in tried(row.samples)},
            temperatures=dict(sorted(lower.items())),
        )

    @cached_property
    def finals(self) -> tuple[Final, ...]:
        return tuple(self._final(series) for series in self.panel.series)

    def final(self, label: str) -> Final:
        return next(final for final in self.finals if final.series.label == label)

    def _final(self, series: Series) -> Final:
        panel = self.panel
        rows = [run.evaluations(panel.main) for run in series.runs]
        last, first = [r[-1] for r in rows], [r[0] for r in rows]
        scores = [row.accuracy for row in last]
        reference = panel.baseline_of(series)
        difference = by_seed = improvement = None
        if reference is not None:
            shared = [seed for seed in series.seeds if seed in reference.seeds]
            if shared:
                ours, theirs = (self._matrices(one, shared, -1) for one in (series, reference))
                difference = crossed(*(a - b for a, b in zip(ours, theirs, strict=True))).interval()
                by_seed = paired_difference(*(np.mean([d.mean(axis=1) for d in one], axis=0) for one in (ours, theirs)))
            improvement = probability_of_improvement(
                scores, [run.evaluations(panel.main)[-1].accuracy for run in reference.runs]
            )
        curves = [run.evaluated_cost("step", panel.main) for run in series.runs]
        others = sorted({name for run in series.runs for name in run.sets} - {panel.main})
        end, begin = (self._matrices(series, series.seeds, index) for index in (-1, 0))
        return Final(
            series=series,
            step=t_interval([row.step for row in last]),
            asked=asked(last[0]),
            per_seed=tuple(scores),
            accuracy=share_interval(scores),
            pass_at={
                k: share_interval([row.pass_at(k) for row in last]) for k in tried(min(row.samples for row in last))
            },
            greedy=share_interval([row.greedy for row in last]),
            entropy=t_interval([row.entropy for row in last]),
            tokens=t_interval([row.tokens for row in last]),
            mean_over_training=share_interval([area_under_curve(*curve) for curve in curves]),
            gain=crossed(*(b - a for a, b in zip(begin, end, strict=True))).interval(),
            greedy_gain=t_interval([b.greedy - a.greedy for a, b in zip(first, last, strict=True)]),
            difference=difference,
            difference_by_seed=by_seed,
            improvement=improvement,
            other_sets={
                name: share_interval(
                    [run.evaluations(name)[-1].accuracy for run in series.runs if run.evaluations(name)]
                )
                for name in others
            },
        )

    def _matrices(self, series: Series, seeds: Sequence[int], index: int) -> list[NDArray[np.float64]]:
        """Pass rates [seeds, problems] at one evaluation, over the problems that all runs share, of each set."""
        panel = self.panel
        runs = {run.place.seed: run for run in series.runs}
        parts = [runs[seed].evaluations(panel.main)[index].parts for seed in seeds]
        each = enumerate(panel.problems)
        return [np.stack([part[place].rates(problems) for part in parts]) for place, problems in each]

    # ------------------------------------------------------------ time to target

    def target(self, series: Series) -> float:
        """The accuracy that `series` and its baseline race to: the spec's, else the baseline's final mean."""
        if self._target is not None:
            return self._target
        reference = self.panel.baseline_of(series) or series
        return self.final(reference.label).accuracy.value

    @cached_property
    def _times(self) -> dict[tuple[str, str, float], TimeToTarget]:
        return {}

    def time(self, label: str, axis: str, target: float | None = None) -> TimeToTarget:
        """Time to a target, by default `target` of the series, by one of `axes.AXES`."""
        series = self.panel.get(label)
        goal = self.target(series) if target is None else target
        key = (label, axis, goal)
        if key not in self._times:
            self._times[key] = self._time(series, axis, goal)
        return self._times[key]

    def times_at_shares(self, axis: str) -> dict[float, tuple[TimeToTarget, ...]]:
        """The same for the targets in `GAIN_SHARES` of each baseline's gain: does the verdict hang on the target?"""
        out: dict[float, tuple[TimeToTarget, ...]] = {}
        for share in GAIN_SHARES:
            found = []
            for series in self.panel.series:
                final = self.final((self.panel.baseline_of(series) or series).label).accuracy.value
                target = self.start.sampled.value + share * (final - self.start.sampled.value)
                if not math.isnan(target):
                    found.append(self.time(series.label, axis, target))
            out[share] = tuple(found)
        return out

    def _time(self, series: Series, axis: str, target: float) -> TimeToTarget:
        own = curves(self.panel, series, series.seeds, axis)
        reference, less = self.panel.baseline_of(series), None
        if reference is not None:
            less = times_less([pair] if (pair := self.race(series, reference, axis, target)) else [])
        each = each_reached(own, target)
        ends = tuple(curve.end for curve in own)
        return TimeToTarget(series, axis, target, each, ends, reached(own, target), less)

    def race(self, series: Series, reference: Series, axis: str, target: float) -> Runs | None:
        """The runs of two arms on the seeds that both have, for `time_to_target.times_less`; None without any."""
        seeds = [seed for seed in series.seeds if seed in reference.seeds]
        if not seeds:
            return None
        theirs, ours = (curves(self.panel, one, seeds, axis) for one in (reference, series))
        return theirs, ours, target

    # ------------------------------------------------------------ groups and predictor

    @cached_property
    def zero_variance(self) -> tuple[Share, ...]:
        """Share of fresh groups whose rewards are all equal, averaged over training steps."""
        return self._shares(lambda run: float(run.metric(ZERO_VARIANCE).mean()))

    def zero(self, label: str) -> Share:
        return next(share for share in self.zero_variance if share.series.label == label)

    def _shares(self, of_run: Callable[[Run], float]) -> tuple[Share, ...]:
        values = {series.label: [of_run(run) for run in series.runs] for series in self.panel.series}
        shares = []
        for series in self.panel.series:
            reference, difference = self.panel.baseline_of(series), None
            if reference is not None:
                ours = dict(zip(series.seeds, values[series.label], strict=True))
                theirs = dict(zip(reference.seeds, values[reference.label], strict=True))
                shared = [seed for seed in ours if seed in theirs]
                difference = paired_difference([ours[s] for s in shared], [theirs[s] for s in shared])
            own = values[series.label]
            shares.append(Share(series, tuple(own), share_interval(own), difference))
        return tuple(shares)

    def step_metric(self, series: Series, name: str) -> pd.DataFrame:
        """One metric by step [steps x seeds]."""
        return pd.DataFrame({run.place.seed: run.metric(name) for run in series.runs})

    # ------------------------------------------------------------ cost

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Mean over seeds of every ledger amount: one row per (series label, phase)."""
        rows = []
        for series in self.panel.series:
            for run in series.runs:
                for phase, amounts in run.ledger.items():
                    rows.append({"arm": series.label, "phase": phase, **amounts})
        frame = pd.DataFrame(rows)
        if frame.empty:
            return frame
        return frame.groupby(["arm", "phase"], sort=False).mean()

    def cost(self, label: str, phase: str, quantity: str) -> float:
        """One mean amount, 0 where the phase did not happen."""
        if (label, phase) not in self.costs.index or quantity not in self.costs:
            return 0.0
        return float(self.costs.at[(label, phase), quantity])

    def redone(self, series: Series) -> float:
        """Generated tokens spent beyond the useful ones (work redone after a kill), summed over seeds."""
        extra = 0.0
        for run in series.runs:
            extra += max(0.0, sum(run.generated.values()) - run.cost("generated_tokens", run.generated))
        return extra

    # ------------------------------------------------------------ verdicts that need several numbers

    @property
    def near_zero(self) -> bool:
        """Whether accuracy is so low, before and after, that arms cannot be told apart."""
        values = [self.start.sampled.value, *(final.accuracy.value for final in self.finals)]
        return max((value for value in values if not math.isnan(value)), default=0.0) < NEAR_ZERO

    def learned(self, label: str) -> bool:
        """Whether a series ended clearly above the start policy."""
        gain = self.final(label).gain
        return gain.clear_of(0) > 0
