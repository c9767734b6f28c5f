"""Area under the accuracy curve of the arms of DOTS + RR, by steps and by tokens, paired with what they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from repro.analysis.comparable import NOT_COMPARABLE, Unfit, said, unfit
from repro.analysis.dots_rr.arms import HEADLINE, Arm, Arms, find
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, area_under_curve, fixed_mean, share_interval, t_interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, between, number, points, spread
from repro.tracking.series import GENERATED_TOKENS

AXES = {"steps": "step", "tokens": GENERATED_TOKENS}
"""What the area is taken over -> metric."""

HOW = (
    "Mean accuracy over the range (area ÷ length), trapezoids between evaluations, from nothing spent to where the "
    "shortest of the runs compared ends; before the first evaluation the accuracy of the start policy counts. "
    "Generated tokens include probes and what selection sampled. Differences are paired by seed with 95 % t-intervals."
)
NOTE = (
    "Mean accuracy over training, up to where the shorter of the runs compared ends; tokens include those of "
    "selection. Differences are paired by seed. Brackets: 95 % t-intervals over seeds."
)
"""The same for the note of a table in a paper."""


def mean_height(x: ArrayLike, y: ArrayLike, end: float) -> float:
    """Mean of a curve over 0..end by trapezoids; before its first point the curve is flat.

    Raises ValueError where the curve stops before `end`.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    if xs[-1] < end:
        raise ValueError(f"a curve that stops at {xs[-1]:g} has no area up to {end:g}")
    grid = np.array([0.0, *xs[(xs > 0) & (xs < end)], end])  # (points,)
    return area_under_curve(grid, np.interp(grid, xs, ys))


def areas(measures: Measures, series: Series, metric: str, end: float) -> dict[int, float]:
    """Seed -> mean accuracy up to `end`."""
    curves = {run.place.seed: run.evaluated_cost(metric, measures.panel.main) for run in series.runs}
    return {seed: mean_height(*curve, end) for seed, curve in curves.items()}


def common_end(measures: Measures, several: Sequence[Series], metric: str) -> float:
    """Where the shortest run of the series ends."""
    ends = [run.evaluated_cost(metric, measures.panel.main)[0][-1] for series in several for run in series.runs]
    return float(min(ends))


def differences(measures: Measures, series: Series, reference: Series, metric: str) -> list[float] | Unfit:
    """Mean accuracy of `series` minus `reference` over their common range, per shared seed; or why there is none."""
    if why := unfit((series, reference), metric):
        return next(iter(why.values()))
    end = common_end(measures, (series, reference), metric)
    ours, theirs = (areas(measures, one, metric, end) for one in (series, reference))
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def _cell(found: list[float] | Unfit) -> str:
    if isinstance(found, Unfit):
        return NOT_COMPARABLE
    return points(t_interval(found)) if found else NOTHING


def _columns(prefix: str, found: list[float] | Unfit) -> dict[str, Any]:
    if isinstance(found, Unfit):
        return {**numbers(prefix, None), f"{prefix}_not_comparable": found.reason}
    return numbers(prefix, t_interval(found))


def auc(panels: Sequence[Measures]) -> list[Table | Picture]:
    """The headline arms on every model and dataset; every other arm beside the one that it varies."""
    arms = Arms(panels)
    return [table for table in (_headline_table(panels, arms), _other_table(panels, arms)) if table is not None]


