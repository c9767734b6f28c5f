"""A study as the analysis sees it: the spec, its finished runs from the store, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from repro.analysis.evaluations import Reader
from repro.analysis.files import shown
from repro.analysis.main_series import main_series
from repro.analysis.run import DamagedRun, Run
from repro.analysis.runs import Panel, Series
from repro.analysis.sweep.search import Search, load_searches
from repro.analysis.unfinished import FAILED, LEFT_OUT, NOT_RUN, failure, unfinished
from repro.canonical import canonical
from repro.errors import UserError
from repro.spec.schema import Spec
from repro.study.expand import expand_study
from repro.study.points import Place
from repro.tracking.read import read_runs
from repro.tracking.run_record import RunRecord
from repro.tracking.series import CPU_SECONDS

CURE = (
    "where runs/IDENTITY is whole, remove runs/IDENTITY/delivery, and `python -m repro run` delivers it again; "
    "else move runs/IDENTITY away, and it trains again"
)
"""How a run that cannot be read is mended."""


@dataclass(frozen=True)
class Study:
    """Everything a report is made of."""

    spec: Spec
    panels: tuple[Panel, ...]
    runs: tuple[Run, ...]  # every run of the study that can be read, whatever its status
    missing: tuple[tuple[Place, str], ...]  # planned cells without a run that counts, and what is known of them
    baseline: str  # name of the baseline arm
    left_out: Mapping[str, str]  # identity of a finished run that cannot be read -> why
    cells: tuple[tuple[str, Place], ...]  # (run identity, place) of every cell that the spec asks for
    searches: tuple[Search, ...] = ()  # those of its sweep that have finished trials

    @property
    def planned(self) -> int:
        """Runs that the spec asks for."""
        return len(self.cells)

    def without(self, damaged: DamagedRun) -> Study:
        """The same without a run that turned out not to be readable.

        Raises:
            UserError: no finished run is left.
        """
        kept = [run for run in self.runs if run.identity != damaged.identity]
        left_out = {**self.left_out, damaged.identity: damaged.why}
        return replace(_assembled(self.spec, self.cells, kept, left_out), searches=self.searches)

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
        UserError: no planned cell has a finished run that can be read.
    """
    planned = [(identity, _writable(place)) for identity, place in planned]
    best: dict[str, RunRecord] = {}
    for record in records:
        known = best.get(record.identity)
        if known is None or (known.status != "finished" and record.status == "finished"):
            best[record.identity] = record
    reader, main = Reader(), main_series(spec)
    found: list[Run] = []
    left_out: dict[str, str] = {}
    for identity, place in planned:
        if identity in best and identity not in left_out:
            run = Run(place, best[identity], reader, main.benchmarks)
            try:
                if run.finished:
                    run.check(main.name)
            except DamagedRun as damaged:
                left_out[identity] = damaged.why
            else:
                found.append(run)
    return _assembled(spec, planned, found, left_out)


def _assembled(
    spec: Spec, planned: Sequence[tuple[str, Place]], found: Sequence[Run], left_out: Mapping[str, str]
) -> Study:
    known = {run.identity: run.record.status for run in found}
    states = [(place, LEFT_OUT if key in left_out else known.get(key, NOT_RUN)) for key, place in planned]
    missing = [(place, status) for place, status in states if status != "finished"]
    finished = [run for run in found if run.finished]
    if not finished:
        raise _nothing(spec, len(planned), left_out)
    baseline = spec.report.baseline or next(iter(spec.arms))
    clock, panels = _clock(finished), []
    kinds = {run.identity: failure(run) for run in found if run.record.status == FAILED}
    for model, dataset in dict.fromkeys((run.place.model, run.place.dataset) for run in finished):
        inside = [run for run in finished if (run.place.model, run.place.dataset) == (model, dataset)]
        own = [(key, place, status) for (key, place), (_, status) in zip(planned, states, strict=True)]
        own = [one for one in own if (one[1].model, one[1].dataset) == (model, dataset)]
        lacking = _unfinished(own, kinds)
        panels.append(replace(_panel(spec, model, dataset, inside, baseline, clock), unfinished=lacking))
    everywhere, order = headline_arms(spec), list(spec.arms)
    arm_of = {series.label: series.arm for panel in panels for series in panel.series}
    way_of = {series.label: series.way for panel in panels for series in panel.series}
    labels = sorted(arm_of, key=lambda label: (arm_of[label] not in everywhere, order.index(arm_of[label])))
    references = tuple(label for label in labels if arm_of[label] == baseline)
    ways = {label: way_of[label] for label in labels}
    asked = [arm for claim in spec.report.claims for arm in (claim.arm, claim.against)]
    claimed = tuple(label for arm in dict.fromkeys(asked) for label in labels if arm_of[label] == arm)
    panels = [replace(panel, known=ways, known_baselines=references, claimed=claimed) for panel in panels]
    return Study(spec, tuple(panels), tuple(found), tuple(missing), baseline, left_out, tuple(planned))


def _unfinished(cells: Sequence[tuple[str, Place, str]], kinds: Mapping[str, str]) -> Mapping[str, str]:
    """State by label of every series, and by name of every arm, without a finished run among the cells of a panel."""
    named = [
        (_label(place.arm, place.axis_point), place.arm, status, kinds.get(key, "")) for key, place, status in cells
    ]
    return unfinished([(name, status, kind) for *both, status, kind in named for name in dict.fromkeys(both)])


def _nothing(spec: Spec, planned: int, left_out: Mapping[str, str]) -> UserError:
    if not left_out:
        return UserError(
            f"nothing to report: none of the {planned} cells of {spec.name!r} has a finished run in the store; "
            "start them with `python -m repro run`"
        )
    identity, why = next(iter(left_out.items()))
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    return UserError(
        f"nothing to report: no finished run of {spec.name!r} can be read\n  run {identity}{more}: {why}\n  {CURE}"
    )


def _writable(place: Place) -> Place:
    """The place with names that a file can hold: half a surrogate pair becomes its number."""
    axis = {path: shown(value) if isinstance(value, str) else value for path, value in place.axis_point.items()}
    return replace(place, model=shown(place.model), dataset=shown(place.dataset), axis_point=axis)


def _clock(runs: Sequence[Run]) -> str:
    """What a report tells time by: CPU seconds where no run had a GPU, because cells that run side by side contend for
    the processors, else wall seconds."""
    on_gpu = any(run.json("environment.json").get("accelerator") for run in runs)
    counted = all(run.record.metrics.get(CPU_SECONDS) for run in runs)
    return "seconds" if on_gpu or not counted else "cpu_seconds"


def _panel(spec: Spec, model: str, dataset: str, runs: Sequence[Run], baseline: str, clock: str) -> Panel:
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.place.arm, canonical(dict(run.place.axis_point))), []).append(run)
    series = []
    order = list(spec.arms)
    for (arm, axis_key), members in sorted(grouped.items(), key=lambda item: order.index(item[0][0])):
        axis = json.loads(axis_key)
        ordered = tuple(sorted(members, key=lambda run: run.place.seed))
        series.append(Series(_label(arm, axis), arm, axis, ordered, clock))
    baselines = {}
    for one in series:
        same = [
            other
            for other in series
            if other.arm == baseline and all(one.axis.get(path, value) == value for path, value in other.axis.items())
        ]
        if same:
            baselines[one.label] = same[0].label
    return Panel(model, dataset, tuple(series), main_series(spec), baselines)


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
    return replace(build_study(spec, planned, records), searches=load_searches(spec, store_uri, cache_dir))
