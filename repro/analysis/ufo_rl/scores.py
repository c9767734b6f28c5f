"""UFO-RL, Table 2: how single-pass scores of the start policy go with its pass rates, lengths and difficulty."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.analysis.association import RESAMPLES, Statistic, auroc, bootstrap, partial_spearman, pearson, spearman
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.pool import Array, Levels, pools_of
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, score_value, spread
from repro.analysis.ufo_rl.score_figure import score_figure
from repro.analysis.ufo_rl.scored import Scored, by_level, scored


def table_2(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Single-pass scores against multi-sample accuracy: association, mean score by pass rate, and its picture."""
    every = [one for measures, pool in pools_of(panels) for one in scored(measures, pool)]
    if not every:
        return []
    samples = sorted({one.pool.samples for one in every})
    binned = [_by_pass_rate([s for s in every if s.pool.samples == k], k, len(samples) > 1) for k in samples]
    return [_association(every), *binned, score_figure(every)]


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
