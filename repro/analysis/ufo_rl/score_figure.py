"""UFO-RL, Table 2 as a figure: mean score by pass rate, with the scores of the questions that an arm kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from repro.analysis.association import spearman
from repro.analysis.facets import facets, outer
from repro.analysis.pictures import Picture
from repro.analysis.pool import Levels
from repro.analysis.style import LIT, Look, in_order, shared_legend
from repro.analysis.tables import numbers
from repro.analysis.text import number
from repro.analysis.ufo_rl.scored import Scored, by_level


def score_figure(every: Sequence[Scored]) -> Picture:
    """A panel for each model and dataset, five scores at most; the scores that the first one's arm kept are shaded."""
    titles = list(dict.fromkeys(one.title for one in every))
    names = list(dict.fromkeys(one.name for one in every))[:LIT]
    styles = in_order(names)
    shaded = any(one.kept is not None for one in every if one.name == names[0])
    rows: list[dict[str, Any]] = []
    for one in every:
        for centre, each in zip(Levels(one.pool.samples).centres, by_level(one), strict=True):
            rows.append({"model_data": one.title, "score": one.name, "pass_rate": centre, "questions": each.n})
            rows[-1] |= numbers("s", each)
            if one.kept is not None:
                rows[-1] |= {"kept_from": one.kept[0], "kept_to": one.kept[1]}

    def draw(narrow: bool) -> Figure:
        figure, axes = facets(titles, narrow)
        for axis, title in zip(axes, titles, strict=True):
            for one in (one for one in every if one.title == title and one.name in names):
                _curve(axis, one, styles, one.name == names[0])
            axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axis.set_ylim(bottom=0)
            outer(axis, "pass rate", "mean score")
        entries: list[Any] = [Line2D([], [], marker=styles[name].marker, **styles[name].line()) for name in names]
        told = list(names)
        if shaded:
            entries.append(Patch(facecolor=styles[names[0]].color, alpha=0.15))
            told.append("scores that were kept")
        shared_legend(figure, entries, told, narrow)
        return figure

    each_rank = [float(spearman(one.s, one.rate)(np.ones((1, len(one.s))))[0]) for one in every]
    named = zip(every, each_rank, strict=True)
    said = "; ".join(f"{one.title}, {one.name}: rho {number(rank, 2)}" for one, rank in named)
    return Picture(
        "ufo_rl.table_2_curves",
        "UFO-RL, Table 2 as a figure: mean score by pass rate",
        "Mean score of the questions with each pass rate, with 95 % t-intervals over questions; a score that can stand "
        "for the pass rate rises all the way.",
        f"Mean single-pass score against base pass rate, one facet per model and dataset. {said}.",
        pd.DataFrame(rows),
        draw,
    )


def _curve(axis: Axes, one: Scored, styles: Mapping[str, Look], shade: bool) -> None:
    look = styles[one.name]
    if shade and one.kept is not None:
        axis.axhspan(*one.kept, color=look.color, alpha=0.15, linewidth=0)
    found = by_level(one)
    known = [(x, each) for x, each in zip(Levels(one.pool.samples).centres, found, strict=True) if each.n]
    sure = [(x, each) for x, each in known if each.known]
    axis.vlines([x for x, _ in sure], [e.low for _, e in sure], [e.high for _, e in sure], color=look.color,
                linewidth=1.1, alpha=0.7)  # fmt: skip
    axis.plot([x for x, _ in known], [e.value for _, e in known], marker=look.marker, **look.line())
