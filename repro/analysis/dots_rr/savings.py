"""DOTS + RR, Table 1: what reaching the baseline's accuracy saves; and when each seed got there, without smoothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE
from repro.analysis.axes import AXES, name_of
from repro.analysis.comparable import NOT_COMPARABLE, Unfit, said, unfit
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, HEADLINE, RR, Arms, find, rows_said
from repro.analysis.dots_rr.cost import (
    PAPER_VOLUME,
    published_rollout_share,
    rollout_share,
    rollout_volume,
    time_per_step_saved,
)
from repro.analysis.equal_cost import Saving
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_number, published_table
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, brackets, digits_beside, not_reached, number, spread, time_or_more, withheld
from repro.tracking.series import cost_of


def table_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Steps, time per step and total time saved, with what the cost model predicts, above the published rows."""
    header = ["model, data", "arm", "steps saved, %", "time per step saved, %", "total time saved, %"]
    header += ["cost model: time per step saved, %"]
    arms = Arms(panels)
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    apart: list[Unfit | None] = []
    untold: list[Saving] = []
    for measures in panels:
        for part in (DOTS, RR, DOTS_RR):
            series = find(measures, arms.headline(part))
            reference = measures.panel.baseline_of(series) if series is not None else None
            if series is None or reference is None or arms.of(reference.label).role != GRPO:
                continue
            steps, total = (measures.time(series.label, axis).less for axis in ("steps", "seconds"))
            assert steps is not None and total is not None
            untold += [steps, *([] if unfit((series, reference), cost_of(series.clock)) else [total])]
            per_step = time_per_step_saved(series, reference)
            predicted = rollout_share(measures, reference) * (1 - rollout_volume(series))
            why = next(iter(unfit((series, reference), cost_of(series.clock)).values()), None)
            apart.append(why)
            whole = NOT_COMPARABLE if why else _cell(total)
            rows.append([measures.panel.title, f"`{series.label}`", _cell(steps), spread(per_step, 100), whole])
            rows[-1].append(number(100 * predicted))
            data.append({"source": "ours", "model_data": measures.panel.title, "arm": series.label, "part": part})
            data[-1] |= numbers("steps_saved", saved(steps)) | numbers("time_per_step_saved", per_step)
            data[-1] |= {} if why else numbers("total_time_saved", saved(total))
            data[-1] |= {"cost_model_time_per_step_saved": predicted}
    ours = len(rows)
    published = published_table("dots_rr", "table_1")
    for (model, dataset), one in published.groupby(["model", "dataset"], sort=False):
        value = dict(zip(one["metric"], one["value"] / 100, strict=True))
        printed = {n: value[f"{n}_percent"] for n in ("steps_saved", "time_per_step_saved", "total_time_saved")}
        predicted = (1 - PAPER_VOLUME) * published_rollout_share(str(model))
        cells = [number(100 * v) for v in (*printed.values(), predicted)]
        rows.append([f"{model}, {dataset} (published)", DOTS_RR, *cells])
        data.append({"source": "published", "model_data": f"{model}, {dataset}", "arm": DOTS_RR, "part": DOTS_RR})
        data[-1] |= printed
        data[-1] |= {"cost_model_time_per_step_saved": predicted}
    caption = (
        "Saved against the baseline until the mean over seeds, linear between evaluations, reaches the baseline's "
        "final accuracy; negative means more was needed. In brackets: 95 % intervals over seeds and questions of both "
        "arms; −∞ where an arm may not get there. Not reached, < x: what the arm's runs leave open lies "
        "below x, which is no sign of a saving. Time per step: whole runs, geometric mean over paired seeds, 95 % "
        "t-interval. Cost model: rollouts' share of the baseline's time × (1 − volume), volume = δ + K / (μ B); for "
        f"the published rows {PAPER_VOLUME} and the share printed for each model.{withheld(untold)}{said(apart)} "
        f"{CLOCKS} {rows_said(panels)} The paper puts the mean of its total time saved at "
        f"{number(published_number('dots_rr', 'section_5.2', 'mean_total_time_saved_percent'))} %. Its models and data "
        "differ from ours: compare signs and the cost model, not sizes."
    )
    title, emphasis = "DOTS + RR, Table 1: what was saved", frozenset(range(ours))
    note = (
        "Saved against the baseline until its final accuracy is reached; negative means more was needed. Cost model: "
        "rollouts' share of the baseline's time × (1 − volume), volume = δ + K / (μ B). Brackets: 95 % intervals."
        f"{withheld(untold)}{said(apart)} {CLOCKS_NOTE}"
    )
    return [Table("dots_rr.table_1", title, header, rows, pd.DataFrame(data), caption, 2, emphasis, note=note)]


