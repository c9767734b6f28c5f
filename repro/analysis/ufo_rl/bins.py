"""UFO-RL, Figure 1: training on one bin of the pass rate alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.analysis.arms import chosen_questions, seeds_said
from repro.analysis.comparable import points_or_not, said
from repro.analysis.marks import interval_marks, single_dots
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.selections import PASS_RATE
from repro.analysis.statistics import Interval, share_interval
from repro.analysis.style import BASELINE, COLOURS, GREY, canvas, percent_axis, shared_legend
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, spread
from repro.analysis.ufo_rl.arms import (
    HOW,
    HOW_NOTE,
    comparable,
    full_of,
    matched_on,
    mean_difference_to_full,
    quantile_band,
    rates_of,
    value_band,
)

WIDEST = 0.25
"""A band of at most this share of the pool is a bin of Figure 1."""

WHOLE = "Arms on questions of one pass rate are one bin, their mean: nothing orders such questions."
"""For captions."""

REGRESSION = (
    "The pass rate of a bin is the measurement that the bin was cut by, so that the extreme bins look more extreme "
    "than they are: with few samples, a question that was never solved may be solvable."
)


@dataclass(frozen=True)
class Bin:
    """The arms that train on one bin alone: several where quantiles cut through questions of one pass rate, which no
    order sets apart. Rates in 0..1, NaN where the store does not know them."""

    several: tuple[Series, ...]
    place: tuple[float, float]  # quantiles of the pass rate, or bounds of it
    by_rank: bool  # whether `place` counts quantiles
    low: float
    high: float
    mean: float
    questions: int
    per_seed: Mapping[int, float]  # final accuracy of the seeds that all arms have, averaged over arms

    @property
    def series(self) -> Series:
        """The first of the arms."""
        return self.several[0]

    @property
    def accuracy(self) -> Interval:
        """Final accuracy over seeds."""
        return share_interval(list(self.per_seed.values()))

    @property
    def label(self) -> str:
        """`40 to 50`: percentiles of the pool by pass rate; `rate 0.25 to 0.38` where the bin is cut by the rate."""
        if self.by_rank:
            return f"{100 * self.place[0]:g} to {100 * self.place[1]:g}"
        low, high = number(self.low, 2), number(self.high, 2)
        return f"rate {low}" if low == high else f"rate {low} to {high}"


def bins_of(measures: Measures) -> list[Bin]:
    """The bins of a panel, hardest first; arms whose questions all have the same pass rate are one bin."""
    found: list[Bin] = []
    for series in comparable(measures):
        bounds, by_rank = quantile_band(series, PASS_RATE, WIDEST), True
        if bounds is None:
            bounds, by_rank = value_band(series, PASS_RATE, WIDEST), False
        if bounds is not None:
            rates = rates_of(measures, series)
            span = (rates.min(), rates.max(), rates.mean()) if len(rates) else (math.nan,) * 3
            low, high, mean = map(float, span)
            per_seed = dict(zip(series.seeds, measures.final(series.label).per_seed, strict=True))
            count = len(chosen_questions(series))
            found.append(Bin((series,), bounds, by_rank, low, high, mean, count, per_seed))
    made: list[Bin] = []
    for one in sorted(found, key=lambda one: (one.by_rank, one.place)):
        if made and made[-1].by_rank and one.by_rank and made[-1].low == made[-1].high == one.low == one.high:
            made[-1] = _together(made[-1], one)
        else:
            made.append(one)
    return made if len(found) > 1 else []


def _together(one: Bin, other: Bin) -> Bin:
    weight = len(one.several)
    shared = {
        seed: (weight * value + other.per_seed[seed]) / (weight + 1)
        for seed, value in one.per_seed.items()
        if seed in other.per_seed
    }
    return replace(
        one,
        several=(*one.several, *other.several),
        place=(one.place[0], other.place[1]),
        questions=one.questions + other.questions,
        per_seed=shared,
    )


# ---------------------------------------------------------------- Figure 1


def figure_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Final accuracy after training on each bin alone, as a picture and a table; nothing where no panel has bins."""
    found = [(measures, bins_of(measures)) for measures in panels]
    found = [(measures, bins) for measures, bins in found if bins]
    if not found:
        return []
    return [_picture(found), _bin_table(found)]


