"""Counts the pairs of runs in which an arm ended higher than its baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable

from repro.analysis.measures import Measures
from repro.analysis.results import Final
from repro.analysis.text import NOTHING

WON = (
    "Pairs won: of all pairs of a run of the arm and a run of the baseline, those in which the arm ended higher; ties "
    "count half."
)


def pairs_won(found: Iterable[tuple[Measures, Final]]) -> str:
    """`0 of 9`, over one or several models and tasks; a dash where there is nothing to compare with."""
    won, count = 0.0, 0
    for measures, final in found:
        reference = measures.panel.baseline_of(final.series)
        if reference is None or final.improvement is None or math.isnan(final.improvement):
            continue
        pairs = len(final.per_seed) * len(reference.runs)
        won += round(2 * final.improvement * pairs) / 2
        count += pairs
    return f"{won:g} of {count}" if count else NOTHING