def _headline_table(panels: Sequence[Measures], arms: Arms) -> Table | None:
    header = ["model, data", "arm", "by steps, %", "vs GRPO, points", "up to step", "by tokens, %", "vs GRPO, points"]
    header += ["up to tokens", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    pooled: dict[tuple[str, str], list[list[float]]] = {}
    apart: list[Unfit] = []
    for measures in panels:
        for part in HEADLINE:
            arm = arms.headline(part)
            series = find(measures, arm)
            if series is None or arm is None:
                continue
            reference = find(measures, arms.reference(arm.label))
            row = [measures.panel.title, f"`{series.label}`"]
            record: dict[str, Any] = {"model_data": measures.panel.title, "arm": series.label, "part": part}
            for name, metric in AXES.items():
                end = common_end(measures, [series, *([reference] if reference else [])], metric)
                area = share_interval(list(areas(measures, series, metric, end).values()))
                found = differences(measures, series, reference, metric) if reference else []
                if isinstance(found, Unfit):
                    apart.append(found)
                else:
                    pooled.setdefault((part, name), []).append(found)
                row += [spread(area, 100), _cell(found)]
                row.append(number(end, 0) if name == "steps" else amount(end))
                record |= numbers(f"by_{name}", area) | _columns(f"by_{name}_difference", found)
                record[f"{name}_end"] = end
            rows.append([*row, str(len(series.runs))])
            data.append(record)
    if not rows:
        return None
    emphasis = set()
    if len(panels) > 1:
        for part in HEADLINE[1:]:
            if any(pooled.get((part, "steps"), [])):
                emphasis.add(len(rows))
                rows.append(_pooled_row(part, {name: fixed_mean(pooled.get((part, name), [])) for name in AXES}, data))
    caption = f"{HOW} Each arm is compared with GRPO over the range of those two, so ranges differ between rows."
    caption += said(apart)
    if emphasis:
        caption += (
            " Last rows: differences averaged over all models and datasets with equal weight; these are taken as "
            "fixed, seeds vary."
        )
    title = "DOTS + RR: area under the accuracy curve"
    paper = ("model, data", "arm", "by steps, %", "vs GRPO, points", "by tokens, %", "vs GRPO, points")
    bold = frozenset(emphasis)
    return Table(
        "dots_rr.auc", title, header, rows, pd.DataFrame(data), caption, 2, bold, paper, note=NOTE + said(apart)
    )


def _pooled_row(part: str, found: dict[str, Interval], data: list[dict[str, Any]]) -> list[str]:
    data.append({"model_data": "all", "arm": part, "part": part})
    for name, interval in found.items():
        data[-1] |= numbers(f"by_{name}_difference", interval)
    told = [points(interval) for interval in found.values()]
    return ["all models and data", part, NOTHING, told[0], NOTHING, NOTHING, told[1], NOTHING, str(found["steps"].n)]


def _other_table(panels: Sequence[Measures], arms: Arms) -> Table | None:
    header = ["model, data", "arm", "what it is", "by steps: vs headline arm", "vs GRPO"]
    header += ["by tokens: vs headline arm", "vs GRPO", "up to tokens", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart: list[Unfit] = []
    for measures in panels:
        for series in measures.panel.series:
            arm = arms.of(series.label)
            if arm.role in HEADLINE and not arm.changes:
                continue
            row = [measures.panel.title, f"`{series.label}`", arm.name]
            record: dict[str, Any] = {
                "model_data": measures.panel.title,
                "arm": series.label,
                "part": arm.role,
                "what": arm.name,
            }
            others = {"headline": _varied(arms, arm), "grpo": arms.reference(arm.label)}
            for name, metric in AXES.items():
                for against, other in others.items():
                    reference = find(measures, other)
                    found = differences(measures, series, reference, metric) if reference else []
                    apart += [found] if isinstance(found, Unfit) else []
                    row.append(_cell(found))
                    record |= _columns(f"by_{name}_vs_{against}", found)
            known = [one for other in others.values() if (one := find(measures, other)) is not None]
            ends = sorted(common_end(measures, [series, one], GENERATED_TOKENS) for one in known)
            record |= {"tokens_end": ends[0], "tokens_most": ends[-1]} if ends else {}
            row.append(between(ends))
            rows.append([*row, str(len(series.runs))])
            data.append(record)
    if not rows:
        return None
    caption = (
        "Every arm that is none of the four above, named by the fields that set it apart from the headline arm of its "
        f"kind, in points of accuracy. {HOW} GRPO trains as the arm does where such an arm ran (as long, with the same "
        f"loss). The paper has only K, the curriculum and the long run of these.{said(apart)}"
    )
    title = "DOTS + RR: area under the accuracy curve, variants"
    note = f"In points of accuracy. Headline arm: the one in the usual setting. {NOTE}{said(apart)}"
    paper = [header[0], *header[2:-1]]
    return Table("dots_rr.auc_variants", title, header, rows, pd.DataFrame(data), caption, 3, paper=paper, note=note)


def _varied(arms: Arms, arm: Arm) -> Arm | None:
    """The headline arm that a variant changes; None for an arm that is the first of its kind."""
    return arms.headline(arm.role) if arm.changes else None
