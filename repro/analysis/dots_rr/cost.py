"""The cost model of DOTS + RR against the ledger: completions per step, and the time that they should save."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, RR, Arms, find, role, rows_said
from repro.analysis.dots_rr.cost_ratio import cost_ratios
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_number, published_table
from repro.analysis.run import Run
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, t_interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, joined, number, spread
from repro.tracking.series import COMPLETIONS, REUSED, SPEND, TOPPED_UP, WARM_UP, cost_of

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
    """Share of a series' time, by the report's clock, that training spends on rollouts; NaN without a ledger."""
    total = sum(measures.cost(series.label, phase, series.clock) for phase in SPEND)
    return measures.cost(series.label, "rollout", series.clock) / total if total else math.nan


def published_rollout_share(model: str) -> float:
    """The same of GRPO as the paper prints it for one of its three models. KeyError for another."""
    return published_number("dots_rr", "section_5.2", "rollout_share_percent", model) / 100


def time_per_step_saved(series: Series, reference: Series) -> Interval:
    """1 - time per step, by the report's clock, ÷ the reference's: geometric mean over paired seeds, t-interval."""
    ours, theirs = _time_per_step(series), _time_per_step(reference)
    ratio = t_interval([math.log(ours[seed] / theirs[seed]) for seed in ours if seed in theirs])
    value, high, low = (1 - math.exp(bound) for bound in (ratio.value, ratio.low, ratio.high))
    return Interval(value, low, high, ratio.n)


def _time_per_step(series: Series) -> dict[int, float]:
    out = {}
    for run in series.runs:
        spent = run.metric(cost_of(series.clock))
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
    whole: float  # completions per step over the whole run, as they were counted

    @property
    def adjusted(self) -> float:
        """Completions per step after the warm-up, without top-ups, and as if references had not trained."""
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
    """delta + K / (mu B) against completions counted, the time per step that follows from it against the clock, and
    what a rollout costs in updates."""
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
        return [*cost_ratios(panels)]
    header = ["model, data", "arm", "δ", "K / (μ B)", "formula", "counted", "counted ÷ formula − 1, %"]
    header += ["adjusted", "worst error, %", f"≤ {100 * TOLERANCE:g} %"]
    header += ["warm-up, steps", "topped up, groups", "reused, groups"]
    passed = sum(record["within"] for record in data)
    caption = (
        "Completions per step (probes and rollouts, counted where they are generated) ÷ GRPO's. Formula: δ + K / (μ "
        "B). Counted: the whole run, nothing added or left out; this is what was spent. Adjusted: as the formula has "
        "it, so after the warm-up (the steps until the buffer first held enough groups), without fresh groups that "
        "later topped up a short buffer, and as if references that trained with the completions which measured them "
        "had been rolled out again. The last three columns say how much that is, as means per run. Worst error: of the "
        "adjusted count of any seed; it checks the books, not the saving. Arms that the formula does not describe "
        f"(filters, dynamic sampling) are left out. Within {100 * TOLERANCE:g} %: {passed} of {len(data)}. The paper "
        f"prints no formula and no count; its settings give {PAPER_VOLUME}, and it puts what reuse saves of the "
        f"rollouts at {_reuse_said()} % per step (appendix A.1)."
    )
    title = "DOTS + RR, cost model: rollouts"
    note = (
        "Completions per step (probes and rollouts) ÷ GRPO's. Formula: δ + K / (μ B). Counted: the whole run. Worst "
        "error: of any seed, with warm-up, topped up and reused groups allowed for."
    )
    paper = ("model, data", "arm", "formula", "counted", "counted ÷ formula − 1, %", "worst error, %")
    volume = Table("dots_rr.cost_model", title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)
    header = ["model, data", "arm", "rollouts' share of GRPO, %", "predicted: formula, %", "predicted: ledger, %"]
    header += ["measured, %", "of it rollouts and probes, points", "of it the rest, points"]
    caption = (
        "Time per step saved against GRPO; negative means more was needed. Predicted: rollouts' share of GRPO's time × "
        "(1 − volume), the volume from the formula or as the ledger counted it over the whole run. Measured: whole "
        "runs, geometric mean over paired seeds with a 95 % t-interval; its parts are differences of mean times in "
        "points of a GRPO step. The model takes the rest of a step (updates, predictions, log-probs of replayed "
        f"groups) for unchanged. {rows_said(panels)} {CLOCKS} {_shares_said()}"
    )
    title = "DOTS + RR, cost model: time per step saved"
    note = (
        "Time per step saved against GRPO; negative means more was needed. Predicted: rollouts' share of GRPO's time × "
        "(1 − volume), the volume from the formula or as counted. Measured: geometric mean over paired seeds with a "
        f"95 % t-interval. {CLOCKS_NOTE}"
    )
    data_of, name = pd.DataFrame(times), "dots_rr.cost_model_time"
    time = Table(name, title, header, timed, data_of, caption, 2, paper=header[:6], note=note)
    return [volume, time, *cost_ratios(panels)]


def described(series: Series) -> bool:
    """Whether the formula describes an arm: selection by difficulty, replay or both."""
    return role(series) in (DOTS, RR, DOTS_RR)


def _volume_row(
    measures: Measures, series: Series, found: dict[int, Counted], plain: float
) -> tuple[list[str], dict[str, Any]]:
    formula = rollout_volume(series)
    ratios = np.array([one.adjusted / plain for one in found.values()])  # (seeds,)
    errors = np.abs(ratios / formula - 1)  # (seeds,)
    worst = float(errors.max())  # NaN where a seed never left its warm-up
    record: dict[str, Any] = {"model_data": measures.panel.title, "arm": series.label, "seeds": len(found)}
    record |= {"delta": formula - references_per_step(series), "references_per_step": references_per_step(series)}
    record["formula"] = formula
    record["whole_run"] = float(np.mean([one.whole for one in found.values()])) / plain
    record |= {"adjusted": float(ratios.mean()), "worst_error": worst, "within": worst <= TOLERANCE}
    size = series.cell["train"]["group_size"]
    record["warm_up_steps"] = float(np.mean([one.warm_up for one in found.values()]))
    record["topped_up_groups"] = float(np.mean([one.topped_up / size for one in found.values()]))
    record["reused_groups"] = float(np.mean([one.reused / size for one in found.values()]))
    row = [measures.panel.title, f"`{series.label}`", number(record["delta"], 2)]
    row += [number(record[name], 3) for name in ("references_per_step", "formula", "whole_run")]
    row += [number(100 * (record["whole_run"] / formula - 1), 1, sign=True), number(record["adjusted"], 3)]
    verdict = NOTHING if math.isnan(worst) else "yes" if record["within"] else "no"
    row += [number(100 * worst, 2), verdict, number(record["warm_up_steps"])]
    return [*row, number(record["topped_up_groups"]), number(record["reused_groups"])], record


def _reuse_said() -> str:
    saved = published_table("dots_rr", "appendix_a.1")["value"]
    return f"{number(saved.min(), 0)} to {number(saved.max(), 0)}"


def _shares_said() -> str:
    shares = published_table("dots_rr", "section_5.2").query("metric == 'rollout_share_percent'")
    told = joined([f"{number(row.value, 0)} % ({row.model})" for row in shares.itertuples()])
    batch = published_number("dots_rr", "footnote_2", "rollout_seconds_per_batch")
    return (
        f"In the paper rollouts take about {told} of a GRPO step (section 5.2); those of a batch of 512 with up to "
        f"3,072 tokens took {number(batch, 2)} s on 8 L40S (footnote 2)."
    )


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
    """Mean time (by the report's clock) per step by phase."""
    steps = measures.final(series.label).step.value
    return {phase: measures.cost(series.label, phase, series.clock) / steps for phase in SPEND}
