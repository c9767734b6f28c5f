"""Predictions of a diagnosis against finished runs: informative groups of the first steps, savings, and what won."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.analysis.diagnose.advice import Verdict, advice
from repro.analysis.diagnose.findings import Findings
from repro.analysis.equal_cost import Saving
from repro.analysis.estimates import Estimate
from repro.analysis.primary import against_baseline, judge
from repro.analysis.runs import Panel, Series
from repro.analysis.study import Study
from repro.diagnose.design import Design
from repro.diagnose.signal import share_of
from repro.numbers import Interval
from repro.tracking.series import EFFECTIVE

FIRST = 2
"""Steps from the start that are compared: training moves the policy away from what was sampled."""

NEAR = 0.05
"""A prediction counts as right within this difference."""


@dataclass(frozen=True)
class CheckedShare:
    """Share of informative groups of an arm: predicted, and measured over the first `FIRST` steps of all its runs."""

    pair: str
    arm: str
    method: str
    predicted: Interval
    measured: Interval  # n: groups

    @property
    def difference(self) -> float:
        """Predicted minus measured."""
        return self.predicted.value - self.measured.value

    @property
    def near(self) -> bool:
        """Whether it lies within `NEAR`."""
        return abs(self.difference) <= NEAR

    @property
    def by_chance(self) -> bool:
        """Whether the noise of both, as their 95 % intervals tell it, explains the difference."""
        halves = [(one.high - one.low) / 2 for one in (self.predicted, self.measured)]
        return abs(self.difference) <= math.hypot(*halves)


@dataclass(frozen=True)
class CheckedSaving:
    """How many times fewer tokens an arm needs: predicted, at most, and measured over the whole of training.

    `advice` is what the diagnosis says; `verdict` what the study finds of mean accuracy over training at equal tokens.
    """

    pair: str
    arm: str
    advice: Verdict
    predicted: float
    most: float
    measured: Saving
    difference: Estimate
    verdict: str


@dataclass(frozen=True)
class Checked:
    """All comparisons, in the order of studies, pairs and arms."""

    shares: tuple[CheckedShare, ...]
    savings: tuple[CheckedSaving, ...]
    baselines: tuple[CheckedShare, ...]  # those of uniform sampling, one a pair


@dataclass(frozen=True)
class Predicted:
    """A panel of finished runs and the diagnosis of its policy and task."""

    study: Study
    panel: Panel
    found: Findings

    @property
    def title(self) -> str:
        """Study, policy and task."""
        return f"{self.study.spec.name}: {self.panel.title}"


def checked(predictions: Sequence[Predicted]) -> Checked:
    """Compare every arm that the diagnosis speaks of."""
    shares = [share for one in predictions for share in _shares(one)]
    savings = [saving for one in predictions for saving in _savings(one)]
    return Checked(tuple(shares), tuple(savings), tuple(share for share in shares if share.method == "uniform"))


def method_of(series: Series, design: Design) -> str | None:
    """The method of the diagnosis that an arm is; None where it is none of them, or of other settings.

    DOTS with a trained predictor is compared with what an untrained one, which the diagnosis measures, would choose.
    """
    fields, train = series.selection, series.cell.get("train") or {}
    if train.get("group_size") != design.train.group_size:
        return None
    method = fields.get("method", "uniform")
    if method in ("uniform", "random"):
        return str(method)
    if method == "confidence":
        same = fields.get("target", "final_answer") == design.target and fields.get("fraction") == design.fraction
        return "ufo" if same and fields.get("band") == design.band.model_dump(mode="json") else None
    if method == "pass_rate" and fields.get("band") == {"end": "lowest"}:
        return "hardest" if fields.get("fraction") == design.subset else None
    if method == "pass_rate" and fields.get("band") == {"center": 0.5}:
        return "oracle" if fields.get("fraction") == design.subset else None
    if method == "difficulty":
        return "dots_perfect" if fields.get("predictor") == "oracle" else "dots"
    return None


def _shares(one: Predicted) -> list[CheckedShare]:
    rows = []
    for series in one.panel.series:
        method = method_of(series, one.found.measured.design)
        measured = first_steps(series)
        if method is not None and method in one.found.choices.shares and measured is not None:
            rows.append(CheckedShare(one.title, series.label, method, one.found.choices.shares[method], measured))
    return rows


def first_steps(series: Series) -> Interval | None:
    """Share of fresh groups with a gradient over the first `FIRST` steps of all runs, groups taken as independent."""
    values = [value for run in series.runs for value in run.metric(EFFECTIVE).iloc[:FIRST]]
    if not values:
        return None
    fresh = float((series.replay or {}).get("fresh", 1.0))
    groups = len(values) * max(1, round(fresh * int(series.cell["train"]["questions_per_step"])))
    mean = float(np.mean(values))
    return share_of(np.array([mean]), groups)


def _savings(one: Predicted) -> list[CheckedSaving]:
    said = {line.name: line.verdict for line in advice(one.found)}
    design, rows = one.found.measured.design, []
    for judged in judge(against_baseline(one.study.spec, [one.panel]), [one.panel]):
        series = next((found for found in one.panel.series if found.label == judged.question.arm), None)
        method = None if series is None else method_of(series, design)
        if series is None or method is None or not judged.pairs:
            continue
        name = {"dots": "dots_rr", "uniform": "replay"}.get(method) if series.replay else method
        if name not in said and name != "random":
            continue
        replayed = one.found.replay.get(str(name))
        rows.append(
            CheckedSaving(
                pair=one.title,
                arm=series.label,
                advice=said.get(str(name), "control"),
                predicted=1 / replayed.volume if replayed else one.found.saved[str(name)].tokens.value,
                most=replayed.most.tokens.value if replayed else one.found.bound.tokens.value,
                measured=judged.saving,
                difference=judged.difference,
                verdict=judged.verdict,
            )
        )
    return rows


def winner(rows: Sequence[CheckedSaving]) -> str | None:
    """The arm of a pair that was shown to be more accurate, the one by most; None where none was."""
    better = [row for row in rows if row.verdict == "higher" and not math.isnan(row.difference.value)]
    return max(better, key=lambda row: row.difference.value).arm if better else None