def _picture(found: Sequence[tuple[Measures, list[Bin]]]) -> Picture:
    rows: list[dict[str, Any]] = []
    for measures, bins in found:
        for index, one in enumerate(bins):
            row = {"model_data": measures.panel.title, "bin": index, "quantiles": one.label, "pass_rate": one.mean}
            row |= numbers("accuracy", one.accuracy)
            row |= {f"seed_{seed}": value for seed, value in one.per_seed.items()}
            rows.append(row)
        for name, interval in _levels(measures, bins).items():
            rows.append({"model_data": measures.panel.title, "quantiles": name, **numbers("accuracy", interval)})

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(found), narrow, height=2.9, columns=2)
        for axis, (measures, bins) in zip(axes, found, strict=True):
            _draw_bins(axis, measures, bins, narrow or len(found) > 1)
            if len(found) > 1:
                axis.set_title(measures.panel.title)
        names = dict.fromkeys(name for measures, bins in found for name in _levels(measures, bins))
        entries = [Line2D([], [], color=COLOUR, marker="o", linestyle="none")]
        entries += [Line2D([], [], color=LEVELS[name][0], linestyle=LEVELS[name][1], linewidth=1.4) for name in names]
        shared_legend(figure, entries, ["trained on one bin alone", *names], narrow)
        return figure

    said = "; ".join(
        f"{measures.panel.title}: from {number(100 * bins[0].accuracy.value)} % on the hardest bin, highest "
        f"{number(100 * best.accuracy.value)} % on {_words(best)}, to "
        f"{number(100 * bins[-1].accuracy.value)} % on the easiest"
        for measures, bins in found
        for best in [max(bins, key=lambda one: one.accuracy.value)]
    )
    return Picture(
        "ufo_rl.figure_1",
        "UFO-RL, Figure 1: accuracy after training on one bin of the pass rate alone",
        "Final accuracy of arms that train on one bin of the start policy's pass rate each, with single seeds faint.",
        f"Final accuracy by bin of the base pass rate. {said}.",
        pd.DataFrame(rows),
        draw,
    )


def _words(one: Bin) -> str:
    """`percentiles 40 to 50`, `rate 0.25`."""
    return f"percentiles {one.label}" if one.by_rank else one.label


def _samples(every: Sequence[Series]) -> str:
    return " or ".join(map(str, sorted({int(one.selection.get("samples", 0)) for one in every})))


COLOUR = COLOURS["pass_rate"]
LEVELS: dict[str, tuple[str, Any]] = {"full pool": (BASELINE, "-"), "start policy": (GREY, (0, (1, 2)))}


def _levels(measures: Measures, bins: Sequence[Bin]) -> dict[str, Interval]:
    """The horizontal lines of a facet that are known."""
    full = full_of(measures, bins[0].series)
    out = {} if full is None else {"full pool": measures.final(full.label).accuracy}
    if not math.isnan(measures.start.sampled.value):
        out["start policy"] = measures.start.sampled
    return out


def _draw_bins(axis: Axes, measures: Measures, bins: Sequence[Bin], small: bool) -> None:
    for name, interval in _levels(measures, bins).items():
        color, dash = LEVELS[name]
        axis.axhline(interval.value, color=color, linestyle=dash, linewidth=1.4)
        if name == "full pool" and interval.known:
            axis.axhspan(interval.low, interval.high, color=color, alpha=0.07, linewidth=0)
    places, means = range(len(bins)), [one.accuracy for one in bins]
    interval_marks(axis, places, means, [COLOUR] * len(bins), upright=True, size=4.0, width=1.4)
    single_dots(axis, [x + 0.18 for x in places], [[*one.per_seed.values()] for one in bins], COLOUR, upright=True)
    every = 2 if small and len(bins) > 6 else 1
    ticks = list(range(0, len(bins), every))
    axis.set_xticks(ticks, [number(bins[i].mean, 2) for i in ticks])
    axis.set_xlim(-0.6, len(bins) - 0.4)
    axis.grid(axis="x", visible=False)
    axis.set(xlabel="mean base pass rate of the bin", ylabel=measures.panel.main_series.label("final accuracy, %"))
    percent_axis(axis.yaxis)


