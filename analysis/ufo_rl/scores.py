"""UFO-RL, Table 2: how single-pass scores of the start policy go with its pass rates, lengths and difficulty."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.association import RESAMPLES, Statistic, auroc, bootstrap, partial_spearman, pearson, spearman
from analysis.facets import facets, outer
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.pool import Array, Levels, Pool, pools_of
from analysis.selections import CONFIDENCE, words
from analysis.statistics import Interval, t_interval
from analysis.style import in_order, shared_legend
from analysis.tables import Table, numbers
from analysis.text import NOTHING, number, score_value, spread
from analysis.ufo_rl.arms import scores, target_name

FEW = 5
"""No interval of a mean over fewer questions than this."""


@dataclass(frozen=True)
class Scored:
    """Single-pass scores of one panel's questions, with what else is known of them; NaN where it is not."""

    pool: Pool
    name: str
    alone: bool  # whether it is a score of the question alone
    s: Array  # (n,)
    rate: Array  # (n,) base pass rate
    length: Array  # (n,) target tokens
    true: Array  # (n,) true difficulty

    @property
    def title(self) -> str:
        return self.pool.title


def scored(measures: Measures, pool: Pool) -> list[Scored]:
    """Every different score of the panel whose values are stored, over the questions with a pass rate."""
    found: dict[str, Scored] = {}
    for series in measures.panel.series:
        chosen, values = series.chosen, scores(series)
        if chosen.score == CONFIDENCE:
            name, alone = f"s of the {target_name(series)}", False
        elif chosen.score is not None and chosen.of_question_alone:
            name, alone = words(chosen.score), True
        else:
            continue
        about = series.runs[0].json("selection.json")
        lengths, true = about.get("target_tokens") or {}, about.get("steps_true") or {}
        ids = [question for question in pool.rates if question in values]
        if len(ids) < 3 or (name in found and not (lengths and np.isnan(found[name].length).all())):
            continue
        columns = (values, pool.rates, lengths, true)
        arrays = (np.array([column.get(q, math.nan) for q in ids], float) for column in columns)
        found[name] = Scored(pool, name, alone, *arrays)
    return sorted(found.values(), key=lambda one: one.alone)


