"""The cost model of DOTS + RR against the ledger: completions per step, and the time that they should save."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.arms import CLOCKS, clock
from analysis.dots_rr.arms import DOTS, DOTS_RR, RR, Arms, find, role
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.run import Run
from analysis.runs import Series
from analysis.statistics import Interval, t_interval
from analysis.tables import Table, numbers
from analysis.text import NOTHING, number, spread
from repro.tracking.series import COMPLETIONS, REUSED, SPEND, TOPPED_UP, WARM_UP, cost_of

PAPER_ROLLOUT_SHARES = (0.46, 0.54)
"""Rollouts' share of a GRPO step's time in the paper."""

PAPER_VOLUME = 0.75
"""Rollout volume against GRPO in the paper: delta + K / (mu B) = 0.5 + 256 / (2 x 512)."""

TOLERANCE = 0.02
"""Relative error up to which the ledger agrees with the formula."""


def references_per_step(series: Series) -> float:
    """K / (mu B): references per question of a step. An oracle measures the whole pool; other arms have 0.

    References with other numbers of samples than G count by their completions.
    """
    train, selection = series.cell["train"], series.selection
    if role(series) not in (DOTS, DOTS_RR):
        return 0.0
    count = selection["references"]
    if selection.get("predictor") == "oracle":
        count = series.runs[0].json("selection.json").get("pool", math.nan)
    samples = selection.get("samples") or train["group_size"]
    return float(count * samples / train["group_size"] / (selection["every"] * train["questions_per_step"]))


def rollout_volume(series: Series) -> float:
    """Completions per step against plain GRPO: delta + K / (mu B); 1 for plain GRPO. The series must have runs."""
    return (float(series.replay["fresh"]) if series.replay else 1.0) + references_per_step(series)


def rollout_share(measures: Measures, series: Series) -> float:
    """Share of the time (see `clock`) of a series' training that is spent on rollouts; NaN without a ledger."""
    total = sum(measures.cost(series.label, phase, clock(series)) for phase in SPEND)
    return measures.cost(series.label, "rollout", clock(series)) / total if total else math.nan


def time_per_step_saved(series: Series, reference: Series) -> Interval:
    """1 - time per step (see `clock`) ÷ that of the reference: geometric mean over paired seeds, 95 % t-interval."""
    ours, theirs = _time_per_step(series), _time_per_step(reference)
    ratio = t_interval([math.log(ours[seed] / theirs[seed]) for seed in ours if seed in theirs])
    value, high, low = (1 - math.exp(bound) for bound in (ratio.value, ratio.low, ratio.high))
    return Interval(value, low, high, ratio.n)


def _time_per_step(series: Series) -> dict[int, float]:
    out = {}
    for run in series.runs:
        spent = run.metric(cost_of(clock(series)))
        if len(spent) and spent.index[-1] > 0 and spent.iloc[-1] > 0:
            out[run.place.seed] = float(spent.iloc[-1]) / float(spent.index[-1])
    return out


# ---------------------------------------------------------------- completions


@dataclass(frozen=True)
class Counted:
    """Completions of one run as the ledger has them, probes and rollouts together, `group_size` of them a group.

    The formula describes the steps after the warm-up, in whole windows of mu steps: `steps` of them made `completions`,
    `topped_up` of these for fresh groups that stood in for replayed ones; `reused` more were not made, because
    references trained with the completions that measured them. NaN where the buffer never filled.
    """

    warm_up: int
    steps: int
    completions: float
    topped_up: float
    reused: float
    whole: float  # completions per step over the whole run

    @property
    def per_step(self) -> float:
        """Completions per step without top-ups, and as if references had not trained."""
        return (self.completions - self.topped_up + self.reused) / self.steps if self.steps else math.nan


