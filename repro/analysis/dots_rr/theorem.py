"""DOTS + RR, Theorem 1: does a group's squared gradient norm follow p (1 - p) (1 - 1/G) on a real policy?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.analysis.association import RESAMPLES
from repro.analysis.dots_rr.gradients import FEW, GRID, Array, Fit, fit, groups_of, shape, verdict
from repro.analysis.facets import facets, outer
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.pool import Levels
from repro.analysis.published import published_table
from repro.analysis.style import BASELINE, GREY, SPARE, shared_legend
from repro.analysis.tables import Table, numbers
from repro.analysis.text import MINUS, NOTHING, amount, number, spread

LOG_PROBS = {"": "sum over tokens", "_token_mean": "mean per response"}
"""Ending of the recorded names -> what the log-probability of a completion is."""

ADVANTAGES = {"": "r − mean", "_std": "divided by std"}

PUBLISHED_GROUPS = 512
"""Questions, with 8 rollouts each, behind the paper's T2 / T1."""


def theorem_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """|g|^2 against the pass rate with the theorem's curve, for both advantages; the fits; the numbers by bin."""
    every = [found for measures in panels if (found := groups_of(measures)) is not None]
    if not every:
        return []
    fits = [fit(groups, log_prob, std) for groups in every for log_prob in LOG_PROBS for std in ADVANTAGES]
    pictures = [_picture([one for one in fits if one.std == std and not one.log_prob]) for std in ADVANTAGES]
    return [*pictures, _fits(fits), _bins([one for one in fits if not one.std])]


