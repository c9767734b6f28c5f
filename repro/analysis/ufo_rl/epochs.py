"""UFO-RL: a subset trained for some epochs beside full data trained to its end, by what each has cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from repro.analysis.arms import budget, seeds_said
from repro.analysis.axes import TOKENS, metric_of
from repro.analysis.comparable import points_or_not, said
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.run import Run
from repro.analysis.runs import Series
from repro.analysis.style import BASELINE, COLOURS, canvas, percent_axis, shared_legend, thousands, titled
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, spread
from repro.analysis.ufo_rl.arms import NOT_IN_PAPER, Group, conditions, fraction, groups, paired, percent_of

KINDS: dict[str, dict[str, Any]] = {
    "confidence": {"color": COLOURS["confidence"], "marker": "o", "linestyle": "-"},
    "random": {"color": COLOURS["random"], "marker": "o", "linestyle": (0, (5, 1.6))},
    "full data": {"color": BASELINE, "linestyle": "-", "linewidth": 1.4},
}


def epochs(panels: Sequence[Measures]) -> list[Table | Picture]:
    """The table and the figure; nothing where no subset stops at two numbers of epochs or more."""
    found = [(measures, group) for measures in panels for group in by_epochs(measures)]
    return [_table(found), _picture(found)] if found else []


def by_epochs(measures: Measures) -> list[Group]:
    """Subsets chosen alike, of one size, that stop at two or more numbers of epochs, fewest first."""
    subsets = [series for series in measures.panel.series if _epochs(series) and kind(series) != "full data"]
    same = groups(subsets, lambda s: [s.cell["selection"], conditions(s, with_budget=False)], _epochs)
    return [sorted(group, key=_epochs) for group in same]


def kind(series: Series) -> str:
    """`confidence`, `random`, or `full data` for everything that draws from the whole pool."""
    if series.chosen.subset_without_score:
        return "random"
    return "full data" if series.chosen.score is None else "confidence"


def longest_full(measures: Measures, series: Series) -> Series | None:
    """Uniform training on the whole pool that runs the most steps, under the other conditions of `series`."""
    same = conditions(series, with_budget=False)
    found = [one for one in measures.panel.series if one.chosen.plain and conditions(one, with_budget=False) == same]
    return max(found, key=lambda one: measures.final(one.label).step.value, default=None)


def _epochs(series: Series) -> float:
    """0 for an arm that stops by anything else."""
    return budget(series).get("epochs", 0.0)


def _tokens(measures: Measures, series: Series) -> float:
    """Generated tokens to the end with those of selection, mean over seeds."""
    return float(np.mean([_cost(measures, series, run)[0][-1] for run in series.runs]))


def _cost(measures: Measures, series: Series, run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Generated tokens at each evaluation of a run, and its accuracy there."""
    return run.evaluated_cost(metric_of(TOKENS, series.clock), measures.panel.main)