def table_2(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Single-pass scores against multi-sample accuracy: association, mean score by pass rate, and its picture."""
    every = [one for measures, pool in pools_of(panels) for one in scored(measures, pool)]
    if not every:
        return []
    samples = sorted({one.pool.samples for one in every})
    binned = [_by_pass_rate([s for s in every if s.pool.samples == k], k, len(samples) > 1) for k in samples]
    return [_association(every), *binned, _curves(every)]


STATISTICS = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "auroc": "AUROC, easier half",
    "auroc_mixed": "AUROC, 0 < rate < 1",
    "length": "with target length",
    "true": "with true difficulty",
    "partial": "Spearman given length",
}


def associations(one: Scored) -> dict[str, Interval]:
    """The statistics of Table 2; those that the data do not determine are left out."""
    statistics: dict[str, Statistic] = {
        "spearman": spearman(one.s, one.rate),
        "pearson": pearson(one.s, one.rate),
        "auroc": auroc(one.s, easier_half(one.rate)),
        "auroc_mixed": auroc(-np.abs(one.s - one.s.mean()), (one.rate > 0) & (one.rate < 1)),
    }
    if _varies(one.length):
        statistics["length"] = spearman(one.s, one.length)
        statistics["partial"] = partial_spearman(one.s, one.rate, one.length)
    if _varies(one.true):
        statistics["true"] = spearman(one.s, one.true)
    name = f"{one.title}/{one.name}"
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    return bootstrap(statistics, len(one.s), generator)


def easier_half(rates: Array) -> NDArray[np.bool_]:
    """Which questions are at or above the median pass rate; above it where the median is also the lowest."""
    middle = np.median(rates)
    return rates > middle if middle == rates.min() else rates >= middle


def _varies(values: Array) -> bool:
    return not np.isnan(values).any() and bool(values.min() < values.max())


def _association(every: Sequence[Scored]) -> Table:
    header = ["model, data", "score", "questions", "K", *STATISTICS.values()]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for one in every:
        found = associations(one)
        rows.append([one.title, one.name, f"{len(one.s):,}", str(one.pool.samples)])
        rows[-1] += [spread(found[key], digits=2) if key in found else NOTHING for key in STATISTICS]
        data.append({"model_data": one.title, "score": one.name, "questions": len(one.s), "samples": one.pool.samples})
        for key in STATISTICS:
            data[-1] |= numbers(key, found.get(key))
        data[-1] |= {"s_mean": float(one.s.mean()), "s_std": float(one.s.std())}
    caption = (
        f"Each score against the start policy's pass rate over K samples, question by question; 95 % percentile "
        f"intervals from {RESAMPLES:,} bootstrap draws of questions. AUROC, easier half: the chance that a question "
        "at or above the pool's median pass rate scores higher than one below; a split at the median keeps both sides "
        "large for weak and strong policies alike, where a split at 0 would hang on K. AUROC, 0 < rate < 1: the same "
        "for nearness to the mean score as a sign of a question that is neither never nor always solved, which is "
        "what the selection relies on (0.5: no better than chance). Target length and true difficulty: Spearman's rho "
        "with the score. Given length: partial rank correlation with the pass rate at equal target length; if it is "
        "much nearer 0, the score follows length. A pass rate over few samples is noisy, which pulls every "
        f"correlation towards 0. A dash: not recorded, or the same for every question."
    )
    title = "UFO-RL, Table 2: multi-sample accuracy against single-pass scores"
    note = (
        "Each score against the start policy's pass rate over K samples, question by question; 95 % intervals from "
        f"{RESAMPLES:,} bootstrap draws. AUROC, easier half: of the score, for questions at or above the median pass "
        "rate. AUROC, 0 < rate < 1: of nearness to the mean score, for questions neither never nor always solved. "
        "Given length: partial correlation at equal target length."
    )
    shown = ("spearman", "auroc", "auroc_mixed", "partial")
    paper = [*header[:2], *(STATISTICS[key] for key in shown)]
    return Table("ufo_rl.table_2", title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)


def by_level(one: Scored) -> list[Interval]:
    """Mean score of the questions in each pass-rate column, with a 95 % t-interval over them (none below `FEW`)."""
    levels = Levels(one.pool.samples)
    which = levels.of(one.rate)
    out = []
    for level in range(levels.count):
        found = t_interval(one.s[which == level])
        out.append(found if found.n >= FEW else Interval(found.value, math.nan, math.nan, found.n))
    return out


def _by_pass_rate(every: Sequence[Scored], samples: int, several: bool) -> Table:
    levels = Levels(samples)
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for one in every:
        found = by_level(one)
        rows.append([one.title, one.name])
        rows[-1] += [f"{score_value(each.value)} ({each.n:,})" if each.n else NOTHING for each in found]
        for name, each in zip(levels.names, found, strict=True):
            data.append({"model_data": one.title, "score": one.name, "pass_rate": name, "questions": each.n})
            data[-1] |= numbers("s", each)
    caption = (
        f"Mean score of the questions with each pass rate over K = {samples} samples, and how many there are; "
        "intervals are in the figure and in the CSV file."
    )
    name = "ufo_rl.table_2_by_pass_rate" + (f"_k{samples}" if several else "")
    title = "UFO-RL, Table 2, continued: mean score by pass rate"
    return Table(name, title, ["model, data", "score", *levels.names], rows, pd.DataFrame(data), caption, 2)


def _curves(every: Sequence[Scored]) -> Picture:
    titles, names = list(dict.fromkeys(one.title for one in every)), list(dict.fromkeys(one.name for one in every))
    styles = in_order(names)
    rows: list[dict[str, Any]] = []
    for one in every:
        for centre, each in zip(Levels(one.pool.samples).centres, by_level(one), strict=True):
            rows.append({"model_data": one.title, "score": one.name, "pass_rate": centre, "questions": each.n})
            rows[-1] |= numbers("s", each)

    def draw(narrow: bool) -> Figure:
        figure, axes = facets(titles, narrow, len(names))
        for axis, title in zip(axes, titles, strict=True):
            for one in (one for one in every if one.title == title):
                _curve(axis, one, styles[one.name].line(marker=styles[one.name].marker))
            axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axis.set_ylim(bottom=0)
            outer(axis, "base pass rate", "mean score")
        drawn = {str(line.get_label()): line for axis in axes for line in axis.lines}
        shared_legend(figure, [drawn[name] for name in names], names, narrow)
        return figure

    each_rank = [float(spearman(one.s, one.rate)(np.ones((1, len(one.s))))[0]) for one in every]
    named = zip(every, each_rank, strict=True)
    said = "; ".join(f"{one.title}, {one.name}: rho {number(rank, 2)}" for one, rank in named)
    return Picture(
        "ufo_rl.table_2_curves",
        "UFO-RL, Table 2 as a figure: mean score by pass rate",
        f"Mean score of the questions with each pass rate; bars are 95 % t-intervals over questions, left out below "
        f"{FEW} questions. A score that can stand for the pass rate rises all the way.",
        f"Mean single-pass score against base pass rate, one facet per model and dataset. {said}.",
        pd.DataFrame(rows),
        draw,
    )


def _curve(axis: Axes, one: Scored, look: dict[str, Any]) -> None:
    found = by_level(one)
    shown = [(x, each) for x, each in zip(Levels(one.pool.samples).centres, found, strict=True) if each.n]
    known = [(x, each) for x, each in shown if each.known]
    axis.vlines([x for x, _ in known], [e.low for _, e in known], [e.high for _, e in known], color=look["color"],
                linewidth=1.1, alpha=0.7)  # fmt: skip
    axis.plot([x for x, _ in shown], [e.value for _, e in shown], label=one.name, **look)