def _fits(fits: Sequence[Fit]) -> Table:
    header = ["model, data", "log-probability", "advantage", "groups", "with gradient", "T2 / T1", "R² of the curve"]
    header += ["R² of bin means", "constant below 0.5 / above", "ρ of |∇|² and pass rate", "shape"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for one in fits:
        informative = int((one.groups.of("t1") > 0).sum())
        rows.append([one.groups.title, LOG_PROBS[one.log_prob], ADVANTAGES[one.std], f"{len(one.groups.rows):,}"])
        rows[-1] += [f"{informative:,}", spread(one.ratio, digits=2), number(one.r2, 2), number(one.r2_bins, 2)]
        rows[-1] += [spread(one.sides, digits=2), spread(one.size, digits=2), shape(one)]
        data.append({"model_data": one.groups.title, "log_probability": LOG_PROBS[one.log_prob]})
        data[-1] |= {"advantage": ADVANTAGES[one.std], "groups": len(one.groups.rows), "with_gradient": informative}
        data[-1] |= {"shape": shape(one), "constant": one.constant, "r2": one.r2, "r2_bins": one.r2_bins}
        data[-1] |= numbers("ratio", one.ratio) | numbers("sides", one.sides) | numbers("size", one.size)
        data[-1]["source"] = "ours"
    ours = len(rows)
    for row in published_table("dots_rr", "footnote_4").itertuples():
        place = f"{row.model}, {row.dataset}"
        rows.append([f"{place} (published)", NOTHING, ADVANTAGES[""], str(PUBLISHED_GROUPS), NOTHING])
        rows[-1] += [f"{row.value:g} ± {row.std:g}", *[NOTHING] * 5]
        data.append({"source": "published", "model_data": place, "advantage": ADVANTAGES[""]})
        data[-1] |= {"groups": PUBLISHED_GROUPS, "ratio": row.value, "ratio_std": row.std}
    caption = (
        "For a group of G completions g = Σ A ∇log π, before clipping and without KL: |g|² = T1 + T2, where T1 keeps "
        "the squares and T2 the products of different completions, which the theorem neglects. Curve: one constant "
        "times p(1 − p)(1 − 1/G), with std times the chance that rewards differ, averaged over what the measured rate "
        "says of the true one (prior from the whole pool), by least squares on single groups; negative R² means worse "
        "than the overall mean. R² of bin means is the most that a function of the measured pass rate can explain. The "
        "theorem takes E|∇log π|² to be the same for every question: then the constants of the two sides of 0.5 are "
        "equal, and ρ (mean over a group against pass rate, groups with a gradient) is 0. Brackets: 95 % percentiles "
        f"of {RESAMPLES:,} bootstrap draws of groups. The shape holds where the curve lies inside three intervals of "
        "four and both sides have one constant. The trainer's loss takes the mean per response. Published: appendix B, "
        "footnote 4, mean ± standard deviation; of what is not said. The theorem's own "
        f"case, sum over tokens and r − mean: {_words(fits)}."
    )
    title = "DOTS + RR, Theorem 1: the fit, and the terms that it neglects"
    emphasis = frozenset(range(ours))
    note = (
        "For a group, g = Σ A ∇log π and |g|² = T1 + T2, where T2 has the products of different completions, which the "
        "theorem neglects. R²: of the theorem's curve. The theorem takes the two constants to be equal and ρ to be 0. "
        "Brackets: 95 % bootstrap intervals over groups."
    )
    paper = [*header[:3], "T2 / T1", "R² of the curve", *header[8:]]
    name, records = "dots_rr.theorem_1_fits", pd.DataFrame(data)
    return Table(name, title, header, rows, records, caption, 3, emphasis, paper, note=note)


def _words(fits: Sequence[Fit]) -> str:
    return ". ".join(f"{one.groups.title}: {verdict(one)}" for one in fits if not one.log_prob and not one.std)


def _bins(fits: Sequence[Fit]) -> Table:
    header = ["model, data", "log-probability", "pass rate", "groups", "|g|²", "T1", "T2", "curve", "mean |∇|²"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for one in fits:
        levels = Levels(one.groups.samples)
        which = levels.of(one.groups.rate)
        columns = [one.groups.of(f"{name}{one.log_prob}") for name in ("t1", "t2", "gradient2")]
        for index, name in enumerate(levels.names):
            inside, norm2 = which == index, one.bins[index]
            if not inside.any():
                continue
            kept, crossed, square = (_known_mean(values[inside]) for values in columns)
            height = float(one.curve[inside].mean())
            between = f" [{amount(norm2.low)}, {amount(norm2.high)}]" if norm2.known else ""
            rows.append([one.groups.title, LOG_PROBS[one.log_prob], name, str(int(inside.sum()))])
            rows[-1] += [amount(norm2.value) + between, *(_signed(v) for v in (kept, crossed, height, square))]
            data.append({"model_data": one.groups.title, "log_probability": LOG_PROBS[one.log_prob], "pass_rate": name})
            data[-1] |= {"groups": int(inside.sum()), **numbers("norm2", norm2), "t1": kept, "t2": crossed}
            data[-1] |= {"curve": height, "gradient2": square}
    caption = (
        "Means over the groups of questions with one pass rate, which other rollouts measured; advantages r − mean. "
        f"Brackets as above, from {FEW} groups on. Mean |∇|²: of a single completion, in groups with a gradient. "
        "A pass rate is measured with few samples, so questions at 0 have groups with a gradient, and there the curve "
        "is averaged over the true rates that such a question may have."
    )
    title = "DOTS + RR, Theorem 1: squared gradient norm by pass rate"
    note = (
        "Means over the groups of questions with one pass rate, which other rollouts measured; advantages r − mean. "
        f"Brackets: 95 % bootstrap intervals, from {FEW} groups on."
    )
    paper = [*header[:3], *header[4:8]]
    return Table("dots_rr.theorem_1_bins", title, header, rows, pd.DataFrame(data), caption, 3, paper=paper, note=note)


def _known_mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _signed(value: float) -> str:
    if math.isnan(value):
        return NOTHING
    return amount(value) if value >= 0 else MINUS + amount(-value)


# ---------------------------------------------------------------- the pictures


def _picture(fits: Sequence[Fit]) -> Picture:
    std = fits[0].std
    rows = []
    for one in fits:
        y = one.groups.of(f"norm2{std}") / one.constant
        for rate, value in zip(one.groups.rate, y, strict=True):
            rows.append({"model_data": one.groups.title, "kind": "group", "pass_rate": rate, "norm2": value})
        for centre, mean in zip(Levels(one.groups.samples).centres, one.bins, strict=True):
            if mean.n:
                scaled = {key: value / one.constant for key, value in numbers("norm2", mean).items()}
                rows.append({"model_data": one.groups.title, "kind": "bin", "pass_rate": centre, **scaled})
    frame = pd.DataFrame(rows)
    bins = frame[frame["kind"] == "bin"]
    top = 1.15 * float(max(bins["norm2_high"].max(), bins["norm2"].max(), max(_peak(one) for one in fits)))
    above = int((frame["norm2"] > top).sum())

    def draw(narrow: bool) -> Figure:
        figure, axes = facets([one.groups.title for one in fits], narrow)
        for axis, one in zip(axes, fits, strict=True):
            _draw(axis, one, top)
        shared_legend(figure, *_legend(std), narrow)
        return figure

    said = "; ".join(f"{one.groups.title}: {verdict(one)}" for one in fits)
    name, ending = ("dots_rr.theorem_1_std", ", advantages divided by the std") if std else ("dots_rr.theorem_1", "")
    return Picture(
        name,
        f"DOTS + RR, Theorem 1: squared gradient norm of a group by pass rate{ending}",
        f"Start policy, advantages {ADVANTAGES[std]}, in units of the fitted constant; squares are means with 95 % "
        f"bootstrap intervals, dots single groups ({above} above the frame).",
        f"Squared gradient norm against pass rate with the curve of Theorem 1. {said}.",
        frame,
        draw,
    )


def _peak(one: Fit) -> float:
    return float(one.groups.theory(GRID, one.std).max())


def _draw(axis: Axes, one: Fit, top: float) -> None:
    axis.plot(one.groups.rate, one.groups.of(f"norm2{one.std}") / one.constant, ".", color=GREY, alpha=0.25)
    axis.plot(GRID, one.groups.theory(GRID, one.std), color=BASELINE, linewidth=1.1, linestyle=(0, (1.2, 1.2)))
    rates, first = np.unique(one.groups.rate, return_index=True)
    axis.plot(rates, one.groups.expected(one.std)[first], color=BASELINE, linewidth=1.6)
    for centre, mean in zip(Levels(one.groups.samples).centres, one.bins, strict=True):
        if mean.known:
            axis.vlines(centre, mean.low / one.constant, mean.high / one.constant, color=SPARE[0], linewidth=1.4)
        if mean.n:
            axis.plot(centre, mean.value / one.constant, "s", color=SPARE[0])
    axis.set(ylim=(-0.02 * top, top), xlim=(-0.04, 1.04))
    axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    outer(axis, "pass rate", "|g|² / constant")


def _legend(std: str) -> tuple[list[Line2D], list[str]]:
    handles = [
        Line2D([], [], color=BASELINE, linewidth=1.1, linestyle=(0, (1.2, 1.2))),
        Line2D([], [], color=BASELINE, linewidth=1.6),
        Line2D([], [], color=SPARE[0], marker="s", linestyle="none"),
        Line2D([], [], color=GREY, marker=".", alpha=0.4, linestyle="none"),
    ]
    curve = "chance that rewards differ" if std else "p(1 − p)(1 − 1/G)"
    return handles, [curve, "the same at measured rates", "mean by pass rate", "one group"]
