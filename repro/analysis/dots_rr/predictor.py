"""DOTS + RR, Tables 2 and 8: how well difficulty is predicted while the policy trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, Arm, Arms
from repro.analysis.dots_rr.batches import OnBatches, on_batches
from repro.analysis.facets import facets, outer
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, share_interval, t_interval
from repro.analysis.style import BASELINE, in_order, percent_axis, shared_legend
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, spread
from repro.difficulty import quality as predictions

Array = NDArray[np.float64]

SOURCES = {"trained": "trained", "untrained": "untrained embedding", "oracle": "oracle"}
"""`selection.predictor` -> what it is called."""

CALIBRATIONS = {"slope_bias": "calibrated", "temperature_bias": "calibrated as the code", "none": "not calibrated"}
LINES = {"left_out": "leave-one-out line", "in_sample": "in-sample line", "none": "no line"}
PREDICTOR_FIELDS = ("selection.predictor", "selection.recalibration", "selection.references", "predictor.")
"""What sets arms apart that have rows of their own; other variants predict as their headline arm does."""

BINS = 10
FEW = 5
"""Questions of one run below which its bin is left out."""


@dataclass(frozen=True)
class Checked:
    """The predictions of one series, checked on uniform questions: one entry per seed, empty where they were not."""

    series: Series
    arm: Arm
    rows: tuple[list[dict[str, Any]], ...]  # of `predictions.jsonl`

    @cached_property
    def batches(self) -> OnBatches:
        """The same on the questions that it chose."""
        return on_batches(self.series)

    @property
    def source(self) -> str:
        return str(self.series.selection.get("predictor", "untrained"))

    @property
    def kind(self) -> str:
        """`trained, calibrated, leave-one-out line`."""
        if self.source != "trained":
            return SOURCES[self.source]
        towers = (self.series.cell.get("predictor") or {}).get("towers") or {}
        calibration = CALIBRATIONS[towers.get("calibration", "slope_bias")]
        return f"trained, {calibration}, {LINES[self.series.selection.get('recalibration', 'left_out')]}"

    def mean(self, statistic: str) -> Interval:
        """Mean over the evaluations of a run that say something, with a t-interval over seeds, cut to -1..1."""
        each = []
        for rows in self.rows:
            values = [quality(row)[statistic] for row in rows]
            known = [value for value in values if not math.isnan(value)]
            each.append(float(np.mean(known)) if known else math.nan)
        found = t_interval(each)
        return Interval(found.value, max(-1.0, found.low), min(1.0, found.high), found.n) if found.known else found


def quality(row: dict[str, Any]) -> dict[str, float]:
    """Pearson, Spearman and mean absolute error of one evaluation, and the Pearson that measurement noise allows.

    Over n rollouts the variance of measured rates is that of the true ones plus mean(v / (n - 1)), v the variance of
    the rewards behind a rate, m (1 - m) where they are 0 and 1: a perfect prediction of the true rates correlates with
    the measured ones by the root of the rest.
    Correlations are NaN where all measured rates are alike and 0 where all predictions are.
    """
    predicted, measured = np.array(row["predicted"], float), np.array(row["measured"], float)
    out = dict.fromkeys(("pearson", "spearman", "most"), math.nan) | predictions.quality(predicted, measured)
    variance = float(measured.var())
    if row["samples"] > 1 and variance > 1e-12:
        variances = np.array(row.get("variance") or measured * (1 - measured), float)
        noise = float(variances.mean()) / (row["samples"] - 1)
        out["most"] = math.sqrt(max(0.0, 1 - noise / variance))
    return out


def checked(panels: Sequence[Measures], sources: Sequence[str], uniform: bool = True) -> list[tuple[Measures, Checked]]:
    """Series with these predictors whose predictions were checked: of DOTS, DOTS+RR and variants of the predictor.

    `uniform`: only those that were checked on uniform questions.
    """
    arms, found = Arms(panels), []
    for measures in panels:
        for series in measures.panel.series:
            one = Checked(series, arms.of(series.label), tuple(run.rows("predictions.jsonl") for run in series.runs))
            own = all(path.startswith(PREDICTOR_FIELDS) for path in one.arm.changes)
            known = any(one.rows) or (not uniform and any(one.batches.steps))
            if one.arm.role in (DOTS, DOTS_RR) and one.source in sources and own and known:
                found.append((measures, one))
    return found


# ---------------------------------------------------------------- Tables 2 and 8


def table_2(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Correlation of the trained predictor, with an oracle as the bound, above the published rows."""
    found = checked(panels, ("trained", "oracle"), uniform=False)
    if not any(one.source == "trained" for _, one in found):
        return []
    return [_correlations("table_2", "the trained predictor", "trained and calibrated", found)]


