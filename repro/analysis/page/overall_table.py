"""The table of all models and tasks together: how much each arm gains beside the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from repro.analysis.comparable import at_end_beside_baseline
from repro.analysis.comparison import weak
from repro.analysis.measures import Measures
from repro.analysis.page.pairs_won import WON, pairs_won
from repro.analysis.statistics import fixed_mean
from repro.analysis.tables import Table, numbers
from repro.analysis.text import joined, spread


def overall_table(panels: Sequence[Measures]) -> Table:
    """Gain of each arm as a share of the baseline's, averaged over pairs of model and task."""
    labels = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
    header = ["arm", "pairs of model and task", "runs", "gain, % of the baseline's", "pairs of runs won"]
    rows, data = [], []
    for label in labels:
        shares = [found for measures in panels if (found := _share_of_gain(measures, label)) is not None]
        interval = fixed_mean(shares)
        beside = [
            (measures, final)
            for measures in panels
            for final in measures.finals
            if final.series.label == label and not at_end_beside_baseline(measures.panel, final.series)
        ]
        known = [final.improvement for _, final in beside if final.improvement is not None]
        chance = sum(known) / len(known) if known else math.nan
        rows.append([f"`{label}`", str(len(shares)), str(interval.n), spread(interval, 100, 0), pairs_won(beside)])
        data.append({"arm": label, "panels": len(shares), "runs": interval.n, **numbers("share_of_gain", interval)})
        data[-1]["probability_of_improvement"] = chance
    caption = (
        "Gain: final accuracy above the start policy's, as a share of what the baseline gains on that pair, so that an "
        "easy task does not drown a hard one; mean over these pairs, 95 % interval over seeds."
    )
    left = [one.panel.title for one in panels if any(weak(one.final(s.label).gain) for s in one.panel.references)]
    if left:
        caption += f" Left out, because the baseline did not clearly gain there: {joined(left)}."
    return Table("overall", "Over all models and tasks", header, rows, pd.DataFrame(data), caption, notes=(WON,))


def _share_of_gain(measures: Measures, label: str) -> list[float] | None:
    """(final - start) / (the baseline's final - start) of every seed; None without the arm or a clear gain."""
    final = next((final for final in measures.finals if final.series.label == label), None)
    if final is None:
        return None
    start = measures.start.sampled.value
    reference = measures.panel.baseline_of(final.series) or final.series
    whole = measures.final(reference.label)
    gain = whole.accuracy.value - start
    return None if weak(whole.gain) or gain <= 0 else [(score - start) / gain for score in final.per_seed]
