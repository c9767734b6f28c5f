"""A study as the analysis sees it: finished runs from the store, grouped by model and dataset, arm and seed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.files import shown
from analysis.selections import Chosen
from repro.canonical import canonical
from repro.errors import UserError
from repro.spec.schema import Spec
from repro.study.expand import Place, expand_study
from repro.tracking.read import RunRecord, read_runs
from repro.tracking.series import SPEND


@dataclass(frozen=True)
class Run:
    """One run of the study: what the store has of it, under the labels that the spec gives it."""

    place: Place
    record: RunRecord
    _files: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _curves: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def identity(self) -> str:
        return self.record.identity

    @property
    def finished(self) -> bool:
        return self.record.status == "finished"

    def json(self, name: str) -> dict[str, Any]:
        """The content of a JSON artifact, {} where the run has none."""
        if name not in self._files:
            self._files[name] = self.record.json(name)
        return self._files[name] or {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a JSONL artifact, [] where the run has none."""
        if name not in self._files:
            self._files[name] = self.record.jsonl(name)
        return list(self._files[name])

    def metric(self, name: str) -> pd.Series:
        """One metric by step, steps without it left out."""
        found = self.record.metrics.get(name)
        if found is None:
            return pd.Series(dtype=float)
        return pd.Series(found.values, index=found.steps, dtype=float).dropna()

    def cost_at(self, name: str, step: int) -> float:
        """A cumulative `cost/...` metric at the end of a step; at step 0 what selection had spent before it."""
        series = self.metric(name)
        series = series[series.index <= step]
        return float(series.iloc[-1]) if len(series) else 0.0

    def evaluations(self, name: str) -> list[dict[str, Any]]:
        """Evaluations of one set in the order of steps."""
        found = [row for row in self.rows("evaluations.jsonl") if row["set"] == name]
        return sorted(found, key=lambda row: row["step"])

    def evaluated_cost(self, name: str, main: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(cost, accuracy) at each evaluation of the main set, read-only; `name` is "step" or a `cost/...` metric."""
        if (name, main) not in self._curves:
            found = self.evaluations(main)
            cost = np.array([row["step"] for row in found], float)  # (evaluations,)
            if name != "step":
                spent = self.metric(name)
                before = np.searchsorted(spent.index.to_numpy(float), cost, side="right")  # (evaluations,)
                cost = np.concatenate([[0.0], spent.to_numpy(float)])[before]
            scores = np.array([accuracy(row) for row in found])  # (evaluations,)
            for values in (cost, scores):
                values.flags.writeable = False
            self._curves[(name, main)] = cost, scores
        return self._curves[(name, main)]

    @cached_property
    def ledger(self) -> dict[str, dict[str, float]]:
        """{phase: {amount: value}} of the useful work."""
        return self.json("ledger.json")

    def cost(self, quantity: str, phases: Iterable[str] = SPEND) -> float:
        """Sum of one ledger amount over phases."""
        return float(sum(self.ledger.get(phase, {}).get(quantity, 0.0) for phase in phases))

    @cached_property
    def spent(self) -> pd.DataFrame:
        """Everything paid for, one row per phase, work redone after a kill included."""
        rows = [{k: v for k, v in row.items() if k not in ("step", "time")} for row in self.rows("spent.jsonl")]
        return pd.DataFrame(rows).groupby("phase").sum() if rows else pd.DataFrame()


def accuracy(row: Mapping[str, Any]) -> float:
    """avg@k of an evaluation row, in 0..1."""
    return sum(row["passes"].values()) / (row["samples"] * len(row["passes"]))


def pass_rates(row: Mapping[str, Any], problems: Sequence[str]) -> NDArray[np.float64]:
    """Pass rate of each problem in the given order. Raises KeyError for a problem that was not evaluated."""
    return np.array([row["passes"][problem] for problem in problems], float) / row["samples"]


@dataclass(frozen=True)
class Series:
    """One line of a figure: an arm at one axis point, with its finished runs in the order of seeds."""

    label: str
    arm: str
    axis: Mapping[str, Any]
    runs: tuple[Run, ...]

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
    def replay(self) -> dict[str, Any] | None:
        found = self.cell.get("replay")
        return dict(found) if found else None


@dataclass(frozen=True)
class Panel:
    """What is compared on one model and dataset. `series` holds only arms with finished runs."""

    model: str
    dataset: str
    series: tuple[Series, ...]
    baselines: Mapping[str, str] = field(default_factory=dict)  # label -> label of the series it is compared with
    main: str = "test"
    known: tuple[str, ...] = ()  # labels of the whole study, in the order in which they get their colours
    known_baselines: tuple[str, ...] = ()

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

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Ids of the problems of the main set that every run was evaluated on."""
        common: set[str] | None = None
        for series in self.series:
            for run in series.runs:
                for row in run.evaluations(self.main):
                    common = set(row["passes"]) if common is None else common & set(row["passes"])
        return tuple(sorted(common or ()))


@dataclass(frozen=True)
class Study:
    """Everything a report is made of."""

    spec: Spec
    panels: tuple[Panel, ...]
    runs: tuple[Run, ...]  # every run of the study that the store knows, whatever its status
    missing: tuple[tuple[Place, str], ...]  # planned cells without a finished run, and what the store says of them
    baseline: str  # name of the baseline arm

    @property
    def planned(self) -> int:
        """Runs that the spec asks for."""
        return len(self.runs) + sum(status == "not run" for _, status in self.missing)

    @property
    def headline_arms(self) -> tuple[str, ...]:
        """The arms that the spec runs on every model and dataset, whether they have run or not."""
        return headline_arms(self.spec)


def headline_arms(spec: Spec) -> tuple[str, ...]:
    """The arms that a spec runs on every model and dataset."""
    models, datasets = {model.label for model in spec.model}, {dataset.label for dataset in spec.dataset}
    return tuple(
        name
        for name, arm in spec.arms.items()
        if (arm.models is None or models <= set(arm.models)) and (arm.datasets is None or datasets <= set(arm.datasets))
    )


def build_study(spec: Spec, planned: Sequence[tuple[str, Place]], records: Sequence[RunRecord]) -> Study:
    """Match planned cells with stored runs by identity and group them.

    Args:
        planned: (run identity, place) of every cell of the spec, in its order.
        records: what the store has; a run whose identity is not planned (an older version of the spec) is left out.

    Raises:
        UserError: no planned cell has a finished run.
    """
    planned = [(identity, _writable(place)) for identity, place in planned]
    best: dict[str, RunRecord] = {}
    for record in records:
        known = best.get(record.identity)
        if known is None or (known.status != "finished" and record.status == "finished"):
            best[record.identity] = record
    found: list[Run] = []
    missing: list[tuple[Place, str]] = []
    for identity, place in planned:
        if identity not in best:
            missing.append((place, "not run"))
            continue
        run = Run(place, best[identity])
        found.append(run)
        if not run.finished:
            missing.append((place, run.record.status))
    finished = [run for run in found if run.finished]
    if not finished:
        raise UserError(
            f"nothing to report: none of the {len(planned)} cells of {spec.name!r} has a finished run in the store; "
            "start them with `python -m repro run`"
        )
    baseline = spec.report.baseline or next(iter(spec.arms))
    panels = []
    for model, dataset in dict.fromkeys((run.place.model, run.place.dataset) for run in finished):
        inside = [run for run in finished if (run.place.model, run.place.dataset) == (model, dataset)]
        panels.append(_panel(spec, model, dataset, inside, baseline))
    everywhere, order = headline_arms(spec), list(spec.arms)
    arm_of = {series.label: series.arm for panel in panels for series in panel.series}
    labels = sorted(arm_of, key=lambda label: (arm_of[label] not in everywhere, order.index(arm_of[label])))
    references = tuple(label for label in labels if arm_of[label] == baseline)
    panels = [replace(panel, known=tuple(labels), known_baselines=references) for panel in panels]
    return Study(spec, tuple(panels), tuple(found), tuple(missing), baseline)


def _writable(place: Place) -> Place:
    """The place with names that a file can hold: half a surrogate pair becomes its number."""
    axis = {path: shown(value) if isinstance(value, str) else value for path, value in place.axis_point.items()}
    return replace(place, model=shown(place.model), dataset=shown(place.dataset), axis_point=axis)


def _panel(spec: Spec, model: str, dataset: str, runs: Sequence[Run], baseline: str) -> Panel:
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.place.arm, canonical(dict(run.place.axis_point))), []).append(run)
    series = []
    order = list(spec.arms)
    for (arm, axis_key), members in sorted(grouped.items(), key=lambda item: order.index(item[0][0])):
        axis = json.loads(axis_key)
        ordered = tuple(sorted(members, key=lambda run: run.place.seed))
        series.append(Series(_label(arm, axis), arm, axis, ordered))
    baselines = {}
    for one in series:
        same = [
            other
            for other in series
            if other.arm == baseline and all(one.axis.get(path, value) == value for path, value in other.axis.items())
        ]
        if same:
            baselines[one.label] = same[0].label
    main = "test" if "test" in spec.evaluate.sets else "validation"
    return Panel(model, dataset, tuple(series), baselines, main)


def _label(arm: str, axis: Mapping[str, Any]) -> str:
    """`ufo`, or `ufo, fraction 0.1` where an axis applies: the last part of its path names it."""
    return ", ".join([arm, *(f"{path.rsplit('.', 1)[-1]} {value}" for path, value in sorted(axis.items()))])


def load_study(spec: Spec, store_uri: str | None = None, cache_dir: Path | None = None) -> Study:
    """Read a spec's runs from the MLflow store.

    Args:
        store_uri: default MLFLOW_TRACKING_URI, else ./mlflow.db.
        cache_dir: where the files of a server's runs are copied to.

    Raises:
        UserError: no store, no such experiment, or no finished run in it.
    """
    planned = [(cell.identity, place) for cell in expand_study(spec) for place in cell.places]
    more = {} if cache_dir is None else {"cache_dir": cache_dir}
    records = read_runs(spec.name, store_uri, identities=[identity for identity, _ in planned], **more)
    return build_study(spec, planned, records)
