"""The tables of time to a target accuracy: by steps, generated tokens and seconds, and to easier targets."""

from __future__ import annotations

import pandas as pd

from repro.analysis.axes import AXES, metric_of, name_of
from repro.analysis.comparable import NOT_COMPARABLE, Unfit, beside_baseline, said
from repro.analysis.equal_cost import Saving
from repro.analysis.measures import Measures
from repro.analysis.page.result_tables import compared_with, emphasised
from repro.analysis.results import TimeToTarget
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, number, ratio, time_or_more, withheld

HOW = (
    "Time: the mean cost at which the mean accuracy over seeds, linear between evaluations, first reaches the target.",
    "A seed that has ended keeps its last accuracy and cost. The rule is the same for every arm. `>`: not reached by "
    "what the runs spent on average.",
    "Times less: the baseline's time ÷ the arm's; in brackets all factors at which the paired difference of accuracies "
    "is not clear of zero (95 %, over seeds and questions of both arms); 0 and ∞ where the runs leave it open.",
    "Not reached, < 1.06×: the arm does not get there, and factors from 1.06 on are ruled out. Even above 1 this is no "
    "sign of a saving: it is where the runs end or are clearly behind.",
    "The first page's factor of times fewer compares whole curves, this one a single accuracy: they can differ.",
    "Selection cost is included, evaluation is not.",
)


def time_table(measures: Measures, prefix: str = "") -> Table:
    """Time to the main target by steps, generated tokens and seconds, and how many times less than the baseline."""
    clock = measures.panel.clock
    header = ["arm", "target, %", "seeds that reach it"]
    for axis in AXES:
        header += [f"{name_of(axis, clock)} to it", f"{name_of(axis, clock)} to it, times less"]
    rows, data = [], []
    apart: list[Unfit | None] = []
    every: list[Saving | None] = []
    for series in measures.panel.series:
        times = [measures.time(series.label, axis) for axis in AXES]
        row = [f"`{series.label}`", number(100 * times[0].target), f"{times[0].got_there} of {len(series.runs)}"]
        record: dict[str, object] = {"arm": series.label, "target": times[0].target, "seeds": len(series.runs)}
        record["reached"] = times[0].got_there
        for time in times:
            why = beside_baseline(measures.panel, series, metric_of(time.axis, clock))
            apart.append(why)
            every.append(None if why else time.less)
            row += [time_or_more(time.value, time.budget), _cell(time, why)]
            key = name_of(time.axis, clock).replace(" ", "_")
            record |= {f"{key}_not_comparable": why.reason} if why else {}
            record |= {key: time.value, f"{key}_budget": time.budget}
            record |= numbers(f"{key}_times_less", None if why else time.less)
            for run, value in zip(series.runs, time.per_seed, strict=True):
                record[f"{key}_seed_{run.place.seed}"] = value
        rows.append(row)
        data.append(record)
    caption, notes = HOW[0], (*HOW[1:], *filter(None, (withheld(every).strip(), said(apart).strip())))
    note = (
        "When the mean accuracy over seeds first reaches the target; >: not in that budget. Times less: the baseline's "
        "time to it ÷ the arm's, with 95 % intervals over seeds and questions; not reached, <: what the runs leave "
        "open where an arm does not get there, no sign of a saving. Selection cost is included, "
        f"evaluation is not.{withheld(every)}{said(apart)}"
    )
    paper = ("arm", "target, %", *(name for name in header if name.endswith("times less")))
    title, reference = f"Time to the target accuracy, {compared_with(measures)}", emphasised(measures)
    name = f"{prefix}time_to_target"
    data_of = pd.DataFrame(data)
    return Table(name, title, header, rows, data_of, caption, 1, reference, paper, note=note, notes=notes)


def robustness_table(measures: Measures, axis: str = "generated tokens", prefix: str = "") -> Table:
    """Times less by one axis at easier targets: whether the verdict hangs on where the bar is put."""
    by_share = measures.times_at_shares(axis)
    header, data = ["arm"], []
    every: list[Saving | None] = []
    cells: dict[str, list[str]] = {s.label: [] for s in measures.panel.series if measures.panel.baseline_of(s)}
    for share, times in by_share.items():
        header.append(f"{100 * share:.0f} % of the gain")
        for time in times:
            if time.series.label in cells:
                why = beside_baseline(measures.panel, time.series, metric_of(axis, measures.panel.clock))
                every.append(None if why else time.less)
                cells[time.series.label].append(_cell(time, why))
                record: dict[str, object] = {"arm": time.series.label, "share_of_gain": share, "target": time.target}
                data.append(record | {"axis": axis, **numbers("times_less", None if why else time.less)})
    rows = [[f"`{label}`", *row] for label, row in cells.items() if len(row) == len(by_share)]
    caption = (
        f"Times less by {axis} to a share of the baseline's gain over the start policy; read as above.{withheld(every)}"
    )
    note = (
        f"The baseline's {axis} to a share of its gain over the start policy ÷ the arm's, with 95 % intervals over "
        f"seeds and questions.{withheld(every)}"
    )
    name, title = f"{prefix}speedup_by_target", "Time to easier target accuracies, times less"
    return Table(name, title, header, rows, pd.DataFrame(data), caption, note=note)


def _cell(time: TimeToTarget, why: Unfit | None) -> str:
    if why:
        return NOT_COMPARABLE
    return ratio(time.less) if time.less else NOTHING
