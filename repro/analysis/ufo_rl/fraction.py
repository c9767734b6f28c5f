"""UFO-RL ablation: accuracy against the share of the pool that is kept, with a random subset of each size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from repro.analysis.arms import chosen_questions, seeds_said
from repro.analysis.comparable import Unfit, points_or_not, said
from repro.analysis.marks import interval_marks, single_dots
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval
from repro.analysis.style import BASELINE, COLOURS, canvas, percent_axis, shared_legend, titled
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, spread
from repro.analysis.ufo_rl.arms import (
    HOW,
    HOW_NOTE,
    NOT_IN_PAPER,
    Group,
    band,
    centre_name,
    confidences,
    difference_to_full,
    fraction,
    full_of,
    groups,
    matched_on,
    paired,
    percent_of,
    sized,
    target_name,
)


def by_fraction(measures: Measures) -> list[Group]:
    """Confidence arms of one target and centre at two fractions or more, smallest first."""
    same = groups(confidences(measures), lambda s: [target_name(s), band(s)], fraction)
    return [sorted(group, key=fraction) for group in same]


def fraction_table(panels: Sequence[Measures]) -> Table | None:
    header = ["model, data", "confidence", "fraction, %", "questions", "confidence, %", "random, %"]
    header += ["vs full data, points", "random vs full, points", "confidence vs random, points", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart: list[Interval | Unfit | None] = []
    used: list[Series] = []
    for measures in panels:
        for group in by_fraction(measures):
            for series in group:
                control = next(iter(sized(measures, None, fraction(series))), None)
                values: dict[str, Interval | Unfit | None] = {"accuracy": measures.final(series.label).accuracy}
                values["random"] = measures.final(control.label).accuracy if control else None
                values["difference"] = difference_to_full(measures, series)
                values["random_difference"] = difference_to_full(measures, control) if control else None
                values["to_random"] = paired(measures, series, control) if control else None
                kept, name = len(chosen_questions(series)), f"{target_name(series)}, {centre_name(series)}"
                accuracies, differences = list(values.values())[:2], list(values.values())[2:]
                shown = [spread(value, 100) if isinstance(value, Interval) else NOTHING for value in accuracies]
                shown += map(points_or_not, differences)
                apart += differences
                size = percent_of(fraction(series))
                rows.append([measures.panel.title, name, size, f"{kept:,}" if kept else NOTHING])
                rows[-1] += [*shown, str(len(series.runs))]
                data.append({"model_data": measures.panel.title, "confidence": name, "fraction": fraction(series)})
                data[-1] |= {"arm": series.label, "control": control.label if control else "", "questions": kept}
                for key, value in values.items():
                    data[-1] |= numbers(key, value)
                used += [series, *([control] if control else [])]
    if not rows:
        return None
    caption = (
        "The same band at several sizes, with a random subset of each size beside it. Arms matched on "
        f"{matched_on(used)}, so that a smaller subset is repeated more often; {seeds_said(used)}. {HOW} Confidence "
        f"against random: 95 % t-interval over paired seeds.{said(apart)} {NOT_IN_PAPER}"
    )
    title = "Ablation: how much of the pool is kept"
    note = (
        f"A random subset of each size stands beside the band. Arms matched on {matched_on(used)}; "
        f"{seeds_said(used)}. {HOW_NOTE} Confidence against random: over paired seeds.{said(apart)}"
    )
    paper, name = [*header[:3], *header[4:6], "confidence vs random, points"], "ufo_rl.ablation_fraction"
    return Table(name, title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)


def fraction_picture(panels: Sequence[Measures]) -> Picture | None:
    facets = [(measures, group) for measures in panels for group in by_fraction(measures)]
    if not facets:
        return None
    rows: list[dict[str, Any]] = []
    for measures, group in facets:
        for kind, series in _lines(measures, group):
            final = measures.final(series.label)
            rows.append({"model_data": measures.panel.title, "target": target_name(group[0]), "kind": kind})
            rows[-1] |= {"fraction": 1.0 if kind == "full data" else fraction(series)}
            rows[-1] |= numbers("accuracy", final.accuracy)
            rows[-1] |= {f"seed_{s}": v for s, v in zip(series.seeds, final.per_seed, strict=True)}

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(facets), narrow, height=2.4, columns=2)
        for axis, (measures, group) in zip(axes, facets, strict=True):
            _draw_fractions(axis, measures, group)
            if len(facets) > 1:
                title = f"{measures.panel.title}\n{target_name(group[0])}, {centre_name(group[0])}"
                titled(axis, title, 1 if narrow else 2, narrow)
        kinds = dict.fromkeys(str(row["kind"]) for row in rows)
        entries = [Line2D([], [], **KINDS[kind]) for kind in kinds]
        shared_legend(figure, entries, list(kinds), narrow)
        return figure

    said = "; ".join(
        f"{measures.panel.title}: "
        + ", ".join(f"{kind} {percent_of(fraction(s)) + ' % ' if kind != 'full data' else ''}"
                    f"{number(100 * measures.final(s.label).accuracy.value)} %" for kind, s in _lines(measures, group))
        for measures, group in facets
    )  # fmt: skip
    used = [series for measures, group in facets for _, series in _lines(measures, group)]
    return Picture(
        "ufo_rl.ablation_fraction_curve",
        "Ablation: accuracy against the share of the pool that is kept",
        f"Means with 95 % t-intervals over seeds ({seeds_said(used)}) at equal {matched_on(used)}; faint dots are "
        "single seeds, the line across is full data.",
        f"Final accuracy by fraction kept, log scale. {said}.",
        pd.DataFrame(rows),
        draw,
    )


KINDS: dict[str, dict[str, Any]] = {
    "confidence": {"color": COLOURS["confidence"], "marker": "o", "linestyle": "-"},
    "random": {"color": COLOURS["random"], "marker": "o", "linestyle": (0, (5, 1.6))},
    "full data": {"color": BASELINE, "linestyle": "-", "linewidth": 1.4},
}


def _lines(measures: Measures, group: Group) -> list[tuple[str, Series]]:
    """(kind, arm) of everything in one facet."""
    out = [("confidence", series) for series in group]
    for size in sorted({fraction(series) for series in group}):
        out += [("random", control) for control in sized(measures, None, size)[:1]]
    full = full_of(measures, group[0])
    return [*out, *([("full data", full)] if full else [])]


def _draw_fractions(axis: Axes, measures: Measures, group: Group) -> None:
    lines = _lines(measures, group)
    # Side by side, so that neither intervals nor seeds hide behind each other.
    apart = (fraction(group[-1]) / fraction(group[0])) ** 0.014
    for kind, shift in (("confidence", 1 / apart), ("random", apart)):
        arms = [series for name, series in lines if name == kind]
        xs = [100 * fraction(series) * shift for series in arms]
        finals = [measures.final(series.label) for series in arms]
        colour = KINDS[kind]["color"]
        interval_marks(
            axis, xs, [final.accuracy for final in finals], [colour] * len(xs), upright=True, size=4.0, width=1.2
        )
        single_dots(axis, [x * shift for x in xs], [final.per_seed for final in finals], colour, upright=True)
        axis.plot(xs, [final.accuracy.value for final in finals], **KINDS[kind])
    for series in (series for name, series in lines if name == "full data"):
        interval = measures.final(series.label).accuracy
        axis.axhline(interval.value, **KINDS["full data"])
        if interval.known:
            axis.axhspan(interval.low, interval.high, color=BASELINE, alpha=0.07, linewidth=0)
    ticks = sorted({100 * fraction(series) for series in group})
    axis.set_xscale("log")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set(xlabel="share of the pool that is kept, %", ylabel=measures.panel.main_series.label("final accuracy, %"))
    percent_axis(axis.yaxis)
