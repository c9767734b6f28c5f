"""DOTS alone against GRPO, and replay on top of DOTS: our runs above the published curves, read in the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from repro.analysis.arms import CLOCKS, CLOCKS_NOTE
from repro.analysis.comparable import NOT_COMPARABLE, Unfit, beside_baseline, said
from repro.analysis.dots_rr.arms import DOTS, DOTS_RR, GRPO, REFERENCES, Arm, Arms, find
from repro.analysis.dots_rr.cost import time_per_step_saved
from repro.analysis.dots_rr.effects import area, metric_of
from repro.analysis.dots_rr.readings import READ_OFF, Reading, readings
from repro.analysis.effects import difference, finals
from repro.analysis.equal_cost import Saving
from repro.analysis.measures import Measures
from repro.analysis.published import published_number
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, points, ratio, spread, withheld

OTHER_CURVES = (
    "DOTS's curves on MATH and ORZ are not the same in Figures 5 and 10 (up to 0.9 points apart), and that on ORZ by "
    "time ends at step 54 of 60."
)

TWO_CURVES = "DOTS + RR's curves are not the same in Figures 5b and 9 (up to 0.75 points apart)."


def part_tables(panels: Sequence[Measures]) -> list[Table]:
    """A table per comparison of the paper that our runs have too."""
    return [table for table in (_dots_alone(panels), _replay_on_top(panels)) if table is not None]


@dataclass
class _Rows:
    """Cells of a table beside the numbers behind them."""

    cells: list[list[str]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    apart: list[Unfit] = field(default_factory=list)
    untold: list[Saving] = field(default_factory=list)

    def add(self, cells: list[str], source: str, place: str, arm: str, **more: float) -> None:
        self.cells.append(cells)
        self.data.append({"source": source, "model_data": place, "arm": arm, **more})

    def table(self, name: str, title: str, header: list[str], caption: str, note: str, ours: int) -> Table:
        data, emphasis = pd.DataFrame(self.data), frozenset(range(ours))
        apart = withheld(self.untold) + said(self.apart)
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
        "DOTS against GRPO. Steps and time: those of GRPO until its final accuracy ÷ those of DOTS. Ours: the mean "
        "over seeds, linear between evaluations, 95 % intervals over seeds and questions. Published: until the curve "
        "holds it at two points in a row, which gives the numbers that the paper prints. At the end and over training "
        "(mean accuracy by steps): DOTS minus GRPO; ours paired by seed with 95 % t-intervals. "
        f"{READ_OFF} In parentheses: what a ratio may be with that error. {OTHER_CURVES} {CLOCKS}"
    )
    note = (
        "Steps and time: those of GRPO until its final accuracy ÷ those of DOTS; in parentheses what reading the "
        "published curves off a figure leaves open. Points: DOTS minus GRPO. Brackets: 95 % intervals, of steps and "
        f"time over seeds and questions, of points over seeds. {CLOCKS_NOTE}"
    )
    return rows.table("dots_alone", "DOTS alone against GRPO, ours and published", header, caption, note, ours)


def _alone_row(rows: _Rows, measures: Measures, series: Series, grpo: Arm) -> None:
    title = measures.panel.title
    less = [measures.time(series.label, "steps").less]
    why = beside_baseline(measures.panel, series, metric_of("seconds", series))
    if why is None:
        less.append(measures.time(series.label, "seconds").less)
    else:
        less.append(None)
        rows.apart.append(why)
    rows.untold += [one for one in less if one is not None]
    ended = difference([measures], series.label, grpo.label, finals)
    whole = area([measures], series.label, grpo.label, "steps")
    gaps = [effect.panels.get(title, _unknown()) if effect else _unknown() for effect in (ended, whole)]
    missing = NOT_COMPARABLE if why else NOTHING
    cells = [title, f"`{series.label}`", *(ratio(one) if one else missing for one in less), *map(points, gaps)]
    more: dict[str, float] = {"references": float(series.selection["references"])}
    for name, one in zip(("steps", "time"), less, strict=True):
        more |= numbers(name, one) if one is not None else {}
    more |= numbers("at_end", gaps[0]) | numbers("over_training", gaps[1])
    rows.add(cells, "ours", title, series.label, **more)


def _times(one: Reading) -> str:
    """`1.36× (1.30 to 1.36)`, without parentheses where no error matters."""
    if math.isnan(one.speedup):
        return "not held"
    low, high = one.between
    told = "" if low == high else f" ({number(low, 2)} to {number(high, 2)})"
    return f"{number(one.speedup, 2)}×{told}"


def _crossing(name: str, one: Reading) -> dict[str, float]:
    return {name: one.speedup, f"{name}_error_low": one.between[0], f"{name}_error_high": one.between[1]}


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
        f"{READ_OFF} {OTHER_CURVES} {TWO_CURVES} {CLOCKS}"
    )
    note = (
        "What replay changes when DOTS chooses the questions, at equal steps. Brackets: 95 % t-intervals over paired "
        f"seeds. Published: accuracy read off Figure 5b, time off Figure 10b. {CLOCKS_NOTE}"
    )
    return rows.table("replay_on_top", "replay on top of DOTS, ours and published", header, caption, note, ours)