def count(run: Run, series: Series) -> Counted | None:
    """Read a run's completions off its cumulative `cost/completions`; None where it was not recorded."""
    total = run.metric(COMPLETIONS)
    total = total[total.index > 0] - run.cost_at(COMPLETIONS, 0)
    if total.empty:
        return None
    made = total.diff().fillna(total.iloc[0])
    topped = pd.Series(0.0, index=made.index)  # fresh groups in place of replayed ones, by step
    if series.replay:
        topped = run.metric(TOPPED_UP).add(run.metric(WARM_UP), fill_value=0.0)
    last = int(made.index[-1])
    every = int(series.selection["every"]) if role(series) in (DOTS, DOTS_RR) else 1
    filled = [int(step) for step, groups in topped.items() if groups == 0]
    before = min(filled) - 1 if filled else last
    warm_up = -(-before // every) * every  # a refresh pays for a whole window
    steps = max(0, (last - warm_up) // every * every)
    size = series.cell["train"]["group_size"]
    reused = run.metric(REUSED) if series.selection.get("reuse_references") else pd.Series(dtype=float)

    def inside(values: pd.Series) -> float:
        return float(values[(values.index > warm_up) & (values.index <= warm_up + steps)].sum())

    whole = float(total.iloc[-1]) / last
    return Counted(warm_up, steps, inside(made), inside(topped) * size, inside(reused) * size, whole)


def counts(series: Series) -> dict[int, Counted]:
    """Seed -> what the ledger counted."""
    found = {run.place.seed: count(run, series) for run in series.runs}
    return {seed: one for seed, one in found.items() if one is not None}


def cost_model(panels: Sequence[Measures]) -> list[Table | Picture]:
    """delta + K / (mu B) against completions counted, and the time per step that follows from it against the clock."""
    arms = Arms(panels)
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    timed: list[list[str]] = []
    times: list[dict[str, Any]] = []
    for measures in panels:
        for series in measures.panel.series:
            reference = find(measures, arms.reference(series.label))
            if reference is None or not described(series):
                continue
            ours, theirs = counts(series), counts(reference)
            if not ours or not theirs:
                continue
            plain = float(np.mean([one.whole for one in theirs.values()]))  # completions per step of GRPO
            row, record = _volume_row(measures, series, ours, plain)
            rows.append(row)
            data.append(record)
            told, numbers_of = _time_row(measures, series, reference, record["whole_run"])
            timed.append(told)
            times.append(numbers_of)
    if not rows:
        return []
    header = ["model, data", "arm", "δ", "K / (μ B)", "formula", "ledger", "worst error, %", f"≤ {100 * TOLERANCE:g} %"]
    header += ["warm-up, steps", "topped up, groups", "reused, groups", "ledger, whole run"]
    passed = sum(record["within"] for record in data)
    caption = (
        "Completions per step (probes and rollouts, counted where they are generated) ÷ GRPO's. Formula: δ + K / (μ "
        "B). Ledger: mean over seeds after the warm-up, the steps until the buffer first held enough groups, and "
        "without fresh groups that later topped up a short buffer, and as if references that trained with the "
        "completions which measured them had been rolled out again; all three stand apart, as means per run, and the "
        "last column is what was spent. Worst error: of any seed. Arms that the formula does not describe (filters, "
        f"dynamic sampling) are left out. Within {100 * TOLERANCE:g} %: {passed} of "
        f"{len(data)}. Published: formula {PAPER_VOLUME}, no count."
    )
    title = "DOTS + RR, cost model: rollouts"
    volume = Table("dots_rr.cost_model", title, header, rows, pd.DataFrame(data), caption, 2)
    header = ["model, data", "arm", "rollouts' share of GRPO, %", "predicted: formula, %", "predicted: ledger, %"]
    header += ["measured, %", "of it rollouts and probes, points", "of it the rest, points"]
    low, high = (100 * share for share in PAPER_ROLLOUT_SHARES)
    caption = (
        "Time per step saved against GRPO; negative means more was needed. Predicted: rollouts' share of GRPO's time × "
        "(1 − volume), the volume from the formula or as the ledger counted it over the whole run. Measured: whole "
        "runs, geometric mean over paired seeds with a 95 % t-interval; its parts are differences of mean times in "
        "points of a GRPO step. The model takes the rest of a step (updates, predictions, log-probs of replayed "
        f"groups) for unchanged. {CLOCKS} In the paper rollouts take {low:.0f} to {high:.0f} % of a step."
    )
    title = "DOTS + RR, cost model: time per step saved"
    return [volume, Table("dots_rr.cost_model_time", title, header, timed, pd.DataFrame(times), caption, 2)]


def described(series: Series) -> bool:
    """Whether the formula describes an arm: selection by difficulty, replay or both."""
    return role(series) in (DOTS, RR, DOTS_RR)


def _volume_row(
    measures: Measures, series: Series, found: dict[int, Counted], plain: float
) -> tuple[list[str], dict[str, Any]]:
    formula = rollout_volume(series)
    ratios = np.array([one.per_step / plain for one in found.values()])  # (seeds,)
    errors = np.abs(ratios / formula - 1)  # (seeds,)
    worst = float(errors.max())  # NaN where a seed never left its warm-up
    record: dict[str, Any] = {"model_data": measures.panel.title, "arm": series.label, "seeds": len(found)}
    record |= {"delta": formula - references_per_step(series), "references_per_step": references_per_step(series)}
    record |= {"formula": formula, "ledger": float(ratios.mean()), "worst_error": worst, "within": worst <= TOLERANCE}
    size = series.cell["train"]["group_size"]
    record["warm_up_steps"] = float(np.mean([one.warm_up for one in found.values()]))
    record["topped_up_groups"] = float(np.mean([one.topped_up / size for one in found.values()]))
    record["reused_groups"] = float(np.mean([one.reused / size for one in found.values()]))
    record["whole_run"] = float(np.mean([one.whole for one in found.values()])) / plain
    row = [measures.panel.title, f"`{series.label}`", number(record["delta"], 2)]
    row += [number(record[name], 3) for name in ("references_per_step", "formula", "ledger")]
    verdict = NOTHING if math.isnan(worst) else "yes" if record["within"] else "no"
    row += [number(100 * worst, 2), verdict, number(record["warm_up_steps"])]
    row += [number(record["topped_up_groups"]), number(record["reused_groups"])]
    return [*row, number(record["whole_run"], 3)], record


def _time_row(measures: Measures, series: Series, reference: Series, whole: float) -> tuple[list[str], dict[str, Any]]:
    share = rollout_share(measures, reference)
    saved = time_per_step_saved(series, reference)
    ours, theirs = _phases(measures, series), _phases(measures, reference)
    step = sum(theirs.values())
    generated = sum(theirs[phase] - ours[phase] for phase in ("probe", "rollout")) / step if step else math.nan
    rest = sum(theirs[phase] - ours[phase] for phase in ("score", "train")) / step if step else math.nan
    formula, ledger = share * (1 - rollout_volume(series)), share * (1 - whole)
    row = [measures.panel.title, f"`{series.label}`", number(100 * share), number(100 * formula), number(100 * ledger)]
    row += [spread(saved, 100), number(100 * generated, sign=True), number(100 * rest, sign=True)]
    record: dict[str, Any] = {"model_data": measures.panel.title, "arm": series.label, "rollout_share": share}
    record |= {"predicted_by_formula": formula, "predicted_by_ledger": ledger, **numbers("measured", saved)}
    return row, record | {"rollouts_and_probes": generated, "rest": rest}


def _phases(measures: Measures, series: Series) -> dict[str, float]:
    """Mean time (see `clock`) per step by phase."""
    steps = measures.final(series.label).step.value
    return {phase: measures.cost(series.label, phase, clock(series)) / steps for phase in SPEND}