def _table(found: Sequence[tuple[Measures, Group]]) -> Table:
    header = ["model, data", "subset", "arm", "kept, %", "epochs", "steps", "accuracy, %", "vs full at its end, points"]
    header += ["tokens, % of full's", "n"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart = []
    for measures, group in found:
        for series in group:
            full, final = longest_full(measures, series), measures.final(series.label)
            difference = paired(measures, series, full) if full else None
            share = _tokens(measures, series) / _tokens(measures, full) if full else float("nan")
            apart.append(difference)
            rows.append([measures.panel.title, kind(series), f"`{series.label}`", percent_of(fraction(series))])
            rows[-1] += [f"{_epochs(series):g}", number(final.step.value, 0), spread(final.accuracy, 100)]
            rows[-1] += [points_or_not(difference), number(100 * share, 0) if full else NOTHING, str(len(series.runs))]
            data.append({"model_data": measures.panel.title, "arm": series.label, "subset": kind(series)})
            data[-1] |= {"fraction": fraction(series), "epochs": _epochs(series), "steps": final.step.value}
            data[-1] |= {"full": full.label if full else "", "tokens": _tokens(measures, series), "token_share": share}
            data[-1] |= numbers("accuracy", final.accuracy) | numbers("difference", difference)
    used = [series for _, group in found for series in group]
    caption = (
        "Final accuracy of a subset after some epochs over it, minus that of full data at the end of its own training, "
        f"with 95 % t-intervals over paired seeds; {seeds_said(used)}.{said(apart)} {NOT_IN_PAPER}"
    )
    note = f"Differences to full data at the end of its own training, over paired seeds; {seeds_said(used)}."
    title = "Epochs over a subset, beside full data trained to its end"
    return Table("ufo_rl.epochs", title, header, rows, pd.DataFrame(data), caption, 3, note=note)


def _picture(found: Sequence[tuple[Measures, Group]]) -> Picture:
    panels = list({id(measures): measures for measures, _ in found}.values())
    rows: list[dict[str, Any]] = []
    for measures in panels:
        for full in _fulls(measures, found):
            for tokens, accuracy in _mean_curve(measures, full):
                rows.append({"model_data": measures.panel.title, "kind": "full data", "epochs": float("nan")})
                rows[-1] |= {"tokens": tokens, "accuracy": accuracy}
        for series in (series for own, group in found if own is measures for series in group):
            rows.append({"model_data": measures.panel.title, "kind": kind(series), "epochs": _epochs(series)})
            rows[-1] |= {"tokens": _tokens(measures, series)}
            rows[-1] |= numbers("accuracy", measures.final(series.label).accuracy)

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(panels), narrow, height=2.4, columns=2)
        for axis, measures in zip(axes, panels, strict=True):
            for full in _fulls(measures, found):
                axis.plot(*np.transpose(_mean_curve(measures, full)), **KINDS["full data"])
            for group in (group for own, group in found if own is measures):
                _points(axis, measures, group)
            axis.set(xlabel="generated tokens", ylabel=measures.panel.main_series.label("accuracy, %"))
            thousands(axis.xaxis)
            percent_axis(axis.yaxis)
            if len(panels) > 1:
                titled(axis, measures.panel.title, 1 if narrow else 2, narrow)
        kinds = [name for name in KINDS if any(row["kind"] == name for row in rows)]
        shared_legend(figure, [Line2D([], [], **KINDS[name]) for name in kinds], kinds, narrow)
        return figure

    last = "; ".join(
        f"{measures.panel.title}, {kind(group[-1])}: "
        f"{number(100 * measures.final(group[-1].label).accuracy.value)} % after {_epochs(group[-1]):g} epochs"
        for measures, group in found
    )
    return Picture(
        "ufo_rl.epochs_curve",
        "Epochs over a subset, beside full data trained to its end",
        "A point stops after the number of epochs over its subset that stands beside it, with a 95 % t-interval over "
        f"seeds ({seeds_said([s for _, group in found for s in group])}); the line is full data, mean over seeds.",
        f"Accuracy against generated tokens by epochs. {last}.",
        pd.DataFrame(rows),
        draw,
    )


def _fulls(measures: Measures, found: Sequence[tuple[Measures, Group]]) -> list[Series]:
    """The full data that the groups of a panel are compared with."""
    each = [longest_full(measures, group[0]) for own, group in found if own is measures]
    return list({full.label: full for full in each if full}.values())


def _mean_curve(measures: Measures, series: Series) -> list[tuple[float, float]]:
    """(tokens, accuracy) at each evaluation that all seeds have, mean over seeds."""
    each = [_cost(measures, series, run) for run in series.runs]
    shared = min(len(cost) for cost, _ in each)
    return [(float(np.mean([c[i] for c, _ in each])), float(np.mean([a[i] for _, a in each]))) for i in range(shared)]


def _points(axis: Axes, measures: Measures, group: Group) -> None:
    look = KINDS[kind(group[0])]
    tokens = [_tokens(measures, series) for series in group]
    accuracies = [measures.final(series.label).accuracy for series in group]
    axis.plot(tokens, [one.value for one in accuracies], **look)
    for x, one, series in zip(tokens, accuracies, group, strict=True):
        if one.known:
            axis.vlines(x, one.low, one.high, color=look["color"], linewidth=1.2)
        offset, side = ((3, 4), "bottom") if kind(series) == "confidence" else ((3, -4), "top")
        text = f"{_epochs(series):g}"
        axis.annotate(text, (x, one.value), offset, textcoords="offset points", fontsize=7, verticalalignment=side)
