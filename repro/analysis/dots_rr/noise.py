"""DOTS + RR, Table 7: how far an accuracy on thirty questions wanders between neighbouring checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.analysis.dots_rr.arms import GRPO, Arms, find
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.run import Run
from repro.analysis.tables import Table
from repro.analysis.text import NOTHING, number

FEW = 30
"""Questions of AIME24."""

CHECKPOINTS = 6
"""Columns of the paper's table."""


Rates = tuple[NDArray[np.float64], ...]
"""Pass rates [checkpoints, questions] of each set of the main series."""


def last_rates(run: Run, main: str) -> Rates:
    """Those at the last `CHECKPOINTS` evaluations, questions in the order in which the set has them.

    Evaluations of the start policy do not count.
    """
    rows = [row for row in run.evaluations(main) if row.step > 0][-CHECKPOINTS:]
    parts = rows[0].parts if rows else ()
    return tuple(np.array([row.parts[place].rates(part.problems) for row in rows]) for place, part in enumerate(parts))


def first_questions(rates: Rates, count: int) -> Rates:
    """The same on the first `count` questions of the first set alone."""
    return (rates[0][:, :count],)


def accuracies(rates: Rates) -> NDArray[np.float64]:
    """Accuracy (checkpoints,): the unweighted mean over the sets."""
    return np.asarray(np.mean([one.mean(axis=1) for one in rates], axis=0))


def deviation(runs: Sequence[Rates]) -> float:
    """Standard deviation of accuracy over checkpoints, pooled over runs; NaN without two."""
    spreads = [float(accuracies(rates).var(ddof=1)) for rates in runs if len(rates[0]) > 1]
    return math.sqrt(float(np.mean(spreads))) if spreads else math.nan


def standard_error(rates: Rates) -> NDArray[np.float64]:
    """Standard error (checkpoints,) of the accuracy over questions, the samples of one as a cluster.

    Questions vary inside each set, the sets are fixed. NaN where a set has one question.
    """
    if min(one.shape[1] for one in rates) < 2:
        return np.full(len(rates[0]), math.nan)
    variances = [one.var(axis=1, ddof=1) / one.shape[1] for one in rates]
    return np.asarray(np.sqrt(np.sum(variances, axis=0)) / len(rates))


def table_7(panels: Sequence[Measures]) -> list[Table | Picture]:
    """GRPO's last evaluations on thirty held-out questions and on all of them, above the published rows."""
    arm = Arms(panels).headline(GRPO)
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    samples: set[int] = set()
    for measures in panels:
        series = find(measures, arm)
        if series is None:
            continue
        whole = [last_rates(run, measures.panel.main) for run in series.runs]
        if not whole[0]:
            continue
        samples |= set(measures.final(series.label).asked.samples)
        few = [first_questions(rates, FEW) for rates in whole]
        by_count = {sum(rates.shape[1] for rates in part[0]): part for part in (few, whole)}
        for count, part in by_count.items():
            accuracy, error = accuracies(part[0]), standard_error(part[0])  # (checkpoints,) of the first seed
            cells = [f"{number(100 * a)} ± {number(100 * e)}" for a, e in zip(accuracy, error, strict=True)]
            cells += [NOTHING] * (CHECKPOINTS - len(cells))
            spread = deviation(part)
            rows.append([measures.panel.title, f"`{series.label}`", str(count), *cells])
            rows[-1] += [number(100 * float(np.ptp(accuracy))), number(100 * spread)]
            steps = [row.step for row in series.runs[0].evaluations(measures.panel.main)][-len(accuracy) :]
            data += _records("ours", measures.panel.title, count, steps, accuracy, error, spread)
    ours = len(rows)
    for (model, dataset), part in published_table("dots_rr", "table_7").groupby(["model", "dataset"], sort=False):
        accuracy = part["value"].to_numpy(float) / 100
        spread = float(accuracy.std(ddof=1))
        cells = [number(100 * value) for value in accuracy]
        rows.append([f"{model}, {dataset} (published)", GRPO, str(FEW), *cells])
        rows[-1] += [number(100 * float(np.ptp(accuracy))), number(100 * spread)]
        errors = np.full(len(accuracy), math.nan)
        steps = [int(note.split()[1]) for note in part["note"]]  # "step 10 of training on ..."
        data += _records("published", f"{model}, {dataset}", FEW, steps, accuracy, errors, spread)
    header = ["model, data", "arm", "questions", *(f"checkpoint {i + 1}" for i in range(CHECKPOINTS))]
    header += ["range, points", "deviation, points"]
    k = ", ".join(f"avg@{one}" for one in sorted(samples))
    caption = (
        f"Accuracy in % at the last {CHECKPOINTS} evaluations of GRPO ({k}): the first seed, on the first {FEW} "
        "held-out questions (of the first set, where there are several) and on all of them, ± one standard error over "
        "questions, the samples of one question as a cluster. Range: of these checkpoints; deviation: standard "
        "deviation over the checkpoints of a run, pooled over all seeds. What the policy still learns is in both, so "
        "it is the difference between few questions and all that tells noise. Published: avg@8 on AIME24 at steps 10, "
        "20, ... 60 of training on DeepScaleR, whose errors cannot be had from what is printed; ours are other "
        "questions and other policies."
    )
    title, emphasis = "DOTS + RR, Table 7: noise of an evaluation on few questions", frozenset(range(ours))
    note = (
        f"Accuracy at the last {CHECKPOINTS} evaluations of GRPO ({k}), on the first {FEW} held-out questions and on "
        "all of them. Range: over these evaluations of the first seed; deviation: over those of a run, pooled over "
        "seeds. Published: avg@8 on AIME24."
    )
    paper = ("model, data", "questions", "range, points", "deviation, points")
    name, records = "dots_rr.table_7", pd.DataFrame(data)
    return [Table(name, title, header, rows, records, caption, 2, emphasis, paper, note=note)]


def _records(
    source: str,
    panel: str,
    questions: int,
    steps: Sequence[int],
    accuracy: NDArray[np.float64],
    error: NDArray[np.float64],
    spread: float,
) -> list[dict[str, Any]]:
    about = {"source": source, "model_data": panel, "questions": questions, "deviation": spread}
    each = enumerate(zip(steps, accuracy, error, strict=True), start=1)
    return [
        {**about, "checkpoint": i, "step": int(step), "accuracy": float(a), "standard_error": float(e)}
        for i, (step, a, e) in each
    ]
