"""What a report compares: series of runs that differ in their seed alone, and panels of series."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from repro.analysis.curve import Curve
from repro.analysis.main_series import MainSeries
from repro.analysis.run import Run
from repro.analysis.selections import Chosen


@dataclass(frozen=True)
class Series:
    """One line of a figure: an arm at one axis point, with its finished runs in the order of seeds.

    `clock` is the ledger's clock that a report tells time by, the same for all its runs: "seconds" (wall) or
    "cpu_seconds".
    """

    label: str
    arm: str
    axis: Mapping[str, Any]
    runs: tuple[Run, ...]
    clock: str = "seconds"

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.place.seed for run in self.runs)

    @property
    def cell(self) -> dict[str, Any]:
        """The resolved cell (of the first seed), {} without runs."""
        return dict(self.runs[0].json("cell.json").get("cell", {})) if self.runs else {}

    @property
    def selection(self) -> dict[str, Any]:
        """The fields of the selection, `method` among them."""
        return self.chosen.fields

    @property
    def chosen(self) -> Chosen:
        """What the selection answers for itself."""
        return Chosen(self.cell.get("selection") or {})

    @property
    def way(self) -> str:
        """How the arm comes by its groups, the same word in all studies: figures colour it by that."""
        method = str(self.selection.get("method", "uniform"))
        return f"{method}, replay" if self.replay else method

    @property
    def replay(self) -> dict[str, Any] | None:
        found = self.cell.get("replay")
        return dict(found) if found else None


@dataclass(frozen=True)
class Panel:
    """What is compared on one model and dataset. `series` holds only arms with finished runs."""

    model: str
    dataset: str
    series: tuple[Series, ...]
    main_series: MainSeries
    baselines: Mapping[str, str] = field(default_factory=dict)  # label -> label of the series it is compared with
    known: Mapping[str, str] = field(default_factory=dict)  # label -> way of every series of the study, in its order
    known_baselines: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()  # labels of the series that `report.claims` is about, in the order of the claims
    unfinished: Mapping[str, str] = field(default_factory=dict)  # label or arm without a finished run -> its state
    _curves: dict[tuple[str, str], Curve] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def clock(self) -> str:
        """The clock that the report tells time by, see `Series`."""
        return self.series[0].clock

    def only(self, arms: Collection[str]) -> Panel:
        """The same panel with the series of these arms, and of what they are compared with."""
        kept = {series.label for series in self.series if series.arm in arms}
        kept |= {self.baselines[label] for label in kept if label in self.baselines}
        baselines = {label: other for label, other in self.baselines.items() if label in kept}
        return replace(self, series=tuple(s for s in self.series if s.label in kept), baselines=baselines)

    @property
    def title(self) -> str:
        return f"{self.model} on {self.dataset}"

    def get(self, label: str) -> Series:
        return next(series for series in self.series if series.label == label)

    def baseline_of(self, series: Series) -> Series | None:
        """The series that `series` is compared with; None for the baseline itself or where it has no run."""
        label = self.baselines.get(series.label)
        return None if label is None or label == series.label else self.get(label)

    @property
    def references(self) -> tuple[Series, ...]:
        """The series that others are compared with."""
        wanted = set(self.baselines.values())
        return tuple(series for series in self.series if series.label in wanted)

    @property
    def main(self) -> str:
        """The name of the set, or of the mean, that every accuracy is about."""
        return self.main_series.name

    def curve(self, run: Run, metric: str) -> Curve:
        """Accuracy of a run on `problems` by what it had spent; `metric` is "step" or a `cost/...` metric."""
        key = run.identity, metric
        if key not in self._curves:
            cost, _ = run.evaluated_cost(metric, self.main)
            sizes = [len(ids) for ids in self.problems]
            self._curves[key] = Curve(cost, run.rates(self.main, self.problems), sizes)
        return self._curves[key]

    @cached_property
    def problems(self) -> tuple[tuple[str, ...], ...]:
        """Ids of the problems that every run was evaluated on, for each set of the main series."""
        rows = [row for series in self.series for run in series.runs for row in run.evaluations(self.main)]
        every = (dict.fromkeys(row.parts[place].problems for row in rows) for place in range(len(rows[0].parts)))
        return tuple(tuple(sorted(set.intersection(*map(set, ids)))) for ids in every)