def table_8(panels: Sequence[Measures]) -> list[Table | Picture]:
    """The same without training: attention between embeddings as they are, above the published rows."""
    found = checked(panels, ("untrained",), uniform=False)
    return [_correlations("table_8", "embeddings without training", "off-the-shelf embedding", found)] if found else []


def _correlations(item: str, what: str, theirs: str, found: Sequence[tuple[Measures, Checked]]) -> Table:
    header = ["model, data", "arm", "predictor", "K", "Pearson on training batches", "SD over steps"]
    header += ["Pearson on uniform questions", "of at most", "Spearman", "mean error"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for measures, one in found:
        means = {name: one.mean(name) for name in ("pearson", "most", "spearman", "mae")}
        references = NOTHING if one.source == "oracle" else str(one.series.selection["references"])
        rows.append([measures.panel.title, f"`{one.series.label}`", one.kind, references])
        rows[-1] += [spread(one.batches.mean, digits=2), number(one.batches.deviation, 2)]
        rows[-1] += [spread(means["pearson"], digits=2), number(means["most"].value, 2)]
        rows[-1] += [spread(means["spearman"], digits=2), spread(means["mae"], digits=2)]
        data.append({"source": "ours", "model_data": measures.panel.title, "arm": one.series.label})
        data[-1] |= {"predictor": one.kind, "seeds": len(one.rows), "evaluations": len(one.rows[0])}
        data[-1] |= numbers("batch_pearson", one.batches.mean) | {"batch_pearson_std": one.batches.deviation}
        for name, mean in means.items():
            data[-1] |= numbers(name, mean)
    ours = len(rows)
    for row in published_table("dots_rr", item).itertuples():
        name = f"{row.model}, {row.dataset}"
        rows.append([f"{name} (published)", NOTHING, theirs, "256", number(row.value, 2), number(row.std, 2)])
        rows[-1] += [NOTHING] * 4
        data.append({"source": "published", "model_data": name, "predictor": theirs})
        data[-1] |= {"batch_pearson": row.value, "batch_pearson_std": row.std}
    sizes = sorted({(len(row["ids"]), row["samples"]) for _, one in found for run in one.rows for row in run})
    asked = " or ".join(f"{count:,} questions × {samples} rollouts" for count, samples in sizes) or "not measured here"
    caption = (
        "Predicted against measured pass rates. On training batches, as the paper has it (section 5.3): the questions "
        "that were chosen and rolled out at a step, references that train left out; mean over the steps of a run, with "
        "its standard deviation over steps. Their difficulty hardly varies, because they were chosen near one target: "
        "that alone lowers a correlation. On uniform questions: drawn from the whole pool, references left out "
        f"({asked}), under the policy as it is at each evaluation; mean over the evaluations of a run. Brackets: 95 % "
        "t-intervals over seeds. The prediction is the one in force, up to μ steps older than the policy. Of at most: "
        "what a perfect prediction of true rates would reach on uniform questions against rates measured with so few "
        "rollouts. Published: on training batches of an arm that is not named, other policies and data."
    )
    if item == "table_2":
        caption += " The oracle measures the whole pool at every refresh: noise of both measurements, and drift."
    title = f"DOTS + RR, Table {item[-1]}: correlation of {what} with the measured difficulty"
    note = (
        "Predicted against measured pass rates. On training batches: the questions chosen at a step, which lie near "
        "one target, so that a correlation is low. On uniform questions: drawn from the whole pool, references left "
        "out. Brackets: 95 % t-intervals over seeds. Published: on training batches."
    )
    name, data_of, own = f"dots_rr.{item}", pd.DataFrame(data), frozenset(range(ours))
    return Table(name, title, header, rows, data_of, caption, 3, own, header[:7], note=note)


# ---------------------------------------------------------------- calibration


def calibration(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Measured against predicted pass rate, a line per predictor and a facet per policy and data."""
    found = [(m, one) for m, one in checked(panels, tuple(SOURCES)) if set(one.arm.changes) <= {"selection.predictor"}]
    if not found:
        return []
    titles = list(dict.fromkeys(measures.panel.title for measures, _ in found))
    kinds = [name for key, name in SOURCES.items() if any(one.source == key for _, one in found)]
    styles = in_order(kinds)
    curves = {
        (title, kind): binned([one for m, one in found if m.panel.title == title and SOURCES[one.source] == kind])
        for title in titles
        for kind in kinds
    }
    rows = [
        {"model_data": title, "predictor": kind, "predicted": x, **numbers("measured", mean), "runs": mean.n}
        for (title, kind), curve in curves.items()
        for x, mean in curve
    ]

    def draw(narrow: bool) -> Figure:
        figure, axes = facets(titles, narrow)
        for axis, title in zip(axes, titles, strict=True):
            axis.plot([0, 1], [0, 1], color=BASELINE, linewidth=0.9, linestyle=(0, (1.2, 1.2)))
            for kind in kinds:
                look, curve = styles[kind], curves[title, kind]
                for x, mean in curve:
                    if mean.known:
                        axis.vlines(x, mean.low, mean.high, color=look.color, linewidth=1.2)
                places, heights = [x for x, _ in curve], [mean.value for _, mean in curve]
                axis.plot(places, heights, marker=look.marker, **look.line())
            axis.set(xlim=(0, 1), ylim=(0, 1))
            percent_axis(axis.xaxis)
            percent_axis(axis.yaxis)
            outer(axis, "predicted pass rate, %", "measured, %")
        handles = [Line2D([], [], marker=styles[kind].marker, **styles[kind].line()) for kind in kinds]
        handles.append(Line2D([], [], color=BASELINE, linewidth=0.9, linestyle=(0, (1.2, 1.2))))
        shared_legend(figure, handles, [*kinds, "as predicted"], narrow)
        return figure

    return [
        Picture(
            "dots_rr.calibration",
            "DOTS + RR, measured against predicted pass rate",
            f"Uniform questions that were no references, in {BINS} bins of the prediction with {FEW} of a run or more; "
            "means over runs with 95 % t-intervals.",
            f"Calibration of the difficulty predictors ({', '.join(kinds)}), one facet per model and dataset.",
            pd.DataFrame(rows),
            draw,
        )
    ]


def binned(every: Sequence[Checked]) -> list[tuple[float, Interval]]:
    """(mean prediction, measured pass rate over runs) of each bin that some run fills."""
    means: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for rows in (rows for one in every for rows in one.rows if rows):
        predicted, measured = (np.concatenate([row[name] for row in rows]) for name in ("predicted", "measured"))
        which = np.minimum((predicted * BINS + 1e-9).astype(int), BINS - 1)
        for index in range(BINS):
            inside = which == index
            if inside.sum() >= FEW:
                means[index].append((float(predicted[inside].mean()), float(measured[inside].mean())))
    return [(float(np.mean([x for x, _ in each])), share_interval([y for _, y in each])) for each in means if each]