def saved(less: Saving) -> Interval:
    """1 - 1 / times less; -inf where the arm may never get there, NaN where it does not or where it is withheld."""

    def share(ratio: float) -> float:
        return -math.inf if ratio == 0 else 1 - 1 / ratio

    return Interval(share(less.value), share(less.low), share(less.high), less.n)


def _cell(less: Saving) -> str:
    if not less.known:
        return NOTHING
    found = saved(less)
    if math.isnan(found.value):
        return not_reached(100 * found.high, digits_beside(found, (0.0,), 100, 1))
    return f"{number(100 * found.value)} {brackets(found, 100)}"


# ---------------------------------------------------------------- seed by seed


def steps_to_match(panels: Sequence[Measures]) -> list[Table | Picture]:
    """When each seed first reached the baseline's final accuracy, by steps, tokens and time."""
    arms = Arms(panels)
    clock = panels[0].panel.clock if panels else "seconds"
    header = ["model, data", "arm", "target, %", "seeds", *(name_of(axis, clock) for axis in AXES)]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for measures in panels:
        for part in HEADLINE:
            series = find(measures, arms.headline(part))
            if series is None:
                continue
            times = {axis: measures.time(series.label, axis) for axis in AXES}
            target = measures.target(series)
            row = [measures.panel.title, f"`{series.label}`", number(100 * target)]
            row.append(", ".join(map(str, series.seeds)))
            for time in times.values():
                each = zip(time.per_seed, time.budgets, strict=True)
                row.append(", ".join(time_or_more(*one) for one in each))
            rows.append(row)
            for index, seed in enumerate(series.seeds):
                data.append({"model_data": measures.panel.title, "arm": series.label, "part": part, "seed": seed})
                data[-1]["target"] = target
                for axis, time in times.items():
                    name = name_of(axis, clock).replace(" ", "_")
                    data[-1] |= {name: time.per_seed[index], f"{name}_budget": time.budgets[index]}
    if not rows:
        return []
    caption = (
        "Unsmoothed, seed by seed in the order of the seeds: where the line between evaluations first reaches the "
        "target; > marks a seed that did not get there in its budget. The target is the baseline's final mean, which "
        f"about half of its own seeds do not reach. {CLOCKS} On smoothed curves such numbers are fragile: between the "
        f"paper's versions {_moved()}."
    )
    title = "DOTS + RR: steps to match, by seed"
    note = (
        "Where the line between evaluations first reaches the baseline's final mean, in the order of the seeds; "
        f"> marks a seed that did not get there in its budget. {CLOCKS_NOTE}"
    )
    paper = [name for name in header if name != "seeds"]
    return [
        Table("dots_rr.steps_to_match", title, header, rows, pd.DataFrame(data), caption, 2, paper=paper, note=note)
    ]


def _moved() -> str:
    """The largest change of a published saving between the first version of the paper and the last."""
    table = published_table("dots_rr", "table_1").pivot(index=["model", "dataset"], columns="metric", values="value")
    first, last = table["total_time_saved_percent_v1"], table["total_time_saved_percent"]
    most = (last - first).abs().idxmax()
    place = ", ".join(map(str, most)) if isinstance(most, tuple) else str(most)
    return f"the total time saved on {place} moved from {number(first[most])} % to {number(last[most])} %"
