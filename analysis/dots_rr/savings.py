"""DOTS + RR, Table 1: what reaching the baseline's accuracy saves; and when each seed got there, without smoothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.arms import CLOCKS, CLOCKS_NOTE, clock
from analysis.comparable import NOT_COMPARABLE, Unfit, said, unfit
from analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, RR, Arms, find, rows_said
from analysis.dots_rr.cost import (
    PAPER_VOLUME,
    published_rollout_share,
    rollout_share,
    rollout_volume,
    time_per_step_saved,
)
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_number, published_table
from analysis.runs import Series
from analysis.statistics import Interval
from analysis.tables import Table, numbers
from analysis.text import NOTHING, amount, number, seconds, spread
from analysis.times import Bounds, Ratio, sustained_crossing
from repro.tracking.series import GENERATED_TOKENS, cost_of


def table_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Steps, time per step and total time saved, with what the cost model predicts, above the published rows."""
    header = ["model, data", "arm", "steps saved, %", "time per step saved, %", "total time saved, %"]
    header += ["cost model: time per step saved, %"]
    arms = Arms(panels)
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart: list[Unfit | None] = []
    for measures in panels:
        for part in (DOTS, RR, DOTS_RR):
            series = find(measures, arms.headline(part))
            reference = measures.panel.baseline_of(series) if series is not None else None
            if series is None or reference is None or arms.of(reference.label).role != GRPO:
                continue
            steps = measures.time(series.label, "steps").speedup
            total = measures.time_by(series.label, cost_of(clock(series))).speedup
            assert steps is not None and total is not None
            per_step = time_per_step_saved(series, reference)
            predicted = rollout_share(measures, reference) * (1 - rollout_volume(series))
            why = next(iter(unfit((series, reference), cost_of(clock(series))).values()), None)
            apart.append(why)
            whole = NOT_COMPARABLE if why else _cell(total)
            rows.append([measures.panel.title, f"`{series.label}`", _cell(steps), spread(per_step, 100), whole])
            rows[-1].append(number(100 * predicted))
            data.append({"source": "ours", "model_data": measures.panel.title, "arm": series.label, "part": part})
            data[-1] |= _columns("steps_saved", steps) | numbers("time_per_step_saved", per_step)
            data[-1] |= {} if why else _columns("total_time_saved", total)
            data[-1] |= {"cost_model_time_per_step_saved": predicted}
    ours = len(rows)
    published = published_table("dots_rr", "table_1")
    for (model, dataset), one in published.groupby(["model", "dataset"], sort=False):
        value = dict(zip(one["metric"], one["value"] / 100, strict=True))
        saved = {name: value[f"{name}_percent"] for name in ("steps_saved", "time_per_step_saved", "total_time_saved")}
        predicted = (1 - PAPER_VOLUME) * published_rollout_share(str(model))
        cells = [number(100 * v) for v in (*saved.values(), predicted)]
        rows.append([f"{model}, {dataset} (published)", DOTS_RR, *cells])
        data.append({"source": "published", "model_data": f"{model}, {dataset}", "arm": DOTS_RR, "part": DOTS_RR})
        for name in ("steps_saved", "total_time_saved"):
            data[-1] |= {f"{name}_from": saved[name], f"{name}_to": saved[name]}
        data[-1] |= {"time_per_step_saved": saved["time_per_step_saved"]}
        data[-1] |= {"cost_model_time_per_step_saved": predicted}
    caption = (
        "Saved against the baseline until its final accuracy is held; negative means more was needed. Steps and total "
        "time: from the ratio of medians over seeds, with its bootstrap interval over seeds, widened by the spacing of "
        "evaluations; < and > where censored runs leave it open, and −∞ where an arm may never get there. Time per "
        "step: whole runs, geometric mean over paired seeds, 95 % t-interval. Cost model: rollouts' share of the "
        f"baseline's time × (1 − volume), volume = δ + K / (μ B); for the published rows {PAPER_VOLUME} and the share "
        f"printed for each model.{said(apart)} {CLOCKS} {rows_said(panels)} The paper puts the mean of its total time "
        f"saved at {number(published_number('dots_rr', 'section_5.2', 'mean_total_time_saved_percent'))} %. Its models "
        "and data differ from ours: compare signs and the cost model, not sizes."
    )
    title, emphasis = "DOTS + RR, Table 1: what was saved", frozenset(range(ours))
    note = (
        "Saved against the baseline until its final accuracy is held; negative means more was needed, < and > that "
        "some runs never held it. Cost model: rollouts' share of the baseline's time × (1 − volume), volume = δ + K / "
        f"(μ B). Brackets: 95 % intervals over seeds.{said(apart)} {CLOCKS_NOTE}"
    )
    return [Table("dots_rr.table_1", title, header, rows, pd.DataFrame(data), caption, 2, emphasis, note=note)]


