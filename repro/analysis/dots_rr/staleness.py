"""DOTS + RR: how far replayed tokens are off-policy, as the share outside the clip, by step and by arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.axes import STEP
from repro.analysis.dots_rr.arms import DOTS_RR, RR, Arm, Arms, find
from repro.analysis.dots_rr.curves import Facets, Measured, Points, picture
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.run import Run
from repro.analysis.runs import Panel, Series
from repro.analysis.statistics import Interval, share_interval, t_interval
from repro.analysis.style import WINDOW
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, joined, number, spread
from repro.tracking.series import MASKED, RATIO_OUTSIDE, REPLAY

RATIO = "Ratio: a replayed token's probability under the policy at the start of the step ÷ under the one that made it."


def staleness(panels: Sequence[Measures]) -> list[Table | Picture]:
    """The share by step of the headline arms, and a row per arm that replays; nothing where it was not recorded."""
    return [*_picture(panels), *_table(panels)]


def clip_of(series: Series) -> str:
    """`1 ± 0.2`: where the ratio of a token is not clipped."""
    return f"1 ± {series.cell['train']['clip']:g}"


def _each(series: Series) -> list[float]:
    """Share of replayed tokens outside the clip, mean over the steps of each run that replayed."""
    found = [run.metric(RATIO_OUTSIDE) for run in series.runs]
    return [float(metric.mean()) for metric in found if len(metric)]


def _mean(series: Series, name: str, most: bool = False) -> Interval:
    """Mean (or largest value) over steps of a `replay/` series, with a t-interval over seeds."""
    found = [run.metric(REPLAY + name) for run in series.runs]
    return t_interval([float(metric.max() if most else metric.mean()) for metric in found if len(metric)])


def _picture(panels: Sequence[Measures]) -> list[Picture]:
    arms = Arms(panels)
    lines: dict[str, Arm | None] = {part: arms.headline(part) for part in (RR, DOTS_RR)}
    clips = {clip_of(one) for m in panels for arm in lines.values() if (one := find(m, arm)) is not None}
    facets = Facets(
        "staleness",
        "replayed tokens outside the clip",
        f"Share of replayed tokens whose ratio lies outside the clip ({joined(sorted(clips))}); thin: single seeds, "
        f"bold: mean over them and {WINDOW} steps.",
        Measured(STEP, "outside the clip", _points, WINDOW),
        panels,
        lines,
        pd.DataFrame(columns=["panel", "model", "dataset", "arm", "x_name", "x", "y"]),
        least=1,
    )
    found = picture(facets)
    return [] if found is None else [found]


def _points(run: Run, series: Series, panel: Panel) -> Points:
    steps, values = run.points(RATIO_OUTSIDE)
    return np.asarray(steps, float), values


def _table(panels: Sequence[Measures]) -> list[Table]:
    header = ["model, data", "arm", "correction", "clip", "replayed tokens outside, %", "in the last quarter, %"]
    header += ["mean ratio", "largest ratio", "mean age, steps", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    masked: list[Interval] = []
    for measures in panels:
        for series in measures.panel.series:
            shares = _each(series)
            if not shares or series.replay is None:
                continue
            outside, late = share_interval(shares), share_interval(_late(series))
            means = {name: _mean(series, name) for name in ("ratio_mean", "age_mean")}
            largest = _mean(series, "ratio_max", most=True)
            rows.append([measures.panel.title, f"`{series.label}`", str(series.replay.get("correction", NOTHING))])
            rows[-1] += [clip_of(series), spread(outside, 100, 2), spread(late, 100, 2)]
            rows[-1] += [number(means["ratio_mean"].value, 3), number(largest.value, 1)]
            rows[-1] += [number(means["age_mean"].value), str(len(shares))]
            data.append({"model_data": measures.panel.title, "arm": series.label, "clip": clip_of(series)})
            data[-1] |= numbers("outside", outside) | numbers("outside_last_quarter", late)
            data[-1] |= {name: mean.value for name, mean in means.items()}
            data[-1] |= {"ratio_max": largest.value, "n": len(shares)}
            masked.append(share_interval([float(m.mean()) for run in series.runs if len(m := run.metric(MASKED))]))
            data[-1] |= numbers("masked", masked[-1])
    if not rows:
        return []
    about_masks = ""
    if any(one.n for one in masked):  # a column for the arms that mask, where there are some
        header.append("masked, %")
        rows = [[*row, spread(one, 100, 2) if one.n else NOTHING] for row, one in zip(rows, masked, strict=True)]
        about_masks = " Masked: replayed tokens that `second_moment` leaves out, mean over steps."
    caption = (
        f"{RATIO} Outside: further from 1 than the clip; mean over the tokens of a step, then over steps, with 95 % "
        "t-intervals over seeds. Last quarter: of the steps that replayed. Largest ratio: of any token of a run, mean "
        "over seeds. With `paper` a token outside has no gradient where its advantage pushes it further out; "
        "`proximal` clips around the policy at the start of the step instead. The paper gives no such number."
        f"{about_masks}"
    )
    title = "DOTS + RR: replayed tokens outside the clip"
    note = (
        f"{RATIO} Outside: further from 1 than the clip; mean over the tokens of a step, then over steps. Last "
        "quarter: of the steps that replayed. Brackets: 95 % t-intervals over seeds."
        f"{about_masks}"
    )
    paper = [*header[:3], "replayed tokens outside, %", "in the last quarter, %", "largest ratio", *header[10:]]
    return [
        Table("dots_rr.replayed_tokens", title, header, rows, pd.DataFrame(data), caption, 4, paper=paper, note=note)
    ]


def _late(series: Series) -> list[float]:
    found = [run.metric(RATIO_OUTSIDE) for run in series.runs]
    return [float(metric.iloc[-max(1, len(metric) // 4) :].mean()) for metric in found if len(metric)]
