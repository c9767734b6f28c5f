"""One table of every comparison at equal generated tokens, at equal steps and at equal seconds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from repro.analysis.axes import name_of
from repro.analysis.budgets import span
from repro.analysis.comparable import said
from repro.analysis.measures import Measures
from repro.analysis.page.sections import Section
from repro.analysis.primary import AXIS, By, Judged, at_costs
from repro.analysis.tables import Table, numbers
from repro.analysis.text import points


def equal_cost(
    panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged], how_sure: Table | None
) -> tuple[Section, ...]:
    """Its section, with how sure each claim is below; none for a study that compares nothing."""
    if not judged:
        return ()
    text = "Who is more accurate over training depends on what is held equal: an arm can win by one cost alone."
    tables = (equal_cost_table(panels, judged, beside), *([how_sure] if how_sure else []))
    return (Section("Equal cost", "equal-cost", (text,), tables),)


def equal_cost_table(panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged]) -> Table:
    """One row per claim, the exploratory ones below; in the data one per claim, cost and pair of model and task."""
    clock, own = panels[0].panel.clock, [measures.panel for measures in panels]
    costs = {by: name_of(axis, clock) for by, axis in AXIS.items()}
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    every: list[Judged] = []
    for place, one in enumerate([*judged, *beside]):
        rows.append([f"`{one.question.arm}`", f"`{one.question.against}`"])
        for by, found in at_costs(one, own).items():
            every.append(found)
            rows[-1].append(points(found.difference.interval()) if found.pairs else found.state)
            if by == "tokens":
                rows[-1].append(span([found]))
            about: dict[str, object] = {"arm": one.question.arm, "against": one.question.against, "equal": costs[by]}
            about["primary"] = place < len(judged) and by == one.question.by
            where = {"all": found.difference} | {pair.panel.title: pair.difference for pair in found.pairs}
            budgets = {pair.panel.title: pair.budget for pair in found.pairs}
            for name, difference in where.items() if found.pairs else ():
                interval = difference.interval()
                data.append(about | {"where": name, **numbers("difference", interval), "n": interval.n})
                data[-1] |= {"p": difference.p(), "budget": budgets.get(name)}
            if not found.pairs:
                data.append(about | {"where": "all", "state": found.state})

    def reach(by: By) -> str:
        return span([found for found in every if found.question.by == by])

    caption = (
        "Mean accuracy over training of the arm minus that of the other, in points, up to the cost that every run of "
        "both has spent, with 95 % intervals over seeds and questions."
    )
    notes = [
        f"Up to: what every run of both has spent; at equal steps {reach('steps')}, at equal {costs['seconds']} "
        f"{reach('seconds')}. Rows that reach up to different costs do not add up.",
        "What selection costs is inside the tokens and seconds. Intervals and the p-values of the data file are not "
        "corrected for their number; the first page judges the primary claims together.",
        said([why for found in every for why in found.unfit.values()]).strip(),
    ]
    header = ["arm", "against", *(f"at equal {name}" for name in costs.values())]
    header.insert(1 + header.index(f"at equal {costs['tokens']}"), "up to, tokens")
    title = f"Differences at equal {', '.join([*costs.values()][:-1])} and {[*costs.values()][-1]}"
    told = [note for note in notes if note]
    return Table("equal_cost", title, header, rows, pd.DataFrame(data), caption, 2, notes=told)
