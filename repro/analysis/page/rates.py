"""How often what an arm rolled out was right: the distribution of measured pass rates, one arm beside the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.analysis.measures import Measures
from repro.analysis.page.groups import Fresh
from repro.analysis.page.lit import handles, lit, panel_looks
from repro.analysis.pictures import Picture
from repro.analysis.style import REST, canvas, percent_axis, shared_legend
from repro.analysis.text import number

SPREAD = 3
"""With fewer different pass rates a distribution says no more than the shares of all wrong and all right."""

MOST = 101
"""Rows of an arm in the data at most: rewards of many parts have a value of their own in every group."""


def rates(measures: Measures, fresh: Mapping[str, Fresh], prefix: str = "") -> Picture | None:
    """A cumulative distribution for each arm; None where groups have hardly any different pass rates."""
    known = {label: found.rate[~np.isnan(found.rate)] for label, found in fresh.items()}
    known = {label: values for label, values in known.items() if len(values)}
    counts = {label: np.unique(values, return_counts=True) for label, values in known.items()}
    levels = np.unique(np.concatenate([*(own for own, _ in counts.values()), np.empty(0)]))
    if len(levels) < SPREAD:
        return None
    styles = panel_looks(measures)
    bright = [label for label in lit(measures) if label in known]

    def draw(narrow: bool) -> Figure:
        import seaborn as sns  # takes a second

        figure, (axis,) = canvas(1, narrow, height=2.6)
        for label in sorted(known, key=lambda label: label in bright):
            own = {"color": REST, "linewidth": 0.9}
            look = styles[label].line(linewidth=1.6) if label in bright else own
            # As drawn from every group, without a corner for each of them.
            sns.ecdfplot(x=counts[label][0], weights=counts[label][1], ax=axis, **look)
        axis.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel="measured pass rate", ylabel="groups at or below it, %")
        percent_axis(axis.yaxis)
        shared_legend(figure, *handles(measures, bright, len(known) - len(bright)), narrow)
        return figure

    points = levels if len(levels) <= MOST else np.linspace(0, 1, MOST)
    rows = [
        {"arm": label, "pass_rate": point, "share_at_most": float((values <= point).mean()), "groups": len(values)}
        for label, values in known.items()
        for point in points
    ]
    said = ", ".join(f"{label} {number(100 * float(((v > 0) & (v < 1)).mean()))} %" for label, v in known.items())
    return Picture(
        f"{prefix}rates",
        "How often the rolled-out groups were right",
        "Share of freshly rolled-out groups with at most this pass rate, all steps and seeds pooled: a curve that is "
        "flat between 0 and 1 has few groups with a gradient.",
        f"Cumulative distributions of measured pass rates; strictly between 0 and 1: {said}.",
        pd.DataFrame(rows),
        draw,
    )