def _bin_table(found: Sequence[tuple[Measures, list[Bin]]]) -> Table:
    header = ["model, data", "bin", "arms", "base pass rate", "mean", "questions", "accuracy, %"]
    header += ["vs full pool, points", "zero-variance groups, %"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    emphasis = set()
    for measures, bins in found:
        title = measures.panel.title
        full = full_of(measures, bins[0].series)
        if full is not None:
            emphasis.add(len(rows))
            rates, count = rates_of(measures, full), len(chosen_questions(full))
            span = (float(rates.min()), float(rates.max()), float(rates.mean())) if len(rates) else (math.nan,) * 3
            rows.append(
                [title, "full pool", *_cells(measures, (full,), measures.final(full.label).accuracy, span, count)]
            )
            record = _record(measures, (full,), measures.final(full.label).accuracy, span, count)
            data.append({"model_data": title, "quantiles": "full", **record})
        for one in bins:
            span = (one.low, one.high, one.mean)
            rows.append([title, _words(one), *_cells(measures, one.several, one.accuracy, span, one.questions)])
            record = _record(measures, one.several, one.accuracy, span, one.questions)
            data.append({"model_data": title, "quantiles": one.label, **record})
    every = [series for _, bins in found for one in bins for series in one.several]
    apart = said(mean_difference_to_full(measures, one.several) for measures, bins in found for one in bins)
    caption = (
        f"Bins by the start policy's pass rate over K = {_samples(every)} samples. {WHOLE} Matched on "
        f"{matched_on(every)}; {seeds_said(every)}. {HOW}{apart} A share of zero-variance groups near 100 % leaves "
        f"nothing to learn from. {REGRESSION}"
    )
    title = "UFO-RL, Figure 1 as a table: one bin of the pass rate alone"
    note = (
        f"Bins by the start policy's pass rate over K = {_samples(every)} samples. Arms matched on "
        f"{matched_on(every)}; {seeds_said(every)}. {HOW_NOTE}{apart}"
    )
    paper = [*header[:2], header[3], *header[6:]]
    name, records, bold = "ufo_rl.figure_1_table", pd.DataFrame(data), frozenset(emphasis)
    return Table(name, title, header, rows, records, caption, 3, bold, paper, note=note)


def _cells(
    measures: Measures, several: Sequence[Series], accuracy: Interval, span: Sequence[float], count: int
) -> list[str]:
    low, high, mean = span
    between = NOTHING if math.isnan(low) else f"{number(low, 2)} to {number(high, 2)}"
    return [
        ", ".join(f"`{one.label}`" for one in several),
        between,
        number(mean, 2),
        f"{count:,}" if count else NOTHING,
        spread(accuracy, 100),
        points_or_not(mean_difference_to_full(measures, several)),
        number(100 * _idle(measures, several)),
    ]


def _record(
    measures: Measures, several: Sequence[Series], accuracy: Interval, span: Sequence[float], count: int
) -> dict[str, object]:
    out: dict[str, object] = {"arm": ", ".join(one.label for one in several), "questions": count}
    out |= dict(zip(("pass_rate_low", "pass_rate_high", "pass_rate_mean"), span, strict=True))
    out |= numbers("accuracy", accuracy)
    out |= numbers("difference", mean_difference_to_full(measures, several))
    return out | {"zero_variance": _idle(measures, several)}


def _idle(measures: Measures, several: Sequence[Series]) -> float:
    """Share of groups without gradient, averaged over arms."""
    return float(np.mean([measures.zero(one.label).mean.value for one in several]))
