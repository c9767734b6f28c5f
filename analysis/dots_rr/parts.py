"""DOTS alone against GRPO, and replay on top of DOTS: our runs above the published curves, read in the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.arms import CLOCKS, CLOCKS_NOTE
from analysis.comparable import NOT_COMPARABLE, Unfit, beside_baseline, said
from analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, REFERENCES, Arm, Arms, find
from analysis.dots_rr.cost import time_per_step_saved
from analysis.dots_rr.effects import area, metric_of
from analysis.dots_rr.readings import READ_OFF, Reading, readings
from analysis.effects import difference, finals
from analysis.measures import Measures
from analysis.published import published_number
from analysis.runs import Series
from analysis.statistics import Interval
from analysis.tables import Table, numbers
from analysis.text import NOTHING, number, points, ratio, spread

OTHER_CURVES = (
    "DOTS's curves on MATH and ORZ are not the same in Figures 5 and 10 (up to 0.9 points apart), and that on ORZ by "
    "time ends at step 54 of 60."
)


def part_tables(panels: Sequence[Measures]) -> list[Table]:
    """A table per comparison of the paper that our runs have too."""
    return [table for table in (_dots_alone(panels), _replay_on_top(panels)) if table is not None]


@dataclass
class _Rows:
    """Cells of a table beside the numbers behind them."""

    cells: list[list[str]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    apart: list[Unfit] = field(default_factory=list)

    def add(self, cells: list[str], source: str, place: str, arm: str, **more: float) -> None:
        self.cells.append(cells)
        self.data.append({"source": source, "model_data": place, "arm": arm, **more})

    def table(self, name: str, title: str, header: list[str], caption: str, note: str, ours: int) -> Table:
        data, emphasis, apart = pd.DataFrame(self.data), frozenset(range(ours)), said(self.apart)
        name, title, caption, note = f"dots_rr.{name}", f"DOTS + RR: {title}", caption + apart, note + apart
        return Table(name, title, header, self.cells, data, caption, 2, emphasis, note=note)


# ---------------------------------------------------------------- DOTS alone


def _dots_alone(panels: Sequence[Measures]) -> Table | None:
    arms, rows = Arms(panels), _Rows()
    grpo, head = arms.headline(GRPO), arms.headline(DOTS)
    if grpo is None or head is None:
        return None
    for arm in (head, *arms.variants(DOTS, REFERENCES)):
        for measures in panels:
            series = find(measures, arm)
            reference = measures.panel.baseline_of(series) if series is not None else None
            if series is not None and reference is not None and reference.label == grpo.label:
                _alone_row(rows, measures, series, grpo)
    ours = len(rows.cells)
    if not ours:
        return None
    by_time = {one.place: one for one in readings("figure_10a", DOTS, GRPO)}
    curves = [("256", one) for one in readings("figure_5a", DOTS, GRPO)]
    curves += [("256", one) for one in readings("figure_7", DOTS, GRPO, "Qwen2.5-3B")]
    curves += [("128", one) for one in readings("figure_7", "DOTS-K128", GRPO)]
    for k, one in curves:
        timed = by_time.get(one.place) if k == "256" else None
        place = f"{one.place} (published, Figure {one.figure.removeprefix('figure_')})"
        cells = [place, f"DOTS, K {k}", _times(one), _times(timed) if timed else NOTHING, *_gaps(one)]
        more = {"references": float(k), **_crossing("steps", one), **(_crossing("time", timed) if timed else {})}
        rows.add(cells, "published", one.place, DOTS, **more, at_end=one.end, over_training=one.mean)
    header = ["model, data", "arm", "steps, times less", "time, times less", "at the end, points"]
    header += ["over training, points"]
    caption = (
        "DOTS against GRPO. Steps and time: until GRPO's final accuracy is held at two evaluations in a row, GRPO's ÷ "
        "DOTS's; ours from medians over seeds with bootstrap intervals. At the end and over training (mean accuracy by "
        "steps): DOTS minus GRPO; ours paired by seed with 95 % t-intervals. "
        f"{READ_OFF} In parentheses: what a ratio may be with that error. {OTHER_CURVES} {CLOCKS}"
    )
    note = (
        "Steps and time: until GRPO's final accuracy is held at two evaluations in a row, GRPO's ÷ DOTS's; in "
        "parentheses what reading the published curves off a figure leaves open. Points: DOTS minus GRPO. Brackets: "
        f"95 % intervals over seeds. {CLOCKS_NOTE}"
    )
    return rows.table("dots_alone", "DOTS alone against GRPO, ours and published", header, caption, note, ours)


def _alone_row(rows: _Rows, measures: Measures, series: Series, grpo: Arm) -> None:
    title = measures.panel.title
    clock = metric_of("seconds", series)
    speedups = [measures.time(series.label, "steps").speedup]
    why = beside_baseline(measures.panel, series, clock)
    if why is None:
        speedups.append(measures.time_by(series.label, clock).speedup)
    else:
        speedups.append(None)
        rows.apart.append(why)
    ended = difference([measures], series.label, grpo.label, finals)
    whole = area([measures], series.label, grpo.label, "steps")
    gaps = [effect.panels.get(title, _unknown()) if effect else _unknown() for effect in (ended, whole)]
    missing = NOT_COMPARABLE if why else NOTHING
    cells = [title, f"`{series.label}`", *(ratio(one) if one else missing for one in speedups), *map(points, gaps)]
    more: dict[str, float] = {"references": float(series.selection["references"])}
    for name, one in zip(("steps", "time"), speedups, strict=True):
        if one is not None:
            more |= {f"{name}_from": one.point.low, f"{name}_to": one.point.high}
            more |= {f"{name}_low": one.low, f"{name}_high": one.high}
    more |= numbers("at_end", gaps[0]) | numbers("over_training", gaps[1])
    rows.add(cells, "ours", title, series.label, **more)


def _times(one: Reading) -> str:
    """`1.36× (1.30 to 1.36)`, without parentheses where no error matters."""
    if math.isnan(one.speedup):
        return "not held"
    low, high = one.between.low, one.between.high
    told = "" if one.between.exact else f" ({number(low, 2)} to {number(high, 2)})"
    return f"{number(one.speedup, 2)}×{told}"


def _crossing(name: str, one: Reading) -> dict[str, float]:
    return {f"{name}_from": one.speedup, f"{name}_to": one.speedup} | {
        f"{name}_error_low": one.between.low,
        f"{name}_error_high": one.between.high,
    }


def _gaps(one: Reading) -> list[str]:
    return [number(100 * value, 2, sign=True) for value in (one.end, one.mean)]


def _unknown() -> Interval:
    return Interval(math.nan, math.nan, math.nan, 0)


# ---------------------------------------------------------------- replay on top of DOTS


def _replay_on_top(panels: Sequence[Measures]) -> Table | None:
    arms, rows = Arms(panels), _Rows()
    heads = [arms.headline(part) for part in (DOTS_RR, DOTS)]
    for measures in panels:
        both, alone = (find(measures, arm) for arm in heads)
        if both is None or alone is None:
            continue
        title = measures.panel.title
        ended = difference([measures], both.label, alone.label, finals)
        whole = area([measures], both.label, alone.label, "steps")
        gaps = [effect.panels.get(title, _unknown()) if effect else _unknown() for effect in (ended, whole)]
        saved = time_per_step_saved(both, alone)
        cells = [title, f"`{both.label}` − `{alone.label}`", *map(points, gaps), spread(saved, 100)]
        more = numbers("at_end", gaps[0]) | numbers("over_training", gaps[1]) | numbers("time_saved", saved)
        rows.add(cells, "ours", title, both.label, **more)
    ours = len(rows.cells)
    if not ours:
        return None
    by_time = {one.place: one for one in readings("figure_10b", DOTS_RR, DOTS)}
    for one in readings("figure_5b", DOTS_RR, DOTS):
        saved_there = by_time[one.place].saved
        cells = [f"{one.place} (published, Figure 5b)", f"{DOTS_RR} − {DOTS}", *_gaps(one), number(100 * saved_there)]
        rows.add(cells, "published", one.place, DOTS_RR, at_end=one.end, over_training=one.mean, time_saved=saved_there)
    header = ["model, data", "arms", "at the end, points", "over training, points", "time per step saved, %"]
    printed = published_number("dots_rr", "section_5.4", "time_saved_percent")
    caption = (
        "What replay changes when DOTS chooses the questions: accuracy at equal steps, at the end and as a mean over "
        "training, and the time of a step. Ours: paired by seed, 95 % t-intervals. Published: accuracy from Figure 5b, "
        f"time from Figure 10b; the paper puts the time saved at about {number(printed, 0)} % (section 5.4). "
        f"{READ_OFF} {OTHER_CURVES} {CLOCKS}"
    )
    note = (
        "What replay changes when DOTS chooses the questions, at equal steps. Brackets: 95 % t-intervals over paired "
        f"seeds. Published: accuracy read off Figure 5b, time off Figure 10b. {CLOCKS_NOTE}"
    )
    return rows.table("replay_on_top", "replay on top of DOTS, ours and published", header, caption, note, ours)
