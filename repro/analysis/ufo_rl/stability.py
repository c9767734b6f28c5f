"""UFO-RL's claim of stability: spread over seeds, groups without gradient and completion length, by strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from repro.analysis.arms import find
from repro.analysis.effects import difference, zeros
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, fixed_mean, pooled_deviation
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, points, spread
from repro.analysis.ufo_rl.strategies import STRATEGIES, headline


def table(panels: Sequence[Measures]) -> list[Table | Picture]:
    """One row per strategy of Table 5, over all models and datasets that ran it."""
    arms = headline(panels)
    header = ["strategy", "arm", "models × data", "runs", "SD over seeds, points", "zero-variance groups, %"]
    header += ["vs full data, points", "completion tokens, start", "at the end"]
    rows, data = [], []
    for name, label in arms.items():
        found = [(measures, series) for measures in panels if (series := find(measures, label)) is not None]
        deviation = pooled_deviation([measures.final(label).per_seed for measures, _ in found])
        zero = fixed_mean([measures.zero(label).per_seed for measures, _ in found])
        effect = difference(panels, label, arms.get("full"), zeros) if name != "full" else None
        lengths = [_lengths(measures, series) for measures, series in found]
        start, end = (fixed_mean([pair[i] for pair in lengths]) for i in (0, 1))
        runs = sum(len(series.runs) for _, series in found)
        row = [STRATEGIES[name], f"`{label}`", str(len(found)), str(runs), _deviation(deviation)]
        row += [spread(zero, 100), points(effect.pooled) if effect else NOTHING]
        rows.append([*row, number(start.value), spread(end)])
        record = {"strategy": name, "arm": label, "panels": len(found), "runs": runs}
        record |= {**numbers("deviation", deviation), "degrees_of_freedom": deviation.n}
        record |= {**numbers("zero_variance", zero), **numbers("difference", effect.pooled if effect else None)}
        data.append(record | {"tokens_start": start.value, **numbers("tokens_end", end)})
    caption = (
        "SD: standard deviation of the final accuracy over seeds, from the variance averaged over models and datasets, "
        "with its 95 % chi-square interval (equal variances and normal values taken for granted). Zero-variance "
        "groups: share of freshly rolled-out groups whose rewards are all equal, averaged over training; 95 % "
        "intervals over seeds, differences paired by seed. Completion tokens: sampled completions of held-out "
        "questions, before training and at the last evaluation, the same questions for all."
    )
    title, full = "UFO-RL: stability by strategy", frozenset(i for i, name in enumerate(arms) if name == "full")
    note = (
        "SD: of the final accuracy, with its 95 % chi-square interval. Zero-variance groups: share of rolled-out "
        "groups whose rewards are all equal. Completion tokens: of held-out questions. Other brackets: 95 % intervals "
        "over seeds, differences paired."
    )
    paper = [header[0], *header[4:]]
    return [Table("ufo_rl.stability", title, header, rows, pd.DataFrame(data), caption, 2, full, paper, note=note)]


def _deviation(value: Interval) -> str:
    return spread(value, 100) if not math.isnan(value.value) else NOTHING


def _lengths(measures: Measures, series: Series) -> tuple[list[float], list[float]]:
    """Mean completion length of each run at its first and its last evaluation."""
    rows = [run.evaluations(measures.panel.main) for run in series.runs]
    return [row[0].tokens for row in rows], [row[-1].tokens for row in rows]