def saved(speedup: Ratio) -> tuple[Bounds, Interval]:
    """1 - 1 / speedup: the range that censored runs allow, and the interval; -inf where the arm may never get there."""

    def share(ratio: float) -> float:
        return -math.inf if ratio == 0 else 1 - 1 / ratio

    point = Bounds(share(speedup.point.low), share(speedup.point.high))
    return point, Interval(point.low, share(speedup.low), share(speedup.high), min(speedup.n))


def _cell(speedup: Ratio) -> str:
    point, interval = saved(speedup)
    if math.isinf(point.low) and point.high >= 1:
        return NOTHING
    if point.exact:
        text = number(100 * point.low)
    elif math.isinf(point.low):
        text = f"< {number(100 * point.high)}"
    elif point.high >= 1:
        text = f"> {number(100 * point.low)}"
    else:
        text = f"{number(100 * point.low)} to {number(100 * point.high)}"
    return f"{text} [{number(100 * interval.low)}, {number(100 * interval.high)}]" if interval.known else text


def _columns(name: str, speedup: Ratio) -> dict[str, float]:
    point, interval = saved(speedup)
    out = {f"{name}_from": point.low, f"{name}_to": point.high}
    return out | {f"{name}_low": interval.low, f"{name}_high": interval.high}


# ---------------------------------------------------------------- seed by seed


def steps_to_match(panels: Sequence[Measures]) -> list[Table | Picture]:
    """When each seed first held the baseline's final accuracy at two evaluations in a row, by steps, tokens, time."""
    arms = Arms(panels)
    header = ["model, data", "arm", "target, %", "seeds", "step", "generated tokens", "time, s"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for measures in panels:
        for part in HEADLINE:
            series = find(measures, arms.headline(part))
            if series is None:
                continue
            target = measures.target(series)
            row = [measures.panel.title, f"`{series.label}`", number(100 * target)]
            row.append(", ".join(map(str, series.seeds)))
            found = {metric: crossings(measures, series, metric, target) for metric in _metrics(series)}
            row += [", ".join(say(*one) for one in each) for each, say in zip(found.values(), _SAY, strict=True)]
            rows.append(row)
            for index, seed in enumerate(series.seeds):
                data.append({"model_data": measures.panel.title, "arm": series.label, "part": part, "seed": seed})
                data[-1]["target"] = target
                for name, each in zip(("steps", "generated_tokens", "seconds"), found.values(), strict=True):
                    data[-1] |= {name: each[index][0], f"{name}_budget": each[index][1]}
    if not rows:
        return []
    caption = (
        "Unsmoothed, seed by seed in the order of the seeds: the first evaluation that reaches the target and whose "
        "next one does too; > marks a seed that did not get there in its budget. The target is the baseline's final "
        f"mean, which about half of its own seeds hold at the end only, where nothing can confirm it. {CLOCKS} On "
        f"smoothed curves such numbers are fragile: between the paper's versions {_moved()}."
    )
    title = "DOTS + RR: steps to match, by seed"
    note = (
        "The first evaluation that reaches the baseline's final mean and whose next one does too, in the order of the "
        f"seeds; > marks a seed that did not get there in its budget. {CLOCKS_NOTE}"
    )
    paper = [name for name in header if name != "seeds"]
    return [
        Table("dots_rr.steps_to_match", title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)
    ]


def crossings(measures: Measures, series: Series, metric: str, target: float) -> list[tuple[float, float]]:
    """(when, budget) per seed in cost `metric`: NaN for a seed that never held the target twice in a row."""
    out = []
    for run in series.runs:
        cost, scores = run.evaluated_cost(metric, measures.panel.main)
        index = sustained_crossing(list(scores), target)
        out.append((math.nan if index is None else float(cost[index]), float(cost[-1])))
    return out


def _metrics(series: Series) -> tuple[str, str, str]:
    return "step", GENERATED_TOKENS, cost_of(clock(series))


def _or_more(when: float, budget: float, text: Any) -> str:
    return f"> {text(budget)}" if np.isnan(when) else str(text(when))


_SAY = (
    lambda when, budget: _or_more(when, budget, lambda value: number(value, 0)),
    lambda when, budget: _or_more(when, budget, amount),
    lambda when, budget: _or_more(when, budget, seconds),
)


def _moved() -> str:
    """The largest change of a published saving between the first version of the paper and the last."""
    table = published_table("dots_rr", "table_1").pivot(index=["model", "dataset"], columns="metric", values="value")
    first, last = table["total_time_saved_percent_v1"], table["total_time_saved_percent"]
    most = (last - first).abs().idxmax()
    place = ", ".join(map(str, most)) if isinstance(most, tuple) else str(most)
    return f"the total time saved on {place} moved from {number(first[most])} % to {number(last[most])} %"
