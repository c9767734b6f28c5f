"""Which arms of a panel a figure shows in colour, and how they look: the same in every figure of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from repro.analysis.measures import Measures
from repro.analysis.style import LIT, REST, SHOWN, Look, looks
from repro.words import plural


def panel_looks(measures: Measures) -> dict[str, Look]:
    """One look per series, the same in every figure of the study: a panel that lacks an arm shifts no colour."""
    panel = measures.panel
    own = {series.label: series.way for series in panel.series}
    chosen = looks(panel.known or own, panel.known_baselines or [series.label for series in panel.references])
    return {label: chosen[label] for label in own}


def telling(measures: Measures, count: int) -> list[str]:
    """At most so many series, in the order of the study: a baseline, those of the study's claims, and those that ended
    furthest from what they are compared with."""
    panel = measures.panel
    if len(panel.series) <= count:
        return [series.label for series in panel.series]
    ends = {final.series.label: final.accuracy.value for final in measures.finals}
    middle = float(np.mean(list(ends.values())))
    references = [series.label for series in panel.references]

    def distance(label: str) -> float:
        return abs(ends[label] - ends.get(panel.baselines.get(label, ""), middle))

    rest = sorted((label for label in ends if label not in references), key=distance, reverse=True)
    claimed = [label for label in panel.claimed if label in ends]
    chosen = list(dict.fromkeys([*references[:1], *claimed, *rest, *references[1:]]))[:count]
    return [label for label in ends if label in chosen]


def lit(measures: Measures) -> list[str]:
    """The series in colour; all others of a figure are grey."""
    return telling(measures, LIT)


def shown(measures: Measures) -> list[str]:
    """The series of a figure that has a row or a panel for each."""
    return telling(measures, SHOWN)


def of_all(measures: Measures, count: int) -> str:
    """` (12 of 30 arms)` for a title, empty where all are shown."""
    every = len(measures.panel.series)
    return f" ({count} of {every} arms)" if count < every else ""


def named(measures: Measures, label: str) -> str:
    """The label; of a single run it says so, for such a run has no interval."""
    return f"{label} (1 seed)" if len(measures.panel.get(label).runs) == 1 else label


def handles(measures: Measures, labels: Sequence[str], rest: int = 0) -> tuple[list[Line2D], list[str]]:
    """Legend entries of these series, and one for so many others."""
    styles = panel_looks(measures)
    lines = [Line2D([], [], **styles[label].line()) for label in labels]
    names = [named(measures, label) for label in labels]
    if rest:
        lines.append(Line2D([], [], color=REST))
        names.append(plural(rest, "other arm"))
    return lines, names


def faint_lines(axis: Axes, lines: Sequence[np.ndarray], look: Look, width: float, alpha: float) -> None:
    """Single seeds, each [points, x and y]: one artist for all of them, for a study may have hundreds."""
    axis.add_collection(
        LineCollection(
            lines, colors=look.color, linewidths=width, alpha=alpha, capstyle="projecting", joinstyle="round"
        )
    )
    axis.autoscale_view()
